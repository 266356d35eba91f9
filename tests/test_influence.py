"""Declaring a capability whose answers change what happens: what nothing could be seen of is refused, with what to do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from plimsoll.capability import BinaryClassification, Capability, Source
from plimsoll.errors import InvalidDeclaration
from plimsoll.features import Inputs, number
from plimsoll.kernel.requirement import at_least, at_most, better, no_worse
from plimsoll.kernel.rollout import Canary, Live, Shadow
from plimsoll.outcome_metric import outcome_mean, outcome_rate, outcome_ratio

BOUGHT, PAID = outcome_rate(), outcome_mean("paid_usd", unit="USD", between=(0, 500))
PER_ITEM = outcome_ratio("paid_usd", "items", unit="USD")
COMPARED = no_worse(BOUGHT, margin=0.01, than="champion")
ERRORS = at_most("error_rate", 0.01)
CANARY = Canary(0.5, blocks=14, requires=(COMPARED, ERRORS))

OFFER = Capability(
    name="offer",
    owner="shop",
    task=BinaryClassification(label="bought"),
    source=Source(name="visits", contract="visits.odcs.yaml", rows="visits.csv", asked_at="at", unit="visit"),
    features=[Inputs(number("basket"))],
    gate=[at_least("auc", 0.6), no_worse("log_loss", margin=0.1, than="champion")],
    rollout=[Shadow(), CANARY, Live()],
    keep=[ERRORS, at_most("fallback_rate", 0.1)],
    metrics=[BOUGHT, PAID, PER_ITEM],
    train=lambda training, params: None,
    fallback=lambda columns: [0.1] * len(columns["at"]),
    influences_outcome=True,
)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"keep": [no_worse("log_loss", margin=0.1, than="predecessor")]}, "a live release answers everybody"),
        ({"keep": [no_worse(BOUGHT, margin=0.1, than="fallback")]}, "nobody is there to compare with"),
        ({"retrain": [better(BOUGHT, than="fallback")]}, "nobody is there to compare with"),
        ({"gate": [at_least(BOUGHT, 0.1)]}, "gate: .* turned out as they did, whoever is measured"),
        ({"report": [BOUGHT]}, "report: .* turned out as they did, whoever is measured"),
        ({"rollout": [Shadow(requires=(COMPARED,)), CANARY, Live()]}, "only of answers that somebody is shown"),
        ({"rollout": [Shadow(requires=(at_most("fallback_rate", 0.1),)), CANARY, Live()]}, "somebody is shown"),
        (
            {"rollout": [Shadow(requires=(no_worse("log_loss", margin=0.1, than="champion"),)), CANARY, Live()]},
            "no evidence of one that nobody was shown",
        ),
        ({"rollout": [Shadow(), Live()]}, "no canary compares"),
        ({"rollout": [Shadow(), Canary(0.5), Live()]}, "no canary compares"),
        ({"keep": [at_least(BOUGHT, 0.1)]}, "follows the base rate"),
        (
            {"rollout": [Canary(0.5, requires=(no_worse(BOUGHT, margin=0.1, than="fallback"), COMPARED)), Live()]},
            "the fallback answers nobody in a canary",
        ),
        (
            {"rollout": [Canary(0.5, requires=(no_worse("auc", margin=0.1, than="champion"),)), Live()]},
            "all rows at once",
        ),
        ({"metrics": []}, "name it under metrics"),
        ({"gate": [at_most("cost_per_1k_usd", 0.4)]}, "seen in shadow and later"),
        ({"keep": [no_worse("cost_per_1k_usd", margin=0.1, than="fallback")]}, "counted over all answers"),
        ({"rollout": [Shadow(requires=(at_most("cost_per_1k_usd", 0.4),)), CANARY, Live()]}, "somebody is shown"),
    ],
)
def test_what_nothing_could_be_seen_of_is_refused(changes: dict[str, Any], said: str) -> None:
    """At each place its own reason."""
    with pytest.raises(InvalidDeclaration, match=said):
        replace(OFFER, **changes)


def test_a_lease_that_cannot_be_compared_is_told_what_to_do_instead() -> None:
    """The error has the canary to write."""
    with pytest.raises(InvalidDeclaration) as error:
        replace(OFFER, keep=[no_worse("log_loss", margin=0.1, than="predecessor")])
    assert error.value.hint is not None and "Canary(0.5" in error.value.hint


def test_a_comparison_of_outcomes_says_nothing_where_they_are_of_both() -> None:
    """Without influence both are measured on the same outcomes: a difference that is always zero."""
    with pytest.raises(InvalidDeclaration, match="the difference is always 0"):
        replace(OFFER, influences_outcome=False)


def test_each_canary_needs_the_blocks_of_its_own_sequence() -> None:
    """The shadow's say nothing of quality here, and another share divides the units anew."""
    short = Canary(0.5, blocks=7, deadline_blocks=9, requires=(COMPARED,))
    with pytest.raises(InvalidDeclaration, match="there are 9 blocks, fewer than the 10"):
        replace(OFFER, rollout=[Shadow(), short, Live()])


def test_the_gate_s_comparisons_are_no_stage_s() -> None:
    """A shadow judges machinery, without what only shown answers tell; a canary what it declares."""
    shadow, canary, live = OFFER.stages
    assert shadow.requires == (ERRORS,) and canary.requires == CANARY.requires and live.requires == ()


def test_who_was_shown_what_is_kept_where_it_is_asked() -> None:
    """With the numbers of outcomes that requirements read, the label aside; nowhere else."""
    per_item = Canary(0.5, blocks=14, requires=(COMPARED, better(PER_ITEM, than="champion")))
    assert OFFER.follows == () and replace(OFFER, rollout=[per_item, Live()]).follows == ("items", "paid_usd")
    plain = replace(OFFER, influences_outcome=False, rollout=[Shadow(), Live()])
    assert plain.follows is None
    assert replace(plain, retrain=[at_least(PAID, 3.0)]).follows == ("paid_usd",)
