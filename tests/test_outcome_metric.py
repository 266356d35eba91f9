"""Metrics of what came of answers: what they are called, what they read, and what cannot be one."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from plimsoll.errors import InvalidDeclaration
from plimsoll.kernel.requirement import at_most, no_worse
from plimsoll.outcome_metric import outcome_mean, outcome_rate, outcome_ratio
from plimsoll.stats.metric import Metric


def test_names_say_what_is_read() -> None:
    """Of the label, of a value, of two."""
    assert (outcome_rate().name, outcome_rate("clicked").name) == ("outcome_rate", "clicked_rate")
    assert outcome_mean("paid", unit="USD").name == "paid_mean"
    assert outcome_ratio("paid", "items", unit="USD").name == "paid_per_items"


def test_another_definition_is_another_metric() -> None:
    """Its unit, its direction, its bounds: evidence of one says nothing of another."""
    made = [
        outcome_mean("paid", unit="USD"),
        outcome_mean("paid", unit="EUR"),
        outcome_mean("paid", unit="USD", between=(0, 9)),
        outcome_mean("paid", unit="USD", higher_is_better=False),
    ]
    assert len({m.id for m in made}) == 4 and outcome_mean("paid", unit="USD").id == made[0].id


def test_it_is_of_the_tasks_whose_label_it_reads() -> None:
    """A rate of a true or false label, a mean of a number, and whatever else outcomes carry of any task."""
    assert outcome_rate().defined_for("binary") and not outcome_rate().defined_for("multiclass")
    assert not outcome_mean(unit="USD").defined_for("binary") and outcome_mean("paid", unit="USD").defined_for(
        "multiclass"
    )


def test_bounds_are_those_declared() -> None:
    """A limit that it cannot reach is an error; without bounds any number may be asked."""
    with pytest.raises(InvalidDeclaration, match="converted_rate is 0 to 1"):
        at_most(outcome_rate("converted"), 3)
    with pytest.raises(InvalidDeclaration, match="differ by less than 9"):
        no_worse(outcome_mean("paid", unit="USD", between=(0, 9)), margin=10, than="champion")
    assert outcome_mean("paid", unit="USD").bounds == (-math.inf, math.inf)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: outcome_mean("paid usd", unit="USD"), "must be a Python identifier"),
        (lambda: outcome_mean("paid", unit=""), "are named by identifiers"),
        (lambda: outcome_rate(name="accuracy"), "that no metric of ours has"),
        (lambda: outcome_mean("paid", unit="USD", between=(9, 0)), "the least comes before the most"),
        (lambda: outcome_ratio("a", "b", unit="x", denominator_between=(-1, 3)), "counts something"),
    ],
)
def test_what_cannot_be_a_metric_is_refused(made: Callable[[], Metric], said: str) -> None:
    """Names, units and ranges."""
    with pytest.raises(InvalidDeclaration, match=said):
        made()
