"""One adapter for each kind of packed model, behind one port, found by entry point.

An adapter is a module-level object of the group ``plimsoll.engines``; ours are registered like a stranger's. Each
imports its library when it packs or opens a model, and not before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from plimsoll.errors import UsageError, nearest
from plimsoll.models.engine import Engine
from plimsoll.models.nameplate import Nameplate, read

GROUP = "plimsoll.engines"


class Adapter(Protocol):
    """How models of one kind are packed and opened."""

    @property
    def kind(self) -> str: ...

    @property
    def is_code(self) -> bool:
        """Whether opening one runs what its author wrote: then it is opened for a signed release only."""
        ...

    @property
    def suffixes(self) -> tuple[str, ...]:
        """The files that people keep such models in: ``(".onnx",)``."""
        ...

    def read(self, path: Path) -> Any:
        """The model in a person's file, as its own library has it; what ``pack`` takes."""
        ...

    def takes(self, model: Any) -> bool:
        """Whether ``model`` is of this kind. Imports nothing."""
        ...

    def pack(self, model: Any, *, task: str, names: Sequence[str], classes: Sequence[str]) -> bytes:
        """The bytes that a release carries, nameplate included: the same for the same model, in any process.

        Raises UsageError for a model that cannot be brought to this form.
        """
        ...

    def open(self, plate: Nameplate | None, payload: bytes) -> Engine:
        """The engine of packed bytes. Raises UsageError where they are not what this adapter packed."""
        ...


_OURS = {
    name: EntryPoint(name=name, value=f"plimsoll.models.engines.{home}", group=GROUP)
    for name, home in {
        "onnx": "onnx_graph:onnx",
        "lightgbm": "lightgbm_text:lightgbm",
        "skops": "skops_file:skops",
        "torch": "torch_program:torch",
        "python": "python_class:python",
    }.items()
}
"""Entry points like a stranger's, said here: reading every installed package's costs a worker's start 30 ms."""


def adapter_of(kind: str) -> Adapter:
    """Raises UsageError for a kind that no installed package has."""
    point = _OURS.get(kind) or _theirs().get(kind)
    if point is None:
        raise UsageError(
            f"no installed package has an engine for models of the kind {kind!r}", hint=nearest(kind, kinds())
        )
    found: Adapter = point.load()
    return found


def kinds() -> tuple[str, ...]:
    """Every kind there is an adapter for; ours first."""
    return (*_OURS, *(name for name in _theirs() if name not in _OURS))


def adapter_for(path: Path) -> Adapter:
    """The adapter for a person's file, by its suffix. Raises UsageError where there is none."""
    known = {suffix: adapter for kind in kinds() for adapter in (adapter_of(kind),) for suffix in adapter.suffixes}
    if path.suffix.lower() not in known:
        raise UsageError(
            f"{path} is no model that can be read: there is an engine for files that end in {', '.join(sorted(known))}",
            hint="a pickle (.pkl, .joblib) is never loaded: save it with skops, or export it as ONNX; an unfitted "
            "scikit-learn pipeline is given as --sklearn FILE.py:NAME",
        )
    return known[path.suffix.lower()]


@cache
def _theirs() -> Mapping[str, EntryPoint]:
    return MappingProxyType({p.name: p for p in sorted(entry_points(group=GROUP), key=lambda p: p.name)})


def kind_of(data: bytes) -> str:
    """The kind of a packed model, from its bytes."""
    plate, _ = read(data)
    return plate.kind if plate else "onnx"


def is_code(data: bytes) -> bool:
    """Whether a packed model is code (see :class:`Adapter`)."""
    return adapter_of(kind_of(data)).is_code


def open_engine(data: bytes) -> Engine:
    """The engine of a packed model. One that is code is run: whoever calls this has seen to its signature."""
    plate, payload = read(data)
    return adapter_of(plate.kind if plate else "onnx").open(plate, payload)
