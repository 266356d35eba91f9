"""Every error that Plimsoll raises, in one tree.

::

    PlimsollError
    ├── UsageError            fix your call: it was wrong before anything happened          exit 2
    │   └── InvalidDeclaration    a capability, contract or settings file says something impossible
    ├── Refused               a gate, policy or contract said no; carries the evidence       exit 1
    │   └── Inadmissible          the evidence itself cannot be used (leakage, skew, a broken split)
    ├── Unavailable           something is away or busy; retrying may help, and says when    exit 3
    │   └── Conflict              somebody else changed it first; read again and retry
    └── Broken                our bug, or corrupt data                                       exit 4
        ├── Damaged               stored bytes are not what they were
        └── IllegalTransition     an event that the lifecycle's table does not allow

A message has four parts: what happened, the values, why, and what to do next (with the exact command where
there is one). The first three are the message; the last is ``hint``.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any


class PlimsollError(Exception):
    """The root: everything we raise on purpose. ``hint`` says what to do next; ``details`` is for machines."""

    exit_code = 4

    def __init__(self, message: str, *, hint: str = "", details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details: dict[str, Any] = dict(details or {})

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class UsageError(PlimsollError):
    """The call was wrong; nothing was done. The CLI prints it without a traceback."""

    exit_code = 2


class InvalidDeclaration(UsageError):
    """A capability, contract or settings file says something that cannot be."""


class Refused(PlimsollError):
    """A gate, a policy or a contract said no. ``details`` carries the evidence."""

    exit_code = 1


class Inadmissible(Refused):
    """The evidence cannot be used at all: leakage, skew, a broken split. Not a fail: nothing was judged."""


class Unavailable(PlimsollError):
    """Something needed is away or busy. ``retry_after_s`` says when trying again makes sense."""

    exit_code = 3

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        details: Mapping[str, Any] | None = None,
        retry_after_s: float = 1.0,
    ) -> None:
        super().__init__(message, hint=hint, details=details)
        self.retry_after_s = retry_after_s


class Conflict(Unavailable):
    """A compare-and-set lost: the record changed since it was read. Nothing was written."""


class Broken(PlimsollError):
    """Our bug, or corrupt data. Worth a report."""


class Damaged(Broken):
    """Stored bytes do not have the digest, checksum or chain they were stored under."""


class IllegalTransition(Broken):
    """An event that the lifecycle's table does not allow from this state. Nothing changed."""


def nearest(name: str, known: object) -> str:
    """A hint naming the right spelling of ``name`` among ``known``, or listing what there is."""
    names = sorted(str(k) for k in known)  # type: ignore[attr-defined]
    match = get_close_matches(name, names, n=1, cutoff=0.5)
    if match:
        return f"did you mean {match[0]!r}?"
    return f"known: {', '.join(names)}" if names else "nothing is declared here"
