"""Behaviours run through the real features and model, and are part of what the gate judges by."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from plimsoll import Inputs, at_least, at_most, directional, hour, invariance, minimum
from plimsoll.capability import Capability
from plimsoll.errors import InvalidDeclaration, UsageError
from plimsoll.operations import ship


def findings(place: Any, capability: Capability) -> dict[str, Any]:
    shipped = ship(capability, place.yard, with_report=False)
    return {f.slice.removeprefix("behaviour="): f for f in shipped.verdict.findings}


def asked(orders: Capability, *suite: Any) -> Capability:
    return orders.variant(gate=[at_least("auc", 0.5)], suite=suite)


def test_behaviours_are_judged_with_the_requirements(place: Any, orders: Capability) -> None:
    """A column goes through everything that is made of it; a feature is set as it is."""
    found = findings(
        place,
        asked(
            orders,
            invariance("nothing changed", change={"channel": lambda rows: rows["channel"]}, within=0.0),
            invariance("the price says nothing", change={"price_eur": 5_000.0}, within=0.001),
            minimum("a probability", at_least=0.0, at_most=1.0),
        ),
    )
    assert found["nothing changed"].ruling == "pass" and found["nothing changed"].estimate == 0.0
    assert found["the price says nothing"].ruling == "fail" and found["the price says nothing"].estimate > 0.9
    assert found["a probability"].ruling == "pass" and found["a probability"].method == "every case"


def test_only_the_rows_asked_for_are_asked(place: Any, orders: Capability) -> None:
    """And their number is in the finding; where there are none, nothing is shown."""
    web = directional("web", change={"price_eur": 1.0}, where=lambda r: r["channel"] == "web", goes="up", within=1.0)
    none = minimum("none", at_most=1.0, where=lambda r: np.zeros(len(r["channel"]), dtype=bool))
    found = findings(place, asked(orders, web, none))
    assert 0 < found["web"].events < found["all"].events and found["none"].ruling == "inconclusive"


def test_another_suite_is_another_release_of_the_same_model(place: Any, orders: Capability) -> None:
    """It is judged again, and not trained again."""
    first = ship(asked(orders), place.yard, with_report=False)
    second = ship(asked(orders, minimum("p", at_most=1.0)), place.yard, with_report=False)
    models = {r.manifest.artifacts["model"] for r in place.catalog.releases("orders")}
    assert first.release != second.release and len(models) == 1


def test_a_report_shows_what_failed(place: Any, orders: Capability) -> None:
    """With the rows that fail by most; a feature that a release has not is not asked of it."""
    shipped = ship(
        asked(
            orders,
            minimum("cheap", at_most=0.0001),
            invariance("not there", change={"another_view_x": 1.0}, within=0.1),
        ),
        place.yard,
    )
    page = place.objects.get(place.catalog.release("orders", shipped.release).report).decode()
    assert "<h2>Behaviour</h2>" in page and "not asked: this release has no another_view_x" in page
    assert [f.slice for f in shipped.verdict.findings] == ["all", "behaviour=cheap"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"closed_at": None}, "neither a feature nor a column that a feature reads"),
        ({"channel": lambda rows: rows["nothing"]}, "raised KeyError"),
        ({"channel": lambda rows: rows["channel"][:3]}, "gave shape"),
    ],
)
def test_a_change_that_is_none_is_named(place: Any, orders: Capability, change: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        ship(asked(orders, invariance("x", change=change, within=0.1)), place.yard, with_report=False)


def test_the_declaration_refuses_what_makes_no_sense(orders: Capability) -> None:
    """Two of one name; another question; the suite's own metrics as requirements."""
    one = invariance("x", change={"channel": "web"}, within=0.1)
    with pytest.raises(InvalidDeclaration, match="two are named x"):
        orders.variant(suite=[one, one])
    with pytest.raises(InvalidDeclaration, match="says which question it is"):
        orders.variant(suite=[invariance("y", change={orders.source.unit: "1"}, within=0.1)])
    with pytest.raises(InvalidDeclaration, match="brings its own requirement"):
        orders.variant(gate=[at_most("failing_rows", 0.1)])
    with pytest.raises(InvalidDeclaration, match="shown where its suite is"):
        orders.variant(report=["failing_rows"])


def test_groups_are_required_at_the_gate_only(place: Any, orders: Capability) -> None:
    """Between any two values of a column, with the rates in the report; never against a champion or in a lease."""
    asked_ = orders.variant(gate=[at_most("demographic_parity_difference", 0.9, by="channel")])
    shipped = ship(asked_, place.yard)
    page = place.objects.get(place.catalog.release("orders", shipped.release).report).decode()
    assert shipped.verdict.ruling == "pass" and "<h2>Between groups</h2>" in page
    assert all(" against " in f.slice for f in shipped.verdict.findings)
    for wrong in (at_most("equalised_odds_ratio", 0.8, by="channel"), at_most("equalised_odds_difference", 0.1)):
        with pytest.raises(InvalidDeclaration, match="groups are compared with each other"):
            orders.variant(gate=[wrong])
    with pytest.raises(InvalidDeclaration, match="groups are compared with each other"):
        orders.variant(retrain=[at_most("equalised_odds_difference", 0.1, by="channel")])


def test_a_release_that_leaks_is_invalid_whatever_is_asked_of_its_answers(place: Any, orders: Capability) -> None:
    """It is not trained, so that there are no answers; the verdict says why, and nothing breaks."""
    leaking = asked(orders, minimum("a probability", at_least=0.0, at_most=1.0))
    leaking = leaking.variant(features=[*leaking.features, Inputs(hour("closed_at"))])
    (reason,) = ship(leaking, place.yard, with_report=False).verdict.reasons
    assert "closed_at" in reason and "leakage" in reason
