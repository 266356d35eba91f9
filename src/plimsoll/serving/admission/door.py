"""The door for one set of headers. A client sends the same ones with every request: they are read, and the credential in
them verified, once, and again when anything that could change the result has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from plimsoll.kernel.access import Priority
from plimsoll.serving.admission.grants import Grant
from plimsoll.serving.admission.headers import Headers
from plimsoll.serving.admission.lanes import Lane
from plimsoll.serving.admission.ticket import AdmittedTicket

if TYPE_CHECKING:
    from plimsoll.serving.admission.admitting import Admission


class Known(msgspec.Struct, frozen=True):
    """What headers stand for. ``timeout_s``: 0.0 is none. ``generation``: the admission's when they were read.
    ``rank`` and ``tenant`` are the priority and the tenant as tickets have them."""

    grant: Grant
    priority: Priority
    lane: Lane | None
    timeout_s: float
    generation: int
    rank: int
    tenant: str


class Door:
    """Lets in who comes with ``headers``. What they stand for holds until keys or limits change, or it expires."""

    __slots__ = ("_admission", "_capability", "_headers", "_known")

    def __init__(self, admission: Admission, headers: Headers, capability: str) -> None:
        self._admission, self._headers, self._capability = admission, headers, capability
        self._known: Known | None = None

    def admit(self) -> AdmittedTicket:
        """Raises what ``Admission.admit`` does."""
        admission, known = self._admission, self._known
        if known is None or known.generation != admission.generation or admission.now() >= known.grant.expires_at_s:
            known = self._known = admission.known(self._headers, self._capability)
        return admission.let_in(known)
