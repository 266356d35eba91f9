"""The issuer's public keys (JWKS, RFC 7517), from a file or a URL, read beside the requests and never by one.

A token whose key is not known asks for another reading, at most one every ``_PATIENCE_S``: an issuer that rotates is
followed at once, and a flood of invented key ids reaches it once in that time. While the issuer is away the keys that
were read go on verifying.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from plimsoll.errors import InvalidDeclaration, Unavailable
from plimsoll.serving.refusals import Unauthenticated

_log = logging.getLogger(__name__)
_PATIENCE_S = 10.0
_LARGEST = 1_048_576
_MOST_KEYS = 100
_KINDS = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}


class IssuerKeys:
    """The keys at ``source``: a path, an https URL, or an http URL of this machine.

    A thread reads them now, every ``refresh_s``, and when a token names one that is not known.
    """

    def __init__(
        self,
        source: str,
        *,
        refresh_s: float = 300.0,
        timeout_s: float = 3.0,
        patience_s: float = _PATIENCE_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = _reader(source, timeout_s)
        self._source, self._refresh_s, self._patience_s = source, refresh_s, patience_s
        self._monotonic = monotonic
        self._keys: tuple[Any, ...] = ()
        self._raw = b""
        self._changed = False
        self._read_at_s = -patience_s
        self._wanted, self._closed = threading.Event(), threading.Event()
        self.readings = self.failures = 0
        self._first = threading.Event()
        self._thread = threading.Thread(target=self._run, name="plimsoll-issuer", daemon=True)
        self._thread.start()

    def of(self, kid: str | None, algorithm: str) -> Any:
        """The key that a token names, of the kind that its algorithm needs.

        Raises Unavailable while it may be on its way, Unauthenticated where it is not the issuer's.
        """
        kind = _KINDS.get(algorithm[:2])
        fitting = [key for key in self._keys if key.key_type == kind]
        if kid is None and len(fitting) == 1:
            return fitting[0]
        for key in fitting:
            if kid is not None and key.kid == kid:
                return key
        if not self._keys or self._monotonic() - self._read_at_s >= self._patience_s:
            self._wanted.set()
            raise Unavailable("the issuer's keys are being read", hint="try again", retry_after_s=1.0)
        raise Unauthenticated("the token names a key that its issuer does not have")

    def changed(self) -> bool:
        """Whether the keys are others than at the last call."""
        changed, self._changed = self._changed, False
        return changed

    def wait(self, timeout_s: float) -> bool:
        """Until the keys were read for the first time; False if they were not in time."""
        return self._first.wait(timeout_s)

    def close(self) -> None:
        self._closed.set()
        self._wanted.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._closed.is_set():
            self._wanted.clear()
            self._once()
            self._closed.wait(min(self._patience_s, self._refresh_s))
            self._wanted.wait(max(0.0, self._refresh_s - self._patience_s))

    def _once(self) -> None:
        try:
            raw = self._read()
            if raw != self._raw:
                self._keys, self._raw, self._changed = _keys_in(raw), raw, True
            self.readings += 1
            self._first.set()
        except (OSError, ValueError, urllib.error.URLError) as error:
            self.failures += 1
            _log.warning("the issuer's keys could not be read from %s: %s", self._source, error)
        self._read_at_s = self._monotonic()


def _keys_in(raw: bytes) -> tuple[Any, ...]:
    """The public keys for signatures. One that is not understood is passed over (RFC 7517, 5)."""
    from joserfc.errors import JoseError
    from joserfc.jwk import import_key

    document = json.loads(raw)
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ValueError("this is no JWKS: it has no list of keys")
    keys = []
    for one in listed[:_MOST_KEYS]:
        if not isinstance(one, dict) or one.get("kty") not in ("RSA", "EC", "OKP") or one.get("use", "sig") != "sig":
            continue
        try:
            keys.append(import_key({name: value for name, value in one.items() if name != "d"}))
        except (JoseError, ValueError, TypeError, KeyError) as error:
            _log.warning("a key of the issuer's is passed over: %s", error)
    if not keys:
        raise ValueError("it has no key that signatures could be verified with")
    return tuple(keys)


def _reader(source: str, timeout_s: float) -> Callable[[], bytes]:
    scheme = urlsplit(source).scheme
    if scheme not in ("http", "https"):
        path = Path(source)
        return lambda: _bounded(path.read_bytes())
    if scheme == "http" and urlsplit(source).hostname not in ("127.0.0.1", "::1", "localhost"):
        raise InvalidDeclaration(
            f"access.jwt_keys is {source!r}: keys that come unprotected could be anybody's", hint="use https"
        )
    return lambda: _fetched(source, timeout_s)


def _fetched(url: str, timeout_s: float) -> bytes:
    """The body, whole, within ``timeout_s``; a server that trickles does not hold the thread for longer."""
    ends_s = time.monotonic() + timeout_s
    request = urllib.request.Request(url, headers={"accept": "application/json"})
    opener = urllib.request.build_opener(_NoRedirect)
    with opener.open(request, timeout=timeout_s) as response:
        body = b""
        while part := response.read1(65_536):
            body += part
            if time.monotonic() > ends_s:
                raise TimeoutError(f"it took longer than {timeout_s:g} s")
            _bounded(body)
    return body


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Keys come from where they were said to be, and from nowhere that this place points to."""

    def redirect_request(self, *args: Any) -> None:
        return None


def _bounded(body: bytes) -> bytes:
    if len(body) > _LARGEST:
        raise ValueError(f"it is larger than {_LARGEST} bytes")
    return body
