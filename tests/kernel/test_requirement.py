"""Requirements: how they read, what they are brought to, and what is refused when they are declared."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.errors import InvalidDeclaration
from plimsoll.kernel.requirement import (
    COMPARATORS,
    Requirement,
    at_least,
    at_most,
    better,
    contradictions,
    equivalent,
    no_worse,
)
from plimsoll.stats.metrics import METRICS

metrics = st.sampled_from(sorted(METRICS))


@pytest.mark.parametrize(
    ("requirement", "text"),
    [
        (at_least("auc", 0.6), "auc at least 0.6"),
        (at_most("latency_p95_ms", 50), "latency_p95_ms at most 50"),
        (no_worse("log_loss", margin=0.01, than="champion"), "log_loss no worse than the champion by 0.01"),
        (better("mae", than="fallback", by="origin"), "mae better than the fallback for each origin"),
        (better("auc", than="champion", margin=0.01), "auc better than the champion by 0.01"),
        (equivalent("brier", margin=0.002, than="champion"), "brier equivalent to the champion within 0.002"),
    ],
)
def test_a_requirement_reads_as_a_person_would_say_it(requirement: Requirement, text: str) -> None:
    """It stands so in verdicts and in the ledger."""
    assert str(requirement) == text


def test_more_is_worse_in_every_requirement() -> None:
    """A level is turned round where more is better; comparisons come oriented already."""
    assert at_least("auc", 0.6).sign == -1
    assert at_most("error_rate", 0.01).sign == 1
    assert no_worse("auc", margin=0.01, than="champion").sign == 1


@given(metrics, st.sampled_from(COMPARATORS), st.floats(0.001, 10))
def test_a_comparison_keeps_what_was_declared(metric: str, than: str, margin: float) -> None:
    """Every metric, every comparator; a margin that no difference can reach is refused."""
    low, high = METRICS[metric].bounds
    if margin >= high - low or (METRICS[metric].counted and margin >= 1):
        with pytest.raises(InvalidDeclaration):
            no_worse(metric, margin=margin, than=than)
        return
    found = no_worse(metric, margin=margin, than=than)
    assert (found.metric, found.than, found.limit, found.compares) == (metric, than, margin, True)
    assert better(metric, than=than, margin=margin).limit == -margin
    assert better(metric, than=than).limit == 0.0


@pytest.mark.parametrize("margin", [0.0, -0.1, math.nan, math.inf])
def test_a_margin_is_above_zero_and_finite(margin: float) -> None:
    """No margin would ask for an improvement: that is ``better``."""
    with pytest.raises(InvalidDeclaration):
        no_worse("log_loss", margin=margin, than="champion")


@pytest.mark.parametrize("margin", [-0.1, math.nan, math.inf])
def test_a_gain_is_no_loss(margin: float) -> None:
    """Better by less than nothing is ``no_worse``; equivalence needs a margin too."""
    with pytest.raises(InvalidDeclaration):
        better("log_loss", margin=margin, than="champion")
    with pytest.raises(InvalidDeclaration):
        equivalent("log_loss", margin=margin, than="champion")


@pytest.mark.parametrize(
    ("made", "said", "hint"),
    [
        (lambda: at_least("auc", 60), "auc is 0 to 1", "1 % is 0.01"),
        (lambda: at_most("log_loss", -0.3), "log_loss is from 0 on", "its unit: nats"),
        (lambda: at_least("r2", 1.2), "r2 is at most 1", "its unit: share"),
        (lambda: no_worse("accuracy", margin=2, than="champion"), "differ by less than 1", "1 % is 0.01"),
        (lambda: better("auc", margin=5, than="champion"), "differ by less than 1", "1 % is 0.01"),
        (lambda: equivalent("mcc", margin=2, than="champion"), "differ by less than 2", "its unit: correlation"),
    ],
)
def test_a_limit_in_another_unit_is_said(made: Callable[[], Requirement], said: str, hint: str) -> None:
    """It could never hold, or never fail."""
    with pytest.raises(InvalidDeclaration, match=said) as caught:
        made()
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ((at_least("auc", 0.8), at_most("auc", 0.7)), "no value is both"),
        (
            (equivalent("brier", margin=0.01, than="champion"), better("brier", margin=0.01, than="champion")),
            "is not equivalent",
        ),
        ((at_least("auc", 0.7), at_most("auc", 0.8)), ""),
        ((equivalent("brier", margin=0.01, than="champion"), better("brier", than="champion")), ""),
        ((at_least("auc", 0.8), at_most("auc", 0.7, by="origin")), ""),
    ],
)
def test_requirements_that_cannot_hold_together_are_named(pair: tuple[Requirement, ...], said: str) -> None:
    """In either order; those of slices are another matter."""
    for given_ in (pair, pair[::-1]):
        found = contradictions(given_)
        assert said in found[0] if said else not found


@pytest.mark.parametrize("limit", [math.nan, math.inf, -math.inf])
def test_a_limit_is_a_number(limit: float) -> None:
    """Nothing could ever miss an infinite one."""
    with pytest.raises(InvalidDeclaration, match="finite"):
        at_most("log_loss", limit)


def test_an_unknown_metric_is_named_with_the_nearest() -> None:
    """Found when it is declared, not when it is measured."""
    with pytest.raises(InvalidDeclaration) as caught:
        at_least("acu", 0.6)
    assert caught.value.hint == "did you mean 'auc'?"


def test_an_unknown_comparator_is_named_with_the_nearest() -> None:
    """There are three."""
    with pytest.raises(InvalidDeclaration, match="champion, predecessor, fallback") as caught:
        better("log_loss", than="champoin")
    assert caught.value.hint == "did you mean 'champion'?"


@pytest.mark.parametrize("percent", [1.0, 5.0, -0.1])
def test_a_share_is_not_a_percentage(percent: float) -> None:
    """An error rate of at most 5 would be kept by everybody, for ever."""
    with pytest.raises(InvalidDeclaration, match="from 0 to below 1") as caught:
        at_most("error_rate", percent)
    assert caught.value.hint == "1 % is 0.01"
