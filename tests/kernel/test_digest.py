"""One canonical form: what has the same digest, and what has none."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.kernel.digest import canonical, digest, digest_bytes, rounded, short

numbers = st.floats(allow_nan=False, allow_infinity=False)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def reordered(value: Any) -> Any:
    """The same value with every mapping's keys in the opposite order."""
    if isinstance(value, dict):
        return {k: reordered(v) for k, v in reversed(list(value.items()))}
    return [reordered(v) for v in value] if isinstance(value, list) else value


@given(plain)
def test_the_order_of_keys_changes_no_digest(value: Any) -> None:
    """A mapping has no order."""
    assert digest(reordered(value)) == digest(value)


@given(plain, plain)
def test_another_value_has_another_digest(one: Any, other: Any) -> None:
    """Equal canonical forms, and only those, have equal digests."""
    assert (digest(one) == digest(other)) == (canonical(one) == canonical(other))


@given(numbers)
def test_rounding_twice_is_rounding_once(value: float) -> None:
    """Twelve digits of twelve digits; the value moves by less than one in 10¹¹."""
    assert rounded(rounded(value)) == rounded(value)
    assert math.isclose(rounded(value), value, rel_tol=1e-11, abs_tol=5e-324)


def test_a_sum_in_another_order_has_the_same_digest() -> None:
    """Floats differ in the sixteenth digit; the kernel compares twelve."""
    assert 0.1 + 0.2 + 0.3 != 0.3 + 0.2 + 0.1
    assert digest(0.1 + 0.2 + 0.3) == digest(0.3 + 0.2 + 0.1)


def test_nothing_has_no_sign() -> None:
    """−0.0 equals 0.0, so it has its digest."""
    assert digest([-0.0]) == digest([0.0])


def test_a_time_is_the_same_in_every_zone() -> None:
    """And one without a zone is refused: it would be another time on another machine."""
    noon = datetime(2013, 2, 1, 12, tzinfo=UTC)
    assert digest(noon) == digest(noon.astimezone(timezone(timedelta(hours=-5))))
    with pytest.raises(TypeError, match="without a time zone"):
        digest(datetime(2013, 2, 1, 12))


@pytest.mark.parametrize("value", [math.nan, math.inf, object(), b"bytes", 1j])
def test_what_json_cannot_say_has_no_digest(value: object) -> None:
    """A TypeError, not a made-up form."""
    with pytest.raises(TypeError, match="no canonical form"):
        digest({"x": [value]})


def test_sets_and_durations_have_a_form() -> None:
    """A set's order does not matter; a duration is its seconds."""
    assert digest({"b", "a"}) == digest(frozenset(["a", "b"])) == digest(["a", "b"])
    assert digest(timedelta(minutes=1)) == digest(60.0)


def test_a_digest_is_sha_256_of_the_canonical_json() -> None:
    """Anybody can compute it without us."""
    assert digest({"b": 1, "a": [1.5, None]}) == digest_bytes(b'{"a":[1.5,null],"b":1}')
    assert short("0123456789abcdef") == "0123456789ab"
