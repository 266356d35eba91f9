"""Who may ask, how much, and whether there is room: the request's first station.

Synchronous and without I/O on the request path, but for one call of Redis a lease where a limit is shared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plimsoll.lazy import names_of

if TYPE_CHECKING:
    from plimsoll.serving.admission.admitting import Admission
    from plimsoll.serving.admission.issuer import IssuerKeys
    from plimsoll.serving.admission.keytable import KeyTable
    from plimsoll.serving.admission.lanes import Lanes
    from plimsoll.serving.admission.loopback import from_this_machine
    from plimsoll.serving.admission.opening import open_admission
    from plimsoll.serving.admission.overload import Overload
    from plimsoll.serving.admission.sharing import SharedLimits
    from plimsoll.serving.admission.tenant import Tenant
    from plimsoll.serving.admission.tokens import Tokens

__all__ = [
    "Admission",
    "IssuerKeys",
    "KeyTable",
    "Lanes",
    "Overload",
    "SharedLimits",
    "Tenant",
    "Tokens",
    "from_this_machine",
    "open_admission",
]

_HOMES = {
    "Admission": "admitting",
    "IssuerKeys": "issuer",
    "KeyTable": "keytable",
    "Lanes": "lanes",
    "Overload": "overload",
    "SharedLimits": "sharing",
    "Tenant": "tenant",
    "Tokens": "tokens",
    "from_this_machine": "loopback",
    "open_admission": "opening",
}

__getattr__ = names_of(__name__, _HOMES)
