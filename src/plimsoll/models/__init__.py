"""MODELS: how a model is packed so that it answers the same everywhere, and the engines that run it.

A model of any kind becomes one ONNX graph with deterministic bytes, checked against the model it came from over the
whole gate set, and travels with golden rows: inputs and the answers that a replica must reproduce to be ready.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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


def __getattr__(name: str) -> Any:
    """Loads a part when it is asked for: a serving process never loads the converters."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
