"""The pepper: what secrets are hashed with. It lies in a file of its own, outside the catalog, and is made at first use.

HMAC-SHA-256 (RFC 2104) and no slow password hash: a key's secret is 256 random bits, which nobody guesses, and a
slow hash costs 121 ms of every first request. The pepper is what a stolen catalog lacks.
"""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from pathlib import Path
from typing import Self

from plimsoll.errors import Refused, UsageError
from plimsoll.kernel.access import Secret
from plimsoll.store.durable import first_of, make_folder, unavailable

_BYTES = 32
_FOR_ALL = stat.S_IRWXO | stat.S_IWGRP


class Pepper:
    """A pepper that was read. ``fingerprint`` names it without telling it: secrets say which one they were made with."""

    def __init__(self, pepper: bytes) -> None:
        self._pepper = pepper
        self.fingerprint = hmac.digest(pepper, b"plimsoll pepper", "sha256").hex()[:16]

    @classmethod
    def read(cls, path: Path) -> Self:
        """The pepper in ``path``. Raises UsageError where there is none, Refused where others may read it."""
        try:
            with path.open("rb") as file:
                if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & _FOR_ALL:
                    raise Refused(f"the pepper may be read by every user ({path})", hint=f"chmod 600 {path}")
                return cls._of(file.read(), path)
        except FileNotFoundError as error:
            raise UsageError(f"there is no pepper at {path}", hint="plimsoll keys create makes it") from error
        except OSError as error:
            raise unavailable("reading the pepper", path, error) from error

    @classmethod
    def kept(cls, path: Path) -> Self:
        """The pepper in ``path``, made (0600) if there is none."""
        try:
            make_folder(path.parent, 0o700)
            first_of(path, secrets.token_bytes(_BYTES), 0o600)
        except OSError as error:
            raise unavailable("making the pepper", path, error) from error
        return cls.read(path)

    @classmethod
    def _of(cls, data: bytes, path: Path) -> Self:
        if len(data) < _BYTES:
            raise UsageError(f"the pepper has {len(data)} bytes; it needs {_BYTES} random ones ({path})")
        return cls(data)

    def digest(self, secret: str) -> str:
        """The HMAC-SHA-256 of ``secret`` in hex."""
        return hmac.digest(self._pepper, secret.encode(), "sha256").hex()

    def sealed(self, secret: str) -> Secret:
        """What is kept of ``secret``."""
        return Secret(digest=self.digest(secret), pepper=self.fingerprint)

    def opens(self, secret: str, kept: Secret) -> bool:
        """Whether ``secret`` is the one that ``kept`` was made from; compared in constant time."""
        return hmac.compare_digest(self.digest(secret), kept.digest) and kept.pepper == self.fingerprint
