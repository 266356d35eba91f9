"""Finding a release by what a person types: its digest, the beginning of it, or its label."""

from __future__ import annotations

from collections.abc import Sequence

from plimsoll.errors import UsageError, nearest
from plimsoll.kernel.digest import short

_SHORTEST_PREFIX = 4


def meant(known: Sequence[tuple[str, str]], capability: str, name: str) -> str:
    """The digest that ``name`` means among ``known``, (digest, label) of the capability's releases, oldest first.

    By digest, label (its newest release), or unambiguous prefix of at least four digits, in this order. Raises
    UsageError naming near ones.
    """
    exact = [digest for digest, label in known if name in (digest, label)]
    if exact:
        return exact[-1]
    found = [digest for digest, _ in known if len(name) >= _SHORTEST_PREFIX and digest.startswith(name)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            f"{name!r} could be any of {len(found)} releases of {capability}",
            hint="one of: " + ", ".join(digest[: len(name) + 8] for digest in found[:8]),
        )
    names = {short(digest) for digest, _ in known} | {label for _, label in known if label}
    raise UsageError(f"{capability} has no release {name!r}", hint=nearest(name, names))
