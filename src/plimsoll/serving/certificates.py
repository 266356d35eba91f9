"""The certificate that a server shows, which may be replaced while it serves.

One context listens for as long as the server lives; each handshake is handed to the context that was loaded last. A
replacement is taken only once certificate and key fit each other: between the writing of the one and of the other the
old pair goes on. Connections that stand are not touched.
"""

from __future__ import annotations

import logging
import os
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from plimsoll.errors import UsageError
from plimsoll.sections import Tls

_log = logging.getLogger(__name__)
_Stamp = tuple[tuple[int, int, int], ...]


class Pems(NamedTuple):
    """What gRPC takes: the certificate's chain, its key, and whom a caller's certificate must come from."""

    certificate: bytes
    key: bytes
    client_ca: bytes


class Certificates:
    """``context`` is for the listening socket; ``refresh`` looks whether the files changed, and costs three ``stat``.

    Raises UsageError where there is no pair that fits at the start.
    """

    def __init__(self, tls: Tls) -> None:
        if not tls.certificate or not tls.key:
            raise UsageError("TLS needs a certificate and its key", hint="set certificate and key under [tls]")
        self._files = [Path(name) for name in (tls.certificate, tls.key, tls.client_ca) if name]
        self._stamp: _Stamp = ()
        self.readings = self.failures = 0
        try:
            self._current, self.pems = self._load()
        except (OSError, ssl.SSLError, ValueError) as error:
            raise UsageError(
                f"the certificate cannot be used: {error}", hint=f"look at {', '.join(map(str, self._files))}"
            ) from error
        self.context = _fresh(bool(tls.client_ca))
        self.context.load_cert_chain(self._files[0], self._files[1])
        self.context.sni_callback = self._hand_over

    def refresh(self) -> bool:
        """Take what the files hold now, if it is another pair that fits; True if it was taken. Never raises."""
        try:
            if self._stamp_now() == self._stamp:
                return False
            self._current, self.pems = self._load()
        except (OSError, ssl.SSLError, ValueError) as error:
            self.failures += 1
            _log.warning("the new certificate is not used, the old one is: %s", error)
            return False
        _log.info("another certificate is shown from now on, until %s", self.expires_at)
        return True

    @property
    def expires_at(self) -> datetime:
        from cryptography.x509 import load_pem_x509_certificate

        return load_pem_x509_certificate(self.pems.certificate).not_valid_after_utc.astimezone(UTC)

    def _load(self) -> tuple[ssl.SSLContext, Pems]:
        """A context of the files as they are, all of the same moment."""
        stamp = self._stamp_now()
        context = _fresh(len(self._files) > 2)
        context.load_cert_chain(self._files[0], self._files[1])
        if len(self._files) > 2:
            context.load_verify_locations(self._files[2])
        read = [file.read_bytes() for file in self._files]
        if self._stamp_now() != stamp:
            raise ValueError("the files were being written")
        self._stamp = stamp
        self.readings += 1
        return context, Pems(read[0], read[1], read[2] if len(read) > 2 else b"")

    def _stamp_now(self) -> _Stamp:
        return tuple((s.st_mtime_ns, s.st_size, s.st_ino) for s in map(os.stat, self._files))

    def _hand_over(self, connection: Any, name: str | None, context: ssl.SSLContext) -> None:
        """Called by OpenSSL for each handshake, whether or not the caller named a server."""
        connection.context = self._current


def _fresh(callers_show_theirs: bool) -> ssl.SSLContext:
    """Python's own choice of ciphers for servers; TLS 1.2 and later (RFC 9325)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    if callers_show_theirs:
        context.verify_mode = ssl.CERT_REQUIRED
        context.num_tickets = 0  # a resumed session would not be asked for its certificate again
        context.options |= ssl.OP_NO_TICKET
    return context
