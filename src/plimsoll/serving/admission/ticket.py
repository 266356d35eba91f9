"""What one admitted request carries through the house, and gives back at its end."""

from __future__ import annotations

import msgspec

from plimsoll.serving.admission.lanes import Lane
from plimsoll.serving.admission.overload import Overload
from plimsoll.serving.admission.tenant import Tenant


class AdmittedTicket(msgspec.Struct, gc=False):
    """The seam's ``Ticket``: who asks, for whom (``scope``, which nobody can forge; ``tenant`` is its name), until when.

    ``done`` must be called once the request has ended, however it ended; calling it again changes nothing.
    """

    principal: str
    tenant: str
    scope: Tenant
    priority: int = 0
    deadline_s: float = 0.0
    lane: Lane | None = None
    overload: Overload | None = None
    began_s: float = 0.0

    def more(self, questions: int) -> None:
        """Raises what ``Lane.more`` does."""
        if self.lane is not None:
            self.lane.more(questions, self.began_s)

    def done(self) -> None:
        overload = self.overload
        if overload is None:
            return
        self.overload = None
        overload.leave(self.began_s)
        if self.lane is not None:
            self.lane.leave()
