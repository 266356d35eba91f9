"""What a training ran on, as far as it can change an answer: Python, the machine, the libraries, the code."""

from __future__ import annotations

import inspect
import platform
from collections.abc import Callable, Iterable
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from plimsoll.errors import UsageError
from plimsoll.kernel.digest import digest, digest_bytes

LIBRARIES = ("lightgbm", "numpy", "onnx", "onnxmltools", "onnxruntime", "scikit-learn", "skl2onnx")
"""Those whose version can change a model's bytes or its answers."""


def environment() -> dict[str, Any]:
    """``python``, ``machine``, ``system``, ``libraries`` (name → version, those that are installed), and ``digest`` of
    all that. Reads the packages' metadata; imports none of them."""
    found = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.system(),
        "libraries": {name: v for name in LIBRARIES if (v := _version(name))},
    }
    return {**found, "digest": digest(found)}


def code_digest(*sources: Path | Callable[..., Any] | Any) -> str:
    """The digest of the source text of files, of the files that functions stand in, and of estimators' parameters.

    Folders do not count, names and text do: the same code elsewhere has the same digest. A function's whole file
    counts, because what it calls usually stands beside it. Raises UsageError where there is no source to read.
    """
    return digest(sorted(set(_parts(sources))))


def _parts(sources: Iterable[Any]) -> Iterable[str]:
    for source in sources:
        if isinstance(source, Path):
            yield _file(source)
        elif hasattr(source, "get_params"):
            yield _estimator(source)
        else:
            yield _file(_home(source))


def _file(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the source file {path} cannot be read: {error}") from error
    return f"{path.name}:{digest_bytes(text.encode())}"  # read as text: a checkout with CRLF is the same code


def _home(function: Any) -> Path:
    while isinstance(function, partial):
        function = function.func
    try:
        found = inspect.getsourcefile(inspect.unwrap(function))
    except TypeError:
        found = None
    if found is None or not Path(found).is_file():
        raise UsageError(
            f"the source of {function!r} cannot be found, so a release could not say what code it runs",
            hint="define it in a .py file beside capability.py, not in a shell or notebook",
        )
    return Path(found)


def _estimator(estimator: Any) -> str:
    """An unfitted scikit-learn estimator is its class and its parameters; its code is the library's version."""
    kind = type(estimator)
    params = {name: repr(value) for name, value in estimator.get_params(deep=True).items()}
    return f"{kind.__module__}.{kind.__qualname__}:{digest(params)}"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
