"""From this machine, and meant: neither a stranger through a proxy nor a page in a browser."""

from __future__ import annotations

import pytest

from plimsoll.serving.admission import from_this_machine


@pytest.mark.parametrize(
    ("peer", "headers", "ours"),
    [
        ("127.0.0.1", [(b"host", b"127.0.0.1:8080")], True),
        ("127.8.0.1", [(b"host", b"localhost")], True),
        ("::1", [(b"host", b"[::1]:8080")], True),
        ("::ffff:127.0.0.1", [], True),
        ("", [], True),
        ("10.0.0.7", [(b"host", b"127.0.0.1")], False),
        ("::ffff:10.0.0.7", [], False),
        ("not an address", [], False),
        ("127.0.0.1", [(b"host", b"rebound.example:8080")], False),
        ("127.0.0.1", [(b"host", b"127.0.0.1"), (b"x-forwarded-for", b"10.0.0.7")], False),
        ("127.0.0.1", [(b"forwarded", b"for=10.0.0.7")], False),
        ("127.0.0.1", [(b"host", b"localhost"), (b"origin", b"https://evil.example")], False),
        ("127.0.0.1", [(b"host", b"\xff\xfe")], False),
    ],
)
def test_what_is_of_this_machine(peer: str, headers: list[tuple[bytes, bytes]], ours: bool) -> None:
    """The peer's address, and what gives away that somebody else is behind it."""
    assert from_this_machine(peer, headers) is ours
