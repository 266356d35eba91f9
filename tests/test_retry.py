"""Retries as a share of requests, and waits that do not line up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from plimsoll.retry import RetryBudget, wait_s


@given(st.lists(st.booleans(), max_size=300), st.sampled_from([0.05, 0.1, 0.5]), st.sampled_from([1.0, 10.0]))
def test_retries_stay_a_share_of_the_requests(tries: list[bool], share: float, spare: float) -> None:
    """Whatever fails, and whenever: never more than what was there at the start and the share since."""
    budget = RetryBudget(share=share, spare=spare)
    retried = 0
    for asked, fails in enumerate(tries, 1):
        budget.asked()
        retried += fails and budget.take()
        assert retried <= spare + share * asked + 1e-9


def test_an_outage_ends_the_retries() -> None:
    """Where everything fails, one request in ten is asked again, once the spare ones are used."""
    budget = RetryBudget(share=0.1, spare=10)
    done = [(budget.asked(), budget.take())[1] for _ in range(1_000)]
    assert 108 <= sum(done) <= 110


@given(st.integers(0, 2_000), st.floats(0, 0.999), st.floats(0, 5))
def test_a_wait_is_bounded_and_not_shorter_than_asked(attempt: int, drawn: float, asked_s: float) -> None:
    """The other side's wish counts, up to the longest wait."""
    waited_s = wait_s(attempt, at_least_s=asked_s, draw=lambda: drawn)
    assert min(asked_s, 2.0) <= waited_s <= 2.0


def test_waits_grow_and_are_spread_over_their_whole_span() -> None:
    """Full jitter: from nothing to the bound, which doubles."""
    assert [wait_s(n, draw=lambda: 0.5) for n in range(4)] == [0.025, 0.05, 0.1, 0.2]
    assert wait_s(3, draw=lambda: 0.0) == 0.0
