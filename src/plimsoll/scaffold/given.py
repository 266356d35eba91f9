"""A user's own model: a file of any engine, or an unfitted pipeline in a Python file. Neither is run here; a pickle
never is."""

from __future__ import annotations

import ast
from pathlib import Path

from plimsoll.errors import UsageError, nearest


def model_width(model: Path) -> int | None:
    """How many features the model takes; None if it leaves it open. Raises UsageError for what is no model."""
    if not model.is_file():
        raise UsageError(
            f"there is no file {model}", hint="--model takes a .onnx, .txt (LightGBM), .skops or .pt2 file"
        )
    if model.suffix.lower() == ".onnx":
        return _onnx_width(model)
    from plimsoll.models import adapter_for, width_of

    return width_of(adapter_for(model).read(model))


def _onnx_width(model: Path) -> int | None:
    try:
        import onnxruntime  # type: ignore[import-untyped]
    except ImportError as error:
        raise UsageError("an ONNX model needs onnxruntime", hint='pip install "plimsoll[ml]"') from error
    from onnxruntime.capi.onnxruntime_pybind11_state import (  # type: ignore[import-untyped]
        Fail,
        InvalidArgument,
        InvalidGraph,
        InvalidProtobuf,
        NoSuchFile,
    )

    try:
        inputs = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"]).get_inputs()
    except (Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, NoSuchFile, RuntimeError, ValueError) as error:
        raise UsageError(
            f"{model} is no ONNX model: {str(error).splitlines()[0]}",
            hint="an unfitted scikit-learn pipeline is given as --sklearn FILE.py:NAME",
        ) from error
    if len(inputs) != 1:
        names = ", ".join(i.name for i in inputs)
        raise UsageError(
            f"{model} takes {len(inputs)} tensors ({names}); Plimsoll gives it one: rows × features",
            hint="convert the model with a single float input",
        )
    shape = inputs[0].shape
    return shape[1] if len(shape) == 2 and isinstance(shape[1], int) else None


def estimator_of(given: str) -> tuple[Path, str]:
    """``file.py:name`` → the file and the name in it; the name may be left out where the file has only one."""
    file, _, name = given.partition(":")
    path = Path(file)
    if not path.is_file() or path.suffix != ".py":
        raise UsageError(
            f"--sklearn {given}: there is no Python file {file}",
            hint="write FILE.py:NAME, where FILE.py has NAME = make_pipeline(…); a pickle is never loaded",
        )
    names = _assigned(path)
    chosen = name or (names[0] if len(names) == 1 else "")
    if chosen not in names:
        said = f"does not define {name}" if name else f"defines {len(names)} names; say which"
        raise UsageError(f"--sklearn {given}: {file} {said}", hint=nearest(name, names))
    return path, chosen


def _assigned(path: Path) -> list[str]:
    try:
        body = ast.parse(path.read_text(encoding="utf-8")).body
    except SyntaxError as error:
        raise UsageError(f"{path}, line {error.lineno}: {error.msg}") from error
    targets = [t for s in body if isinstance(s, ast.Assign) for t in s.targets]
    targets += [s.target for s in body if isinstance(s, ast.AnnAssign)]
    return [t.id for t in targets if isinstance(t, ast.Name)]
