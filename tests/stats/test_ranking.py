"""Ranking: equal to scikit-learn's and to the average over every order of the tied, and defined where there is nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, ndcg_score

from plimsoll.errors import UsageError
from plimsoll.stats.ranking import average_precision_at, ndcg, ranked, recall_at, reciprocal_rank


def queries(
    seed: int = 0, count: int = 40, size: int = 9, digits: int = 8
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each with a few relevant candidates, graded 0 to 3."""
    rng = np.random.default_rng(seed)
    relevance = rng.choice([0, 0, 0, 1, 3], size=count * size) * 1.0
    scores = (relevance / 3 + rng.normal(0, 1, size=count * size)).round(digits)
    return scores, relevance, np.repeat(np.arange(count), size)


@pytest.mark.parametrize("digits", [8, 0])
@pytest.mark.parametrize("k", [None, 3])
def test_ndcg_is_scikit_learn_s(digits: int, k: int | None) -> None:
    """Ties are averaged in both."""
    scores, relevance, ids = queries(digits=digits)
    found = ndcg(ranked(scores, relevance, ids), k)
    for q in np.flatnonzero(~np.isnan(found)):
        expected = ndcg_score(relevance[ids == q][None], scores[ids == q][None], k=k)
        assert found[q] == pytest.approx(expected, abs=1e-12)


def test_average_precision_is_scikit_learn_s() -> None:
    """Where nothing is tied."""
    scores, relevance, ids = queries()
    found = average_precision_at(ranked(scores, relevance, ids))
    for q in np.flatnonzero(~np.isnan(found)):
        expected = average_precision_score(relevance[ids == q] > 0, scores[ids == q])
        assert found[q] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    "measured",
    [ndcg, reciprocal_rank, average_precision_at, lambda of: recall_at(of, 2), lambda of: reciprocal_rank(of, 3)],
)
def test_a_tie_is_worth_the_mean_over_its_orders(measured: Callable[..., np.ndarray]) -> None:
    """Five candidates, four of them tied: all 24 orders."""
    relevance, scores = np.array([0.0, 2.0, 0.0, 1.0, 0.0]), np.array([0.9, 0.5, 0.5, 0.5, 0.5])
    ids = np.zeros(5)
    orders = [np.array([0.9, *p]) for p in permutations([0.1, 0.2, 0.3, 0.4])]
    mean = np.mean([measured(ranked(order, relevance, ids))[0] for order in orders])
    assert measured(ranked(scores, relevance, ids))[0] == pytest.approx(mean, abs=1e-12)


def test_a_query_with_nothing_to_find_has_no_value() -> None:
    """It is left out, and is not a zero that looks measured; no query gives nothing."""
    of = ranked([0.3, 0.2, 0.9], [0.0, 0.0, 1.0], ["a", "a", "b"])
    for values in (ndcg(of), recall_at(of, 1), reciprocal_rank(of), average_precision_at(of)):
        assert math.isnan(values[0]) and values[1] == 1.0
    assert len(ndcg(ranked([], [], []))) == len(reciprocal_rank(ranked([], [], []))) == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (([0.1], [1.0, 0.0], ["a", "a"]), "one each a row"),
        (([math.nan], [1.0], ["a"]), "not a number"),
        (([0.1], [-1.0], ["a"]), "negative"),
    ],
)
def test_candidates_that_cannot_be_ordered_are_refused(given: tuple[list[float], ...], said: str) -> None:
    """Before anything is counted; and a cut at no place is none."""
    with pytest.raises(UsageError, match=said):
        ranked(*given)
    with pytest.raises(UsageError, match="k=0"):
        recall_at(ranked([0.1], [1.0], ["a"]), 0)
