"""A rate limit of one process: exact, whatever is asked when."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from plimsoll.serving.admission.bucket import Bucket


@given(st.floats(0.1, 1000), st.integers(1, 50), st.lists(st.tuples(st.floats(0, 1), st.integers(1, 5)), max_size=100))
def test_no_window_has_more_than_the_burst_and_what_came_back(
    per_s: float, burst: int, asked: list[tuple[float, int]]
) -> None:
    """Over every window that begins at a request; and what was refused fits after the wait that was said."""
    bucket, now, taken = Bucket(per_s, burst), 100.0, []
    for passes, count in asked:
        now += passes
        wait_s = bucket.take(count, now)
        if count <= burst and wait_s:
            now += wait_s
            assert bucket.take(count, now + 1e-9) == 0.0
            taken.append((now, count))
        elif not wait_s:
            taken.append((now, count))
        else:
            assert count > burst
    for i, (since, _) in enumerate(taken):
        total = 0
        for at, count in taken[i:]:
            total += count
            assert total <= burst + per_s * (at - since) + 1e-6
