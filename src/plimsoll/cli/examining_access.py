"""What ``plimsoll doctor`` looks at about access: the pepper and the keys, the certificate, and who is let in from where."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING

from plimsoll.cli.doctoring import Finding

if TYPE_CHECKING:
    from plimsoll.settings import Settings

EXPIRES_SOON = timedelta(days=14)


def access(settings: Settings) -> Iterator[Finding]:
    """Raises what reading the pepper, the certificate or the catalog raises; each has a hint of its own."""
    if not settings.access.required and not _is_loopback(settings.server.host):
        yield Finding(
            "access",
            "warning",
            f"anybody who reaches {settings.server.host} may ask and tell",
            "set required under [access] in plimsoll.toml, and make keys: plimsoll keys create",
        )
    yield from _pepper(settings)
    yield from _certificate(settings)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _pepper(settings: Settings) -> Iterator[Finding]:
    """Keys that were made with another pepper than this home's open nothing here."""
    if not settings.catalog and not settings.catalog_file.is_file():
        return
    from plimsoll.cli.reading import look
    from plimsoll.store import Pepper

    with look(settings) as catalog:
        rows = [row for row in catalog.access_keys() if row.standing(datetime.now(UTC)) == "valid"]
    if not rows:
        if settings.access.required and not settings.access.jwt_keys:
            yield Finding(
                "access", "warning", "a key is needed, and there is none", "plimsoll keys create NAME --tenant T"
            )
        return
    pepper = Pepper.read(settings.pepper)
    odd = [row.id for row in rows if all(secret.pepper != pepper.fingerprint for secret in row.secrets)]
    if odd:
        said = f"{len(odd)} of {len(rows)} keys were made with another pepper than {settings.pepper}: {odd[0]}"
        yield Finding("access", "fault", said, "put the pepper of the machine that made them there, or make them anew")
    else:
        yield Finding("access", "ok", f"{len(rows)} valid keys")


def _certificate(settings: Settings) -> Iterator[Finding]:
    if not settings.tls.certificate and not settings.tls.key:
        return
    from plimsoll.serving import Certificates

    expires_at = Certificates(settings.tls).expires_at
    left = expires_at - datetime.now(UTC)
    said = f"valid until {expires_at:%Y-%m-%d %H:%M}"
    if left <= timedelta():
        yield Finding("certificate", "fault", f"it has expired: {said}", "replace the files; no restart is needed")
    elif left < EXPIRES_SOON:
        yield Finding("certificate", "warning", said, "replace the files; no restart is needed")
    else:
        yield Finding("certificate", "ok", said)
