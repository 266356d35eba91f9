"""Later starts: their parts of the error, and that an onset is never far from one of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.stats.onset import SHARE, part, starts


def test_all_starts_together_have_the_share_that_was_kept() -> None:
    """However long it goes on: the parts add up to one, and what is looked at is some of them."""
    assert sum(part(j) for j in range(1, 100_000)) == pytest.approx(1, abs=2e-5)
    assert all(sum(share for _, share in starts(n)) <= SHARE for n in range(200))


@given(st.integers(2, 5_000), st.data())
def test_an_onset_has_a_start_nearby(n: int, data: st.DataObject) -> None:
    """At or behind it, and with at least a third of what came since it."""
    onset = data.draw(st.integers(1, n - 1))
    since = n - onset
    assert any(j >= onset and n - j >= since / 3 for j, _ in starts(n))


@given(st.integers(0, 100_000))
def test_few_starts_are_looked_at(n: int) -> None:
    """Each once, none before the second step or behind the last; two for each doubling at most."""
    found = [j for j, _ in starts(n)]
    assert found == sorted(set(found)) and all(0 < j < n for j in found)
    assert len(found) <= 2 * max(1, n).bit_length()


@given(st.integers(2, 3_000))
def test_a_start_s_part_does_not_depend_on_the_look(n: int) -> None:
    """It is laid down beforehand."""
    assert all(share == SHARE * part(j) for j, share in starts(n))
