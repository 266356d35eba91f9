"""MODELS: how a model is packed so that it answers the same everywhere, and the engines that run it.

A model of any kind becomes an ONNX graph wherever it answers the same as one, and else keeps its library's format: with
deterministic bytes, checked against the model it came from over the whole gate set. It travels with golden rows:
inputs and the answers that a replica must reproduce to be ready.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plimsoll.lazy import names_of

if TYPE_CHECKING:
    from plimsoll.models.code import CodeModel, code_model
    from plimsoll.models.contribution import Contributions, contributions, is_made_of_trees, leaves_of
    from plimsoll.models.engine import Engine, PythonEngine
    from plimsoll.models.engines import Adapter, adapter_for, is_code, kind_of, open_engine
    from plimsoll.models.engines.onnx_graph import OnnxEngine
    from plimsoll.models.golden import check_golden, golden_rows
    from plimsoll.models.guard import Guarded, resident_bytes
    from plimsoll.models.native import width_of
    from plimsoll.models.opening import open_model
    from plimsoll.models.packing import Package, Task, package
    from plimsoll.models.warmth import UNMEASURED, Warmth, warmed

_HOMES = {
    "UNMEASURED": "warmth",
    "Adapter": "engines",
    "CodeModel": "code",
    "Contributions": "contribution",
    "Engine": "engine",
    "Guarded": "guard",
    "OnnxEngine": "engines.onnx_graph",
    "Package": "packing",
    "PythonEngine": "engine",
    "Task": "packing",
    "Warmth": "warmth",
    "adapter_for": "engines",
    "check_golden": "golden",
    "code_model": "code",
    "contributions": "contribution",
    "golden_rows": "golden",
    "is_code": "engines",
    "is_made_of_trees": "contribution",
    "leaves_of": "contribution",
    "kind_of": "engines",
    "open_engine": "engines",
    "open_model": "opening",
    "package": "packing",
    "resident_bytes": "guard",
    "warmed": "warmth",
    "width_of": "native",
}

__all__ = [
    "UNMEASURED",
    "Adapter",
    "CodeModel",
    "Contributions",
    "Engine",
    "Guarded",
    "OnnxEngine",
    "Package",
    "PythonEngine",
    "Task",
    "Warmth",
    "adapter_for",
    "check_golden",
    "code_model",
    "contributions",
    "golden_rows",
    "is_code",
    "is_made_of_trees",
    "kind_of",
    "leaves_of",
    "open_engine",
    "open_model",
    "package",
    "resident_bytes",
    "warmed",
    "width_of",
]

__getattr__ = names_of(__name__, _HOMES)
