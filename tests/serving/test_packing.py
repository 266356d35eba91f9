from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.errors import UsageError
from plimsoll.serving.bodies import _taker
from plimsoll.serving.packing import takes_gzip

from .conftest import live, make_yard, toy
from .running import Running, running, two_parcels

PATH = "/v2/models/parcel-late/infer"
LIMIT_BYTES = 100_000
BODY = json.dumps({"inputs": two_parcels()}).encode()


@pytest.fixture(scope="module")
def up(tmp_path_factory: Any) -> Iterator[Running]:
    yard = make_yard(tmp_path_factory.mktemp("packing"), toy())
    row = yard.release()
    with running(yard, live(row.digest), rows=[row], body_limit_bytes=LIMIT_BYTES) as made:
        yield made
    yard.log.close()


@pytest.mark.parametrize(
    ("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("GZIP", gzip.compress)]
)
def test_a_packed_body_is_unpacked(up: Running, coding: str, pack: Any) -> None:
    """gzip and deflate, as tritonclient and others send them."""
    assert up.call("POST", PATH, pack(BODY), content_encoding=coding)[0] == 200


def test_a_bomb_is_413(up: Running) -> None:
    """A body that unpacks to more than the limit stops there, however small it came."""
    bomb = gzip.compress(b" " * 50_000_000)
    assert len(bomb) < LIMIT_BYTES
    status, said = up.call("POST", PATH, bomb, content_encoding="gzip")
    assert (status, "larger than 100,000 bytes" in said["error"]) == (413, True)


@pytest.mark.parametrize("body", [b"", gzip.compress(BODY)[:-9], b"plain text", gzip.compress(BODY) + b"more"])
def test_a_body_that_is_not_what_it_says_is_refused(up: Running, body: bytes) -> None:
    """Cut off, something else, or with something behind it."""
    status, said = up.call("POST", PATH, body, content_encoding="gzip")
    assert (status, "gzip" in said["error"]) == (400, True)


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "x"])
def test_an_unknown_coding_is_415(up: Running, coding: str) -> None:
    """With the ones that are known."""
    status, _, headers = up.call_raw("POST", PATH, BODY, content_encoding=coding)
    assert (status, headers["accept-encoding"]) == (415, "gzip, deflate")


def test_a_large_answer_is_packed_for_who_takes_it(up: Running) -> None:
    """And says so; a small one, or for anybody else, is plain."""
    _, plain, headers = up.call_raw("GET", "/metrics")
    assert "content-encoding" not in headers
    _, packed, headers = up.call_raw("GET", "/metrics", accept_encoding="deflate, gzip;q=0.5")
    assert headers["content-encoding"] == "gzip"
    assert len(packed) < len(plain) / 2
    assert gzip.decompress(packed).splitlines()[:2] == plain.splitlines()[:2]
    assert "content-encoding" not in up.call_raw("GET", "/v2", accept_encoding="gzip")[2]


@pytest.mark.parametrize(
    ("accepted", "takes"),
    [
        ("gzip", True),
        ("deflate, GZIP;q=0.1", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("br", False),
        ("", False),
    ],
)
def test_a_weight_of_zero_is_a_no(accepted: str, takes: bool) -> None:
    """As RFC 9110 has it."""
    assert takes_gzip(accepted) is takes


@given(st.binary(max_size=500), st.lists(st.integers(0, 600), max_size=5), st.sampled_from(["gzip", "deflate"]))
def test_unpacking_does_not_depend_on_the_chunks(body: bytes, cuts: list[int], coding: str) -> None:
    """However the network cuts it."""
    packed = (gzip.compress if coding == "gzip" else zlib.compress)(body)
    taker = _taker(coding, 1_000)
    ends = [*sorted(min(c, len(packed)) for c in cuts), len(packed)]
    for start, end in zip([0, *ends], ends, strict=False):
        taker.take(packed[start:end])
    assert taker.whole() == body


@given(st.binary(max_size=100), st.sampled_from(["gzip", "deflate"]))
def test_no_bytes_break_the_unpacking(body: bytes, coding: str) -> None:
    """Garbage is the caller's mistake."""
    taker = _taker(coding, 1_000)
    with pytest.raises(UsageError):
        taker.take(body)
        taker.whole()
