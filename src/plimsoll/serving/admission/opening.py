"""From settings to a door that stands."""

from __future__ import annotations

from pathlib import Path

from plimsoll.kernel.ports import Keys
from plimsoll.sections import Access, Limits
from plimsoll.serving.admission.admitting import Admission
from plimsoll.serving.admission.issuer import IssuerKeys
from plimsoll.serving.admission.keytable import KeyTable
from plimsoll.serving.admission.lanes import Lanes
from plimsoll.serving.admission.overload import Overload
from plimsoll.serving.admission.sharing import SharedLimits
from plimsoll.serving.admission.tokens import Tokens, check

_FIRST_READING_S = 1.0


def open_admission(access: Access, limits: Limits, keys: Keys, pepper: Path) -> Admission:
    """The admission that these settings ask for, with the keys read. ``close`` it at the end.

    Raises InvalidDeclaration or UsageError for settings that cannot be; Unavailable when the catalog is away.
    """
    table = KeyTable(keys, pepper, trust_s=access.trust_keys_s) if access.required else None
    tokens = _tokens(access) if access.required and access.jwt_keys else None
    shared = SharedLimits(limits) if limits.shared else None
    admission = Admission(
        overload=Overload(target_s=limits.wait_ms / 1000.0, most=limits.most_waiting),
        lanes=Lanes(limits, shared=shared),
        keys=table,
        tokens=tokens,
        shared=shared,
    )
    admission.refresh()
    return admission


def _tokens(access: Access) -> Tokens:
    check(access)
    keys = IssuerKeys(access.jwt_keys, refresh_s=access.jwt_refresh_s, timeout_s=access.jwt_timeout_s)
    tokens = Tokens(access, keys)
    tokens.wait(_FIRST_READING_S)  # an issuer that is away keeps no server from starting
    return tokens
