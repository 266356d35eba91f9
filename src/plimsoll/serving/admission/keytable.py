"""The keys as this process knows them, and how a credential is held against them.

The whole table is read when its version grows, never on a request. While the catalog is away what is known goes on
opening for ``trust_s``; after that nothing does, because a revocation could not have been heard of.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from plimsoll.errors import PlimsollError, Unavailable
from plimsoll.kernel.access import PREFIX, KeyRow
from plimsoll.kernel.ports import Keys
from plimsoll.serving.admission.grants import Grant
from plimsoll.serving.admission.tenant import _verified
from plimsoll.serving.refusals import Unauthenticated
from plimsoll.store import Pepper

_log = logging.getLogger(__name__)
_LONGEST = 256
_HOUR = timedelta(hours=1)
_NO_ONE = "this credential opens nothing here"


class KeyTable:
    """The keys of a catalog. ``refresh`` it from any thread; ``grant`` is for the request path.

    ``pepper`` is read when there are keys, so that a home that has none needs none.
    """

    def __init__(
        self,
        keys: Keys,
        pepper: Path,
        *,
        trust_s: float = 3600.0,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys, self._path, self._trust_s = keys, pepper, trust_s
        self._now, self._monotonic = now, monotonic
        self._pepper: Pepper | None = None
        self._version = -1
        self._rows: dict[str, KeyRow] = {}
        self._heard_s = -math.inf
        self._noted: dict[str, datetime] = {}

    def refresh(self) -> bool:
        """Read the keys if any of them changed; True if what was granted must be verified again.

        A catalog that is away is no error until ``trust_s`` is over. Raises what reading the pepper raises.
        """
        try:
            changed = self._read()
        except Unavailable as error:
            return self._unheard(error)
        self._heard_s = self._monotonic()
        return changed

    def _read(self) -> bool:
        if self._keys.version() == self._version:
            return False
        version, rows = self._keys.all()
        if rows and self._pepper is None:
            self._pepper = Pepper.read(self._path)
        self._rows = {row.id: row for row in rows}
        self._version = version
        return True

    def _unheard(self, error: PlimsollError) -> bool:
        if self._monotonic() - self._heard_s < self._trust_s:
            return False
        if self._rows:
            _log.error("no key opens any more: the catalog was away for %g s: %s", self._trust_s, error.message)
        self._rows, self._version = {}, -1
        return True

    def grant(self, credential: str) -> Grant:
        """What ``credential`` stands for now. Raises Unauthenticated, without saying what was wrong with it."""
        row, secret = self._row(credential)
        now = datetime.fromtimestamp(self._now(), UTC)
        if row is None or self._pepper is None:
            if self._version < 0:
                raise Unavailable("the keys cannot be read now", retry_after_s=1.0)
            raise Unauthenticated(_NO_ONE)
        valid = [s for s in row.secrets if s.expires_at is None or now < s.expires_at]
        opened = [s for s in valid if self._pepper.opens(secret, s)]
        if not opened or row.standing(now) != "valid":
            self._say_other_pepper(row)
            raise Unauthenticated(_NO_ONE)
        ends = [at.timestamp() for at in (row.expires_at, opened[0].expires_at) if at is not None]
        return Grant(
            principal=f"key:{row.id}",
            tenant=_verified(row.tenant),
            scopes=row.scopes,
            priority=row.priority,
            expires_at_s=min(ends, default=math.inf),
            key=row.id,
        )

    def _row(self, credential: str) -> tuple[KeyRow | None, str]:
        parts = credential.split("_")
        if len(credential) > _LONGEST or len(parts) != 3 or parts[0] != PREFIX:
            return None, ""
        return self._rows.get(parts[1]), parts[2]

    def _say_other_pepper(self, row: KeyRow) -> None:
        assert self._pepper is not None
        if all(secret.pepper != self._pepper.fingerprint for secret in row.secrets):
            _log.error(
                "key %s was made with another pepper than %s; mount the same file everywhere", row.id, self._path
            )

    def note_used(self, ids: list[str]) -> None:
        """Keep in the catalog, to the hour, that these were used. Losing it loses nothing else."""
        hour = datetime.fromtimestamp(self._now() // 3600 * 3600, UTC)
        new = {key: hour for key in ids if self._noted.get(key) != hour}
        if not new:
            return
        try:
            self._keys.used(new)
        except Unavailable as error:
            _log.warning("when keys were last used could not be kept: %s", error.message)
            return
        self._noted = {key: at for key, at in (self._noted | new).items() if hour - at < _HOUR}
