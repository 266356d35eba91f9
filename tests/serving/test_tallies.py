"""What is counted while requests go by."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from plimsoll.serving.tallies import BOUNDS_S, Buckets, Spent

turns = st.lists(
    st.tuples(st.tuples(st.integers(0, 6_000_000), st.floats(0, 6e6)), st.integers(1, 64)), min_size=1, max_size=600
)


@given(turns)
def test_what_is_folded_later_is_what_would_have_been_counted_at_once(
    noted: list[tuple[tuple[int, float], int]],
) -> None:
    """Many turns at a time or one by one: the same histograms."""
    spent, one_by_one = Spent(("wait", "record")), {"wait": Buckets(), "record": Buckets()}
    for each, questions in noted:
        spent.note(each, questions)
        for stage, spent_us in zip(one_by_one, each, strict=True):
            one_by_one[stage].add(spent_us * 1e-6, questions)
    found = spent.histograms()
    assert {stage: buckets.counts for stage, buckets in found.items()} == {s: b.counts for s, b in one_by_one.items()}
    assert all(abs(found[s].total_s - b.total_s) <= 1e-9 * max(1.0, b.total_s) for s, b in one_by_one.items())


def test_a_bound_counts_to_its_own_bucket() -> None:
    """As Prometheus has it: at or below."""
    spent = Spent(("wait",))
    spent.note((BOUNDS_S[3] * 1e6,), 2)
    assert spent.histograms()["wait"].counts[3] == 2


def test_where_nothing_was_noted_there_is_no_histogram() -> None:
    """An empty one would say that something took no time."""
    assert Spent(("wait",)).histograms() == {}
