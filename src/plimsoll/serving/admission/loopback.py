"""Whether a request comes from this machine, and means to.

The peer's address is not enough: a proxy on this machine passes strangers on, and says so in a header; and a page in
a browser on this machine may have been led here by a name that resolves to loopback (DNS rebinding), which the Host
header gives away.
"""

from __future__ import annotations

from ipaddress import ip_address

from plimsoll.errors import Refused
from plimsoll.serving.admission.headers import Headers

_PASSED_ON = (b"forwarded", b"x-forwarded-for", b"x-real-ip", b"via", b"origin")


def from_this_machine(peer: str, headers: Headers) -> bool:
    """True for a loopback peer (or a Unix socket, ``""``) that was not passed on and asked for a loopback name."""
    if peer and not _is_loopback(peer):
        return False
    found = {name: value for name, value in headers}  # noqa: C416 - headers are sequences of two, not always tuples
    if any(name in found for name in _PASSED_ON):
        return False
    return _is_loopback(_name(found.get(b"host", b"localhost")))


def only_here() -> Refused:
    return Refused(
        "control routes answer on loopback only until access control is configured",
        hint="set required under [access] in plimsoll.toml, and make a key: plimsoll keys create",
    )


def _name(host: bytes) -> str:
    """A Host header without its port."""
    text = host.decode("ascii", "replace").strip()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0]


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
