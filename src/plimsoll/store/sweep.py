"""Mark and sweep: what no release, snapshot or run refers to any more is deleted."""

from __future__ import annotations

from collections.abc import Iterable

from plimsoll.kernel.ports import Objects


def collect(objects: Objects, keep: Iterable[str]) -> list[str]:
    """Delete every object whose digest is not in ``keep``, and return what was deleted.

    The objects are listed *before* ``keep`` is read: give it as a generator function's result over the catalog, and
    whatever was put and referred to meanwhile is safe. What was put and is not yet referred to is not: add
    ``written_since`` of the last hour to ``keep`` while others write.
    """
    listed = sorted(objects.digests())
    kept = frozenset(keep)
    swept = [digest for digest in listed if digest not in kept]
    for digest in swept:
        objects.delete(digest)
    return swept
