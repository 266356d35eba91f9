"""ONNX under onnxruntime: the form that a model is packed in wherever it answers the same there.

A turn of a few rows is run into memory that was bound before: ``run`` makes an array and a dictionary each time, which
costs a single row 1.5 of its 7 µs.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plimsoll.errors import UsageError
from plimsoll.models.engine import Matrix, Scores, checked, finite, nothing, shaped
from plimsoll.models.nameplate import Nameplate

BOUND_ROWS = 64
"""Up to so many rows are run in bound memory; the gain is 2 % there and 20 % at one row."""

_FLOAT32 = np.dtype(np.float32)  # NumPy has one of it: to compare identities takes a tenth of the time


class OnnxEngine:
    """A packed graph under onnxruntime: one thread, 5–6 µs a single row of a small tree model."""

    kind = "onnx"

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
        self.native = meta.get("loops") != "yes"
        self._width = len(self.names)
        self._bound = threading.local()
        self._alone = b"TreeEnsemble" in onnx  # a row alone gets the bits that it gets among others
        self._single = self._alone and self.task != "multiclass"

    def predict(self, matrix: Matrix) -> Scores:
        """See :class:`Engine`."""
        if matrix.ndim != 2 or matrix.shape[1] != self._width or matrix.dtype is not _FLOAT32:
            checked(matrix, self.names)
        rows = len(matrix)
        if rows == 1 and self._single:
            score = self._few(matrix, 1).item(-1)  # the second class, or the value
            if math.isfinite(score):
                return np.array((score,))
        if not rows:
            return nothing(self.task, len(self.classes))
        if rows == 1 and not self._alone:  # products of a single row are summed in another order than those of several
            return self.predict(np.repeat(matrix, 2, axis=0))[:1]
        return finite(
            shaped(self._few(matrix, rows) if rows <= BOUND_ROWS else self._run(matrix), self.task), "the model"
        )

    def _run(self, matrix: Matrix) -> NDArray[Any]:
        raw: NDArray[Any] = self._session.run(self._outputs, {self._input: matrix})[0]
        return raw

    def _few(self, matrix: Matrix, rows: int) -> NDArray[Any]:
        """The raw answers, in memory that this thread's next call writes over: ``shaped`` copies them."""
        try:
            run, given, answers = self._bound.of[rows]
        except (AttributeError, KeyError):
            return self._bind(matrix, rows)
        given[:] = matrix
        run()
        found: NDArray[Any] = answers
        return found

    def _bind(self, matrix: Matrix, rows: int) -> NDArray[Any]:
        """Run plainly once, which tells the shape, and bind memory of that shape for the next."""
        raw = self._run(matrix)
        given, answers = np.empty((rows, self._width), np.float32), np.empty_like(raw)
        binding = self._session.io_binding()
        binding.bind_cpu_input(self._input, given)
        binding.bind_output(self._outputs[0], "cpu", 0, answers.dtype, answers.shape, answers.ctypes.data)
        if not hasattr(self._bound, "of"):
            self._bound.of = {}
        self._bound.of[rows] = (_running(self._session, binding), given, answers)
        return raw


def _running(session: Any, binding: Any) -> Callable[[], Any]:
    """Run what is bound. Its wrapper in Python looks each time for options that are never set here (0.4 of 4.1 µs for a
    row); so the session behind it is called, where this onnxruntime has one."""
    if hasattr(session, "_sess") and hasattr(binding, "_iobinding"):
        return partial(session._sess.run_with_iobinding, binding._iobinding, None)
    return partial(session.run_with_iobinding, binding)


class _Onnx:
    """See :class:`plimsoll.models.engines.Adapter`."""

    kind = "onnx"
    is_code = False
    suffixes = (".onnx",)

    def read(self, path: Path) -> Path:
        return path  # weights beside it are found from its folder

    def takes(self, model: Any) -> bool:
        """Whatever there is a converter for, which only trying tells."""
        return True

    def pack(self, model: Any, *, task: str, names: Sequence[str], classes: Sequence[str]) -> bytes:
        from plimsoll.models.convert import to_graph
        from plimsoll.models.graph import canonical

        return canonical(to_graph(model, names), task=task, names=names, classes=classes)

    def open(self, plate: Nameplate | None, payload: bytes) -> OnnxEngine:
        return OnnxEngine(payload)


onnx = _Onnx()


def _session(onnx: bytes) -> Any:
    """An onnxruntime session. Foreign errors are mapped here; they share no base class of their own."""
    try:
        import onnxruntime as ort  # type: ignore[import-untyped]
    except ImportError as error:
        raise UsageError("an ONNX model needs onnxruntime", hint='pip install "plimsoll[ml]"') from error
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
