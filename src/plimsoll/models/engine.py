"""Engines: what answers, given feature rows. One process runs one thread per engine and scales by process.

A packed ONNX graph says in its metadata what it answers (``task``), for which features in which order (``names``) and
for which ``classes``; so bytes alone make an engine.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from plimsoll.errors import Broken, UsageError

Scores = NDArray[np.float64]


class Engine(Protocol):
    """Answers a batch of feature rows."""

    @property
    def names(self) -> tuple[str, ...]:
        """The features, in the order of the matrix's columns."""
        ...

    def predict(self, matrix: NDArray[np.float32]) -> Scores:
        """float32 (n, k) → (n,): P(positive) or the value; or (n, classes). NaN in the matrix means *missing*.

        Raises UsageError for another width or dtype, Broken where an answer is not a finite number.
        """
        ...


class OnnxEngine:
    """A packed graph under onnxruntime: one thread, 4–6 µs a single row of a small tree model."""

    def __init__(self, onnx: bytes) -> None:
        self._session = _session(onnx)
        meta = self._session.get_modelmeta().custom_metadata_map
        if not {"task", "names"} <= meta.keys():
            raise UsageError(
                "the ONNX bytes were not packed by Plimsoll: they do not say what they answer",
                hint="pack them first: plimsoll.models.package(path_or_bytes, names=…, task=…, sample=…)",
            )
        self._input = self._session.get_inputs()[0].name
        self._outputs = [self._session.get_outputs()[0].name]
        self.task: str = meta["task"]
        self.names: tuple[str, ...] = tuple(json.loads(meta["names"]))
        self.classes: tuple[str, ...] = tuple(json.loads(meta.get("classes", "[]")))

    def predict(self, matrix: NDArray[np.float32]) -> Scores:
        """See :class:`Engine`."""
        self._check(matrix)
        if not len(matrix):
            return np.empty((0, len(self.classes)) if self.task == "multiclass" else 0)
        raw: NDArray[Any] = self._session.run(self._outputs, {self._input: matrix})[0]
        return finite(shaped(raw, self.task), "the model")

    def _check(self, matrix: NDArray[np.float32]) -> None:
        if matrix.ndim != 2 or matrix.shape[1] != len(self.names):
            raise UsageError(
                f"the model takes rows of {len(self.names)} features, and got an array of shape {matrix.shape}",
                hint=f"the features, in order: {', '.join(self.names)}",
            )
        if matrix.dtype != np.float32:
            raise UsageError(
                f"the model takes float32, and got {matrix.dtype}",
                hint="cast with .astype(np.float32); models are trained and checked on float32 features",
            )


class PythonEngine:
    """A declared Python function over the question's columns: the fallback, release zero. Nothing is unpickled."""

    def __init__(self, function: Callable[[Mapping[str, Any]], Any], *, task: str = "binary") -> None:
        self._function = function
        self.task = task
        self.name = getattr(function, "__qualname__", type(function).__name__)

    def predict(self, columns: Mapping[str, Any]) -> Scores:
        """Columns by name, all of one length n → (n,) or (n, classes). Raises Broken, naming the function."""
        rows = len(next(iter(columns.values()))) if columns else 0
        try:
            raw = np.asarray(self._function(columns), dtype=np.float64)
        except Exception as error:
            raise Broken(f"the function {self.name} raised {type(error).__name__}: {error}") from error
        if raw.ndim == 0 or len(raw) != rows:
            raise Broken(
                f"the function {self.name} got {rows} questions and gave an answer of shape {raw.shape}",
                hint="return one score for each question, in their order",
            )
        return finite(shaped(raw, self.task), f"the function {self.name}")


def shaped(raw: NDArray[Any], task: str) -> Scores:
    """An engine's raw output as (n,) for binary (P of the second class) and regression, (n, classes) otherwise."""
    if task == "multiclass":
        return raw.astype(np.float64)
    if raw.ndim == 2 and raw.shape[1] <= (2 if task == "binary" else 1):
        return raw[:, -1].astype(np.float64)
    if raw.ndim != 1:
        raise UsageError(f"an answer of shape {raw.shape} is not that of a {task} task")
    return raw.astype(np.float64)


def finite(scores: Scores, who: str) -> Scores:
    """``scores``, or Broken naming the first row that is not a finite number."""
    if math.isfinite(scores.sum()):
        return scores
    row = int(np.flatnonzero(~np.isfinite(scores.reshape(len(scores), -1)).all(axis=1))[0])
    raise Broken(f"{who} answered {scores[row]} for row {row}: not a finite number")


def _session(onnx: bytes) -> Any:
    """An onnxruntime session. Foreign errors are mapped here; they share no base class of their own."""
    import onnxruntime as ort  # type: ignore[import-untyped]
    from onnxruntime.capi import onnxruntime_pybind11_state as foreign  # type: ignore[import-untyped]

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    known = (
        foreign.InvalidProtobuf,
        foreign.InvalidGraph,
        foreign.InvalidArgument,
        foreign.NotImplemented,
        foreign.NoSuchFile,
        foreign.Fail,
        foreign.RuntimeException,
    )
    try:
        return ort.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    except known as error:
        reason = str(error).strip().splitlines()[0][:300]
        raise UsageError(
            f"{len(onnx):,} bytes are not an ONNX model that onnxruntime {ort.__version__} can run: {reason}",
            hint="export it again for an older opset, or check the file: python -m onnx.checker FILE",
        ) from error
