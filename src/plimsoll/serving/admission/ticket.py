"""What one admitted request carries through the house, and gives back at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from plimsoll.kernel.access import Priority
from plimsoll.serving.admission.tenant import Tenant

if TYPE_CHECKING:
    from plimsoll.serving.admission.lanes import Lane
    from plimsoll.serving.admission.overload import Overload

RANK: Final[dict[Priority, int]] = {"interactive": 0, "batch": -1}


class AdmittedTicket:
    """The seam's ``Ticket``: who asks, for whom (``scope``, which nobody can forge; ``tenant`` is its name), until when.

    ``done`` must be called once the request has ended, however it ended; calling it again changes nothing.
    """

    __slots__ = ("_began_s", "_lane", "_overload", "deadline_s", "principal", "priority", "scope", "tenant")

    def __init__(
        self,
        principal: str,
        scope: Tenant,
        priority: int = 0,
        deadline_s: float = 0.0,
        lane: Lane | None = None,
        overload: Overload | None = None,
        began_s: float = 0.0,
    ) -> None:
        self.principal, self.scope, self.tenant = principal, scope, scope.name
        self.priority, self.deadline_s = priority, deadline_s
        self._lane, self._overload, self._began_s = lane, overload, began_s

    def done(self) -> None:
        overload, lane = self._overload, self._lane
        self._overload = self._lane = None
        if overload is not None:
            overload.leave(self._began_s)
        if lane is not None:
            lane.leave()
