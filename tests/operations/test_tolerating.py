"""What a release has to stand is judged with its requirements, against its own untroubled answers."""

from __future__ import annotations

from typing import Any

import pytest

from plimsoll import at_least, at_most, tolerates
from plimsoll.capability import Capability
from plimsoll.errors import InvalidDeclaration
from plimsoll.kernel.records import ITSELF
from plimsoll.operations import ship

from .training_code import imputing


def stands(name: str, of: str, **more: Any) -> Any:
    return tolerates(name, of=of, **{"metric": "log_loss", "margin": 0.02, **more})


def asked(orders: Capability, *suite: Any, **changes: Any) -> Capability:
    return orders.variant(gate=[at_least("auc", 0.5)], suite=suite, train=imputing, **changes)


def findings(place: Any, capability: Capability) -> dict[str, Any]:
    shipped = ship(capability, place.yard, with_report=False)
    return {f.slice.removeprefix("tolerance="): f for f in shipped.verdict.findings}


def test_what_costs_little_is_stood_and_what_costs_much_is_not(place: Any, orders: Capability) -> None:
    """Noise that is next to nothing passes; a price that says nothing any more, which the outcome rests on, is too much."""
    found = findings(
        place,
        asked(
            orders,
            stands("a breath of noise", "price_eur", trouble="noisy", spread=0.01, rate=1.0),
            stands("a price that is nothing but noise", "price_eur", trouble="noisy", spread=5.0, rate=1.0),
        ),
    )
    quiet, lost = found["a breath of noise"], found["a price that is nothing but noise"]
    assert (quiet.ruling, lost.ruling) == ("pass", "fail") and abs(quiet.estimate) < 0.005 < 0.02 < lost.low
    assert quiet.comparator == ITSELF and "untroubled answers" in lost.requirement


def test_a_model_that_does_not_answer_is_measured_by_its_fallback(place: Any, orders: Capability) -> None:
    """As in production; without one the evidence is invalid, and says so."""
    scaled = orders.variant(gate=[at_least("auc", 0.5)], suite=[stands("no price", "price_eur", rate=0.5)])
    with_fallback = findings(place, scaled)["no price"]
    alone = scaled.variant(fallback=None, keep=[at_most("error_rate", 0.01)])
    without = findings(place, alone)["no price"]
    assert with_fallback.blocks == 14 and with_fallback.estimate > 0.01
    assert without.ruling == "invalid" and "there is no fallback" in without.reason


def test_it_is_explained_and_is_part_of_the_release(place: Any, orders: Capability) -> None:
    """Another margin is another release of the same model, whose report tells it in a sentence."""
    first = ship(asked(orders, stands("no channel", "channel")), place.yard)
    second = ship(asked(orders, stands("no channel", "channel", margin=0.05)), place.yard)
    page = place.objects.get(place.catalog.release("orders", second.release).report).decode()
    models = {r.manifest.artifacts["model"] for r in place.catalog.releases("orders")}
    assert first.release != second.release and len(models) == 1
    assert "than its untroubled answers" in page and "tolerance=no channel" in page


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"of": "prize_eur"}, "neither a column that a feature reads"),
        ({"trouble": "stolen"}, "trouble='stolen'"),
        ({"rate": 0.0}, "a share of the rows"),
        ({"spread": 0.5}, "how wide noise is"),
        ({"trouble": "noisy"}, "how wide noise is"),
        ({"metric": "mae"}, "no metric of a binary task"),
        ({"margin": 0.0}, "the margin is how much worse"),
        ({"name": " "}, "a tolerance has a name"),
    ],
)
def test_the_declaration_refuses_what_makes_no_sense(orders: Capability, changes: Any, said: str) -> None:
    """Each with what is wrong and what to write."""
    given = {"name": "x", "of": "price_eur", "metric": "log_loss", "margin": 0.02, **changes}
    with pytest.raises(InvalidDeclaration, match=said):
        asked(orders, tolerates(given.pop("name"), **given))
