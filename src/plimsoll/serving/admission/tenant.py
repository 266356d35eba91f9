"""The tenant as a type that a caller cannot forge.

A tenant partitions caches, limits and events, so it must come from a verified credential and from nowhere else. There
is no public way to make one: no decoder builds it, no subclass can be declared, and a string is not one.
"""

from __future__ import annotations

from typing import Any, Final, NoReturn, final

_SEAL: Final = object()


@final
class Tenant:
    """Whose data. Made by admission alone; equal by name. ``str`` of it is what events record."""

    __slots__ = ("_hash", "name")
    name: str
    _hash: int

    def __init__(self, name: str, seal: object) -> None:
        if seal is not _SEAL:
            raise TypeError("a tenant comes from admission, which has verified a credential")
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "_hash", hash(("tenant", name)))

    def __init_subclass__(cls) -> NoReturn:
        raise TypeError("a tenant has no kinds")

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError("a tenant does not change")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a tenant does not change")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a tenant does not travel: the other side verifies for itself")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tenant) and other.name == self.name

    def __hash__(self) -> int:
        return self._hash

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<tenant {self.name!r}>"


def _verified(name: str) -> Tenant:
    """For the modules of this package, after they have verified."""
    return Tenant(name, _SEAL)


NOBODYS: Final = _verified("")
"""Of requests that needed no credential."""
