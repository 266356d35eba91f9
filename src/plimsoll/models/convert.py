"""Any model to an ONNX graph, by the converter of its library. What comes out is made canonical in ``graph``.

LightGBM trees split on doubles and ONNX trees on float32, and the converter rounds a threshold to the *nearest*
float32. Where that lies above, a value equal to it goes left instead of right. For float32 inputs the largest float32
that is not above the threshold decides exactly as the double does, so the thresholds are set to that.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from plimsoll.errors import UsageError
from plimsoll.models import native
from plimsoll.models.converters import teach
from plimsoll.models.torch_form import torch_graph

OPSET = {"": 17, "ai.onnx.ml": 3}
"""What converters write; graphs that come as ONNX keep theirs."""

_FOREIGN = (RuntimeError, ValueError, TypeError, KeyError, IndexError, AttributeError)
"""What the converters raise on a model that they do not know; they have no tree of errors."""


def to_graph(model: Any, names: Sequence[str]) -> Any:
    """An ``onnx.ModelProto`` of ``model``. Raises UsageError where it cannot be had, saying what can."""
    if isinstance(model, bytes | Path):
        return _read(model)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the converters warn about their own future
            if native.is_torch(model):
                return torch_graph(model)
            return _lightgbm(model, len(names)) if native.is_lightgbm(model) else _sklearn(model, names)
    except _FOREIGN as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
        raise UsageError(
            f"the {type(model).__name__} cannot be converted to ONNX: {reason}",
            hint="LightGBM and most of scikit-learn can; or export the model yourself and give the .onnx file",
        ) from error


def _read(model: bytes | Path) -> Any:
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    what = f"{len(model):,} bytes" if isinstance(model, bytes) else str(model)
    try:
        read = onnx.load_model_from_string(model) if isinstance(model, bytes) else onnx.load(what)
        _inline_only(read)
        onnx.checker.check_model(read)
    except FileNotFoundError as error:
        raise UsageError(f"there is no ONNX file {what}", hint="is the path relative to another folder?") from error
    except (DecodeError, onnx.checker.ValidationError) as error:
        raise UsageError(f"{what}: not a valid ONNX model: {str(error).strip().splitlines()[0][:300]}") from error
    return read


def _inline_only(model: Any) -> None:
    """No weights outside: bytes that name a file would make a serving process read whatever they name."""
    outside = [i.name for i in model.graph.initializer if i.data_location == 1]
    if outside:
        raise UsageError(
            f"the ONNX bytes keep {len(outside)} weights in other files ({outside[0]} first)",
            hint="give the path of the .onnx file, so that they are read from its folder, or save it as one file",
        )


def _lightgbm(model: Any, width: int) -> Any:
    from onnxmltools import convert_lightgbm  # type: ignore[import-untyped]
    from onnxmltools.convert.common.data_types import FloatTensorType  # type: ignore[import-untyped]

    made = convert_lightgbm(
        model,
        initial_types=[("input", FloatTensorType([None, width]))],
        target_opset=15,  # the newest it knows; LightGBM needs no more than 9
        zipmap=False,
    )
    _exact_thresholds(made, native.booster_of(model))
    return made


def _sklearn(model: Any, names: Sequence[str]) -> Any:
    from skl2onnx import to_onnx  # type: ignore[import-untyped]
    from skl2onnx.common.data_types import FloatTensorType  # type: ignore[import-untyped]

    teach()
    if _reads_by_name(model):
        inputs = [(name, FloatTensorType([None, 1])) for name in names]
    else:
        inputs = [("input", FloatTensorType([None, len(names)]))]
    options = {"zipmap": False} if hasattr(model, "predict_proba") else None
    return to_onnx(model, initial_types=inputs, target_opset=OPSET, options=options)


def _reads_by_name(model: Any) -> bool:
    """Whether a column transformer in the pipeline picks its columns by name; then each is an input of its own."""
    picked = getattr(model, "transformers_", ())
    if any(isinstance(c, str) for _, _, columns in picked for c in np.atleast_1d(np.asarray(columns, dtype=object))):
        return True
    return any(_reads_by_name(step) for _, step in getattr(model, "steps", ()))


def _exact_thresholds(model: Any, booster: Any) -> None:
    """Lower each threshold that was rounded up to the next float32 below it (see the module's docstring)."""
    below = _rounded_up(booster)
    for node in model.graph.node:
        parts = {a.name: a for a in node.attribute}
        if "nodes_values" not in parts:
            continue
        values = np.array(parts["nodes_values"].floats, dtype=np.float32)
        places = zip(parts["nodes_featureids"].ints, parts["nodes_modes"].strings, values.tolist(), strict=True)
        high = [mode == b"BRANCH_LEQ" and (feature, value) in below for feature, mode, value in places]
        values[high] = np.nextafter(values[high], np.float32(-np.inf))
        del parts["nodes_values"].floats[:]
        parts["nodes_values"].floats.extend(values.tolist())


def _rounded_up(booster: Any) -> set[tuple[int, float]]:
    """(feature, threshold as float32) of every split whose nearest float32 lies above its double."""
    found: set[tuple[int, float]] = set()
    waiting = [tree["tree_structure"] for tree in booster.dump_model()["tree_info"]]
    while waiting:
        node = waiting.pop()
        if "left_child" not in node:
            continue
        waiting += [node["left_child"], node["right_child"]]
        if node["decision_type"] == "<=" and float(np.float32(node["threshold"])) > float(node["threshold"]):
            found.add((int(node["split_feature"]), float(np.float32(node["threshold"]))))
    return found
