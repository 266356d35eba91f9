"""A ranking measured query by query: the metrics of scikit-learn, what a missing outcome leaves open, and what it cannot."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from plimsoll.errors import UsageError
from plimsoll.evaluation import Evaluation, in_full, measure


def drawn(seed: int, queries: int = 40, each: int = 8) -> dict[str, Any]:
    """Queries in ten blocks, some with relevance 2, one without anything relevant."""
    rng = np.random.default_rng(seed)
    labels = rng.choice([0.0, 0.0, 1.0, 2.0], (queries, each))
    labels[:, 0], labels[7] = 1.0, 0.0
    order = rng.permutation(queries * each)  # rows of one query need not be neighbours
    return {
        "scores": rng.normal(size=queries * each)[order],
        "labels": labels.ravel()[order],
        "groups": np.repeat([f"q{i}" for i in range(queries)], each)[order],
        "blocks": np.repeat([f"d{i // 4:02}" for i in range(queries)], each)[order],
    }


def measured(metric: str, rows: dict[str, Any], **more: Any) -> Evaluation:
    return measure([metric], task="ranking", **rows, **more)


def by_query(rows: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {
        q: (rows["labels"][rows["groups"] == q], rows["scores"][rows["groups"] == q])
        for q in np.unique(rows["groups"]).tolist()
    }


@pytest.mark.parametrize("k", [1, 3, 5, 10])
def test_the_mean_over_queries_is_scikit_learn_s(k: int) -> None:
    """A query without anything relevant has no value, and is none of them."""
    rows = drawn(1)
    found = measured(f"ndcg_at_{k}", rows).find(f"ndcg_at_{k}")
    each = [ndcg_score([y], [s], k=k) for y, s in by_query(rows).values() if y.any()]
    assert found is not None and found.value == pytest.approx(np.mean(each))
    assert sum(b.n for b in found.blocks) == 39 and len(found.blocks) == 10


def test_a_query_in_two_blocks_is_two() -> None:
    """Each half has its own order, and its own value."""
    rows = drawn(2)
    halved = {**rows, "blocks": np.where(np.arange(320) % 2, "a", "b")}
    one, two = (measured("ndcg_at_3", given).find("ndcg_at_3") for given in (rows, halved))
    assert one is not None and two is not None
    assert sum(b.n for b in one.blocks) == 39 and 39 < sum(b.n for b in two.blocks) <= 78


def test_a_comparison_is_paired_and_oriented() -> None:
    """Better is less: the same scores are no loss, and what is known to be the order cannot lose."""
    rows = drawn(3)
    best = measured("ndcg_at_10", {**rows, "scores": rows["labels"]}, comparators={"champion": rows["scores"]})
    loss = best.find("ndcg_at_10", comparator="champion")
    assert loss is not None and loss.value is not None and loss.value < 0
    assert all(-1.0 <= b.floor <= b.mean <= 0 for b in loss.blocks)
    same = measured("ndcg_at_10", rows, comparators={"champion": 3.0 * rows["scores"] + 1.0})
    alike = same.find("ndcg_at_10", comparator="champion")
    assert alike is not None and {(b.mean, b.low, b.high, b.floor) for b in alike.blocks} == {(0.0, 0.0, 0.0, 0.0)}


def test_a_query_with_an_outcome_missing_could_have_any_value() -> None:
    """It is counted as missing, and widens its block by its share; where both put it in one order it changes nothing."""
    rows = drawn(4)
    rows["labels"] = rows["labels"].copy()
    rows["labels"][np.flatnonzero(rows["groups"] == "q0")[0]] = np.nan
    other = measured("mrr", rows, comparators={"champion": -rows["scores"]}).find("mrr", comparator="champion")
    alone = measured("mrr", rows).find("mrr")
    assert other is not None and alone is not None
    (block,) = [b for b in alone.blocks if b.missing]
    assert block.n == 4 and block.high - block.low == pytest.approx(0.25)
    (block,) = [b for b in other.blocks if b.missing]
    assert block.high - block.low == pytest.approx(0.5)
    alike = measured("mrr", rows, comparators={"champion": 2.0 * rows["scores"]}).find("mrr", comparator="champion")
    assert alike is not None and all(b.low == b.high for b in alike.blocks)


def test_half_a_query_is_none() -> None:
    """Where one release did not answer a row, the whole query is left out of the pair."""
    assert in_full(np.array([True, True, False, True]), np.array([0, 0, 1, 1])).tolist() == [True, True, False, False]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"groups": None}, "which are of one is not known"),
        ({"labels": np.full(320, -1.0)}, "a relevance is -1; it is 0 or more"),
    ],
)
def test_what_cannot_be_ranked_is_said(change: dict[str, Any], said: str) -> None:
    """No queries, or a relevance that is none."""
    with pytest.raises(UsageError, match=said):
        measured("mrr", {**drawn(5), **change})
