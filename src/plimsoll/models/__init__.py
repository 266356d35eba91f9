"""MODELS: how a model is packed so that it answers the same everywhere, and the engines that run it.

A model of any kind becomes one ONNX graph with deterministic bytes, checked against the model it came from over the
whole gate set, and travels with golden rows: inputs and the answers that a replica must reproduce to be ready.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plimsoll.lazy import names_of

if TYPE_CHECKING:
    from plimsoll.models.engine import Engine, OnnxEngine, PythonEngine
    from plimsoll.models.golden import check_golden
    from plimsoll.models.packing import Package, Task, package

__all__ = ["Engine", "OnnxEngine", "Package", "PythonEngine", "Task", "check_golden", "package"]

_HOMES = {
    "Engine": "engine",
    "OnnxEngine": "engine",
    "Package": "packing",
    "PythonEngine": "engine",
    "Task": "packing",
    "check_golden": "golden",
    "package": "packing",
}

__getattr__ = names_of(__name__, _HOMES)
