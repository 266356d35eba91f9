"""Declaring a ranking: which rows are ranked together, by whom, and what cannot be asked of a score without a unit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from plimsoll.capability import Answer, Capability, Ranking, Regression, Source
from plimsoll.errors import InvalidDeclaration, UsageError
from plimsoll.features import Inputs, TrainingSet, number
from plimsoll.kernel.promise import ErrorAmongAnswered
from plimsoll.kernel.requirement import at_least, at_most, no_worse
from plimsoll.kernel.rollout import Canary, Live, Shadow
from plimsoll.serving.outcomes import label_of

SOURCE = Source(name="hits", contract="hits.odcs.yaml", rows="hits.csv", asked_at="at", unit="hit", sticky="query")
SEARCH = Capability(
    name="search",
    owner="shop",
    task=Ranking(label="clicked", group="query"),
    source=SOURCE,
    features=[Inputs(number("price"))],
    gate=[at_least("ndcg_at_10", 0.5), no_worse("mrr", margin=0.05, than="champion")],
    keep=[at_most("error_rate", 0.01), no_worse("ndcg_at_5", margin=0.1, than="fallback")],
    fallback=lambda columns: [-price for price in columns["price"]],
    train=lambda training, params: None,
)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"source": replace(SOURCE, sticky="")}, "could be ranked by two releases"),
        ({"source": replace(SOURCE, sticky="hit")}, "could be ranked by two releases"),
        ({"answer": Answer(promise=ErrorAmongAnswered(0.1, within=1.0))}, "an order and no unit"),
        ({"gate": [at_most("mae", 0.5)]}, "mae is not a metric of a ranking task"),
        ({"retrain": [at_least("auc", 0.5)]}, "auc is not a metric of a ranking task"),
        ({"answer": Answer(abstain_below=0.5)}, "no confidence of its own"),
        ({"keep": [at_least("ndcg_at_5", 0.5)]}, "follows the base rate"),
    ],
)
def test_what_a_ranking_cannot_ask_is_refused(changes: dict[str, Any], said: str) -> None:
    """At declaration, with its reason."""
    with pytest.raises(InvalidDeclaration, match=said):
        replace(SEARCH, **changes)


def test_a_ranking_metric_is_of_no_other_task() -> None:
    """A regression has no queries; a limit lies from 0 to 1, and a ranking needs its group."""
    with pytest.raises(InvalidDeclaration, match="mrr is not a metric of a regression task"):
        replace(SEARCH, task=Regression(label="clicked"), gate=[at_least("mrr", 0.5)], keep=[])
    with pytest.raises(InvalidDeclaration, match="ndcg_at_5 is 0 to 1"):
        at_least("ndcg_at_5", 50)
    with pytest.raises(InvalidDeclaration, match="which rows are ranked together"):
        Ranking(label="clicked", group="")


def test_stages_follow_the_gate_query_by_query() -> None:
    """Its comparison is a mean over queries, so a stage can be judged by it; events keep the query's column."""
    assert [r.metric for r in SEARCH.stages[0].requires] == ["mrr", "error_rate"]
    assert SEARCH.sliced == ("query",) and SEARCH.task.measured_as == "ranking"


def test_rankings_change_what_happens_where_that_is_declared() -> None:
    """Then arms are compared, each by what came of its own order."""
    compared = no_worse("ndcg_at_5", margin=0.05, than="champion")
    canary = Canary(0.5, blocks=14, requires=(compared,))
    keep = [at_most("error_rate", 0.01)]
    declared = replace(SEARCH, influences_outcome=True, rollout=[Shadow(), canary, Live()], keep=keep)
    assert declared.stages[1].requires == (compared,)


def test_a_relevance_is_nothing_below_zero() -> None:
    """Any number from 0 on."""
    assert label_of(2.5, SEARCH.task) == 2.5
    with pytest.raises(UsageError, match="a relevance is a number from 0 on"):
        label_of(-1, SEARCH.task)


def test_rankers_are_fitted_on_rows_query_by_query() -> None:
    """Rows of one query next to each other, in order of time, and how many each has."""
    names = np.array(["b", "a", "b", "a", "c"], dtype=object)
    rows = TrainingSet(
        X=np.arange(5, dtype=np.float32)[:, None], y=np.zeros(5), names=("x",), units=names, blocks=names,
        asked_at=np.arange(5).astype("datetime64[us]"), slices={"query": names}, group="query",
    )  # fmt: skip
    ordered, sizes = rows.by_query()
    assert ordered.slices["query"].tolist() == ["b", "b", "a", "a", "c"] and sizes.tolist() == [2, 2, 1]
    assert ordered.X[:, 0].tolist() == [0.0, 2.0, 1.0, 3.0, 4.0]
    with pytest.raises(UsageError, match="of no queries"):
        replace(rows, group="").by_query()
