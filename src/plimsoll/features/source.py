"""The digest of a function's code: its own text, and what else it says through helpers and constants.

A cache keyed on the function's text alone would not see that a helper changed. So the text of every plain function
it names in its own package is included, and the value of every plain constant; installed libraries are not (the
environment's digest holds those).
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from plimsoll.errors import UsageError
from plimsoll.kernel.digest import digest, plain


def source_digest(function: Callable[..., Any]) -> str:
    """SHA-256 over the function's source, its helpers' and its constants'. Raises UsageError without source text.

    Where the code lies is not part of it: the same text in another folder has the same digest.
    """
    texts: dict[FunctionType, str] = {}
    constants: list[tuple[str, Any]] = []
    _walk(inspect.unwrap(function), texts, constants)
    return digest([list(texts.values()), constants])


def _walk(function: Callable[..., Any], texts: dict[FunctionType, str], constants: list[tuple[str, Any]]) -> None:
    if not isinstance(function, FunctionType):
        raise UsageError(f"{function!r} is not a plain function; its source cannot be pinned")
    if function in texts:
        return
    texts[function] = _text(function)
    for label, value in _named(function):
        if isinstance(value, FunctionType):
            if not _installed(value.__code__.co_filename):
                _walk(value, texts, constants)
        else:
            constants += [(f"{function.__qualname__}: {label}", known) for known in _constant(value)]


@lru_cache(maxsize=1024)
def _text(function: FunctionType) -> str:
    """The text it was loaded from, read once: a file that is edited later is not what runs here."""
    try:
        return textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError) as error:
        raise UsageError(
            f"the source text of {function.__qualname__} cannot be read, so no release could pin it",
            hint="define it in a file, not in an interactive session",
        ) from error


def _named(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """What the function's code refers to by name: globals, what its own modules offer, defaults, closed-over values."""
    names = sorted(set(_names(function.__code__)))
    found = {n: function.__globals__[n] for n in names if n in function.__globals__}
    yield from found.items()
    for alias, module in found.items():
        if isinstance(module, ModuleType) and not _installed(module.__file__ or _LIBRARY):
            yield from ((f"{alias}.{n}", getattr(module, n)) for n in names if hasattr(module, n))
    yield from zip(function.__code__.co_freevars, (c.cell_contents for c in function.__closure__ or ()), strict=True)
    yield "defaults", list(function.__defaults__ or ())
    yield "keyword defaults", dict(function.__kwdefaults__ or {})


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _installed(path: str) -> bool:
    """Whether the file belongs to a library; Plimsoll's own code counts as the user's, wherever it is installed."""
    place = Path(path)
    if place.is_relative_to(_OURS):
        return False
    return "site-packages" in place.parts or "dist-packages" in place.parts or place.is_relative_to(_LIBRARY)


def _constant(value: Any) -> list[Any]:
    """The value as plain data; nothing where it is none."""
    try:
        return [plain(value)]
    except TypeError:
        return []


_LIBRARY = str(Path(inspect.__file__).parent)
_OURS = Path(__file__).parents[1]
