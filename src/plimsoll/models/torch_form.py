"""An exported PyTorch program's own answers, and its ONNX form where the exporter for it is installed."""

from __future__ import annotations

import io
import warnings
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plimsoll.errors import UsageError


def torch_graph(program: Any) -> Any:
    """An ``onnx.ModelProto`` of an ``ExportedProgram``. Raises UsageError without onnxscript, which PyTorch needs."""
    if find_spec("onnxscript") is None:
        raise UsageError(
            "PyTorch needs onnxscript to write ONNX, and it is not installed", hint="pip install onnxscript"
        )
    import onnx
    import torch  # type: ignore[import-not-found]

    made = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(program, dynamo=True, external_data=False, verbose=False).save(made)
    return onnx.load_model_from_string(made.getvalue())


def run(module: Any, matrix: NDArray[np.float32]) -> NDArray[Any]:
    """The module's answer to ``matrix``, in this thread. Raises UsageError where it cannot take these rows."""
    import torch

    try:
        with torch.inference_mode():
            said = module(torch.tensor(matrix))
    except (RuntimeError, AssertionError, TypeError, ValueError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
        raise UsageError(
            f"the PyTorch program cannot answer {len(matrix)} rows of {matrix.shape[1]} features: {reason}",
            hint="export it for float32 (n, features) with the first dimension dynamic, and one tensor as its answer",
        ) from error
    if not isinstance(said, torch.Tensor):
        raise UsageError(f"the PyTorch program answers with a {type(said).__name__}, and must with one tensor")
    found: NDArray[Any] = said.numpy()
    return found
