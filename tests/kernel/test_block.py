"""Blocks of time, and what they are called."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.errors import InvalidDeclaration
from plimsoll.kernel.block import began, length_of, namer

AT = datetime(2026, 3, 1, 4, 59, 59, 750_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("block", "name"),
    [
        ("day", "2026-02-28"),
        ("hour", "2026-03-01T04Z"),
        ("6 h", "2026-03-01T00:00:00Z"),
        ("15 min", "2026-03-01T04:45:00Z"),
        ("10 s", "2026-03-01T04:59:50Z"),
        ("250 ms", "2026-03-01T04:59:59.750000Z"),
    ],
)
def test_a_moment_lies_in_a_block_of_that_name(block: str, name: str) -> None:
    """Days are local, the rest counts from midnight UTC."""
    assert namer(block, "America/New_York")(AT) == name


@pytest.mark.parametrize("block", ["ask_date", "10s", "s", "carrier 5 s", ""])
def test_anything_else_is_a_column(block: str) -> None:
    """A column names its blocks itself, so they have no length."""
    assert length_of(block) is None


@pytest.mark.parametrize("block", ["7 min", "0 s", "48 h", "7 h"])
def test_a_length_that_does_not_divide_a_day_is_refused(block: str) -> None:
    """Its blocks would begin at other times every day."""
    with pytest.raises(InvalidDeclaration, match="divide a day"):
        length_of(block)


@given(
    at=st.datetimes(datetime(1960, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    many=st.sampled_from([1, 250, 60_000]),
)
def test_a_block_holds_the_moments_from_its_beginning_on(at: datetime, many: int) -> None:
    """From when it began, for its length, and it begins at a whole multiple of that after midnight."""
    length = timedelta(milliseconds=many)
    assert timedelta(0) <= at - began(at, length) < length
    assert (began(at, length) - datetime(1970, 1, 1, tzinfo=UTC)) % length == timedelta(0)
