"""A release evaluated deeply: through its real features, model and training; resumed, kept, and shown in its report."""

from __future__ import annotations

import random
import shutil
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plimsoll import Inputs, at_least, metric, no_worse, number
from plimsoll.capability import Capability, Table, load
from plimsoll.errors import Refused, UsageError
from plimsoll.evaluation import markdown_of
from plimsoll.operations import collect_garbage, ship
from plimsoll.operations.deep.ground import ground
from plimsoll.operations.deep.keeping import everything, keep, parts_of
from plimsoll.operations.deep.running import evaluate
from plimsoll.operations.deep.variant import Variant, answers_of

from .boosting_code import boosting
from .feeds import demand, demand_on_channel
from .given import T0
from .training_code import COUNTED, counting, imputing
from .widened import widened


def quiet(done: int, total: int, what: str) -> None:
    """Nobody waits."""


def released(place: Any, capability: Capability) -> Any:
    shipped = ship(capability, place.yard)
    return place.catalog.release(capability.name, shipped.release)


def losses(items: Any, name: str) -> Any:
    return next(i for i in items if i.name == name).losses[0]


@pytest.fixture
def fed(orders_folder: Path, tmp_path: Path) -> Capability:
    """The orders with a view beside the question's own features, and a model that takes missing values."""
    folder = Path(shutil.copytree(orders_folder, tmp_path / "fed"))
    demand(folder, since=datetime(2025, 1, 1), until=datetime(2025, 3, 4))
    orders = load(folder)
    table = Table(name="demand", contract="contracts/demand.odcs.yaml", rows="data/demand.parquet")
    gate = [at_least("auc", 0.5), no_worse("log_loss", margin=0.02, than="fallback")]
    return orders.variant(
        tables=[table], features=[*orders.features, demand_on_channel], train=imputing, gate=gate, slices=["channel"]
    )


def test_each_input_and_each_view_is_troubled_by_itself(place: Any, fed: Capability) -> None:
    """What the outcome rests on costs most when it is gone; a column goes through everything that is made of it."""
    row = released(place, fed)
    found = evaluate(fed, place.yard, row, ["robustness"], quiet)["robustness"]
    names = {(t.name, t.of) for t in found.robustness}
    assert {("price_eur", "input"), ("channel", "input"), ("demand_on_channel", "view")} <= names
    price = next(t for t in found.robustness if t.name == "price_eur")
    missing = [s for s in price.strains if s.by.kind == "missing"]
    cost = [s.losses[0].worse_by for s in missing]
    assert cost == sorted(cost) and missing[-1].losses[0].is_shown and missing[-1].losses[0].metric == "log_loss"
    assert all(s.moved > 0 for t in found.robustness if t.name == "channel" for s in t.strains)


def test_a_model_that_cannot_answer_is_a_finding(place: Any, orders: Capability) -> None:
    """A scaler makes NaN of a missing value: said beside the trouble, and the rest is measured."""
    row = released(place, orders)
    (price,) = (t for t in evaluate(orders, place.yard, row, ["robustness"], quiet)["robustness"].robustness
                if t.name == "price_eur")  # fmt: skip
    notes = {s.by.kind: s.note for s in price.strains}
    assert "does not answer" in notes["missing"] and notes["noisy"] == ""


def test_what_a_feature_is_worth_is_what_training_without_it_loses(place: Any, fed: Capability) -> None:
    """The price says most of it; the demand was drawn at random."""
    found = evaluate(fed, place.yard, released(place, fed), ["ablation"], quiet)["ablation"].ablation
    assert {a.name for a in found if a.of == "view"} == {"demand_on_channel"}
    assert losses(found, "price_eur").low > 0.02 > abs(losses(found, "demand_on_channel").worse_by)


def test_trained_as_it_was_it_answers_as_it_did(place: Any, fed: Capability) -> None:
    """A variant that varies nothing is the release: what differs in the others is what was varied."""
    base = ground(fed, place.yard, released(place, fed))
    assert answers_of(base, Variant()) == pytest.approx(base.answered.scores, abs=1e-9)


def test_another_seed_and_other_blocks(place: Any, fed: Capability) -> None:
    """A logistic regression does not use its seed, and depends on its rows."""
    found = evaluate(fed, place.yard, released(place, fed), ["stability"], quiet)["stability"].stability
    seeds, draws = found[:3], found[3:]
    assert all(c.note and c.rank == 1.0 for c in seeds)
    assert all(not c.note and 0 < c.moved < 0.1 and c.flips.share < 0.2 for c in draws)
    assert {s.name.partition("=")[0] for c in draws for s in c.worst} == {"channel"}


def test_what_was_made_is_not_made_again(place: Any, orders: Capability) -> None:
    """Killed in the middle it goes on where it was; the second time nothing is trained at all."""
    mine = orders.variant(train=counting)
    row = released(place, mine)
    COUNTED.clear()

    def killed(done: int, total: int, what: str) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(mine, place.yard, row, ["ablation"], killed)
    assert len(COUNTED) == 2
    first = evaluate(mine, place.yard, row, ["ablation"], quiet)
    trained = len(COUNTED)
    assert trained == len(first["ablation"].ablation)
    assert evaluate(mine, place.yard, row, ["ablation"], quiet) == first and len(COUNTED) == trained


def test_it_is_kept_and_shown_in_the_releases_report(place: Any, fed: Capability) -> None:
    """By digest, with a line of the ledger; again it changes nothing; a second part stands beside the first; no collection
    takes it."""
    row = released(place, fed)
    for part in ("ablation", "stability", "stability"):
        found = evaluate(fed, place.yard, row, [part], quiet)
        known = keep(place.catalog, place.objects, row, found, place.clock.now())
        row = place.catalog.release("orders", row.digest)
    page = place.objects.get(row.report).decode()
    assert known.made == ("ablation", "stability") and row.gate["ruling"]
    assert (
        page.count("<h2>What the features are worth</h2>") == page.count("<h2>Another training of the same</h2>") == 1
    )
    said = [line.entry.summary for line in place.catalog.ledger(subject=row.digest) if line.entry.kind == "evaluated"]
    assert said == ["v1 is evaluated: ablation", "v1 is evaluated: stability"]
    place.clock.move_to(place.clock.now() + timedelta(days=9_000))
    collect_garbage(place.yard, delete=True)
    kept = parts_of(place.catalog, row)
    assert all(place.objects.get(digest) for digest in kept.values())
    place.objects.delete(kept["ablation"])
    assert everything(place.objects, kept).made == ("stability",)


def test_trees_are_told_by_shapley_values_and_others_by_what_dealing_costs(place: Any, fed: Capability) -> None:
    """Each is called what it is; the feature that the outcome rests on comes first in both."""
    for train, method in ((boosting, "shapley"), (imputing, "permutation")):
        row = released(place, fed.variant(train=train))
        found = evaluate(fed.variant(train=train), place.yard, row, ["attribution"], quiet)["attribution"].attribution
        first = max((a for a in found if a.of == "feature"), key=lambda a: a.size or 0.0)
        assert {a.method for a in found} == {method} and first.name == "price_eur" and first.low > 0
    assert "not one ensemble of trees" in found[0].why


def test_a_report_says_what_moved_the_worst_rows(place: Any, fed: Capability) -> None:
    """Three features each, where the model is made of trees; nothing where it is not."""
    pages = {}
    for train in (boosting, imputing):
        row = released(place, fed.variant(train=train))
        pages[train] = place.objects.get(row.report).decode()
    assert "moved most by, log-odds" in pages[boosting] and "price_eur&nbsp;" in pages[boosting]
    assert "moved most by" not in pages[imputing]


WORDS = ("parcel", "late", "broken", "refund", "again", "thanks", "order", "never", "came", "box", "please", "today")


@pytest.fixture
def remarked(orders_folder: Path, tmp_path: Path) -> Capability:
    """Every order with a remark; every third one of the last weeks is an early one with a word changed."""
    chance = random.Random(4)

    def remarks(rows: Any) -> list[str]:
        said = [" ".join(chance.choices(WORDS, k=40)) for _ in rows]
        for i in range(len(rows) // 2, len(rows), 3):
            said[i] = said[i - len(rows) // 2] + " sorry"
        return said

    return widened(orders_folder, tmp_path / "remarked", "remark", "string", remarks)


def test_near_copies_are_found_by_features_and_by_text(place: Any, remarked: Capability) -> None:
    """As many as were planted, each with its twin; the metrics with and without them."""
    row = released(place, remarked)
    features, text = evaluate(remarked, place.yard, row, ["duplicates"], quiet)["duplicates"].duplicates
    assert (features.name, text.name) == ("features", "remark") and features.usually is not None
    assert 0.3 < text.share < 0.36 and text.exact == 0 and text.pairs[0].unit != text.pairs[0].twin
    assert {cut.metric for cut in text.without} == {m.metric for m in text.among} and text.without[0].blocks == 14
    known = keep(place.catalog, place.objects, row, evaluate(remarked, place.yard, row, ["duplicates"], quiet), T0)
    page = place.objects.get(place.catalog.release("orders", row.digest).report)
    assert known.made == ("duplicates",) and "<h2>Near copies between training and gate</h2>" in page.decode()
    assert "<details><summary>Near copies between training and gate" in markdown_of(page)


def test_what_cannot_be_compared_is_said(place: Any, orders: Capability) -> None:
    """A part that is unknown; a single feature; code that is another by now."""
    row = released(place, orders)
    with pytest.raises(UsageError, match="no part 'ablaton'") as caught:
        evaluate(orders, place.yard, row, ["ablaton"], quiet)
    assert "ablation" in caught.value.hint
    with pytest.raises(Refused, match="the code has changed since"):
        evaluate(orders.variant(train=imputing), place.yard, row, ["stability"], quiet)
    alone = orders.variant(features=[Inputs(number("price_eur"))])
    with pytest.raises(UsageError, match="feature price_eur is all that it learns from"):
        evaluate(alone, place.yard, released(place, alone), ["ablation"], quiet)


def test_a_part_that_cannot_be_made_leaves_the_others(place: Any, orders: Capability) -> None:
    """It is skipped with its reason, and not kept."""
    alone = orders.variant(features=[Inputs(number("price_eur"))])
    row = released(place, alone)
    found = evaluate(alone, place.yard, row, ["ablation", "stability"], quiet)
    known = keep(place.catalog, place.objects, row, found, place.clock.now())
    assert known.made == ("stability",) and "is all that it learns from" in known.skipped["ablation"]


def test_outcomes_that_tell_nothing_are_said(place: Any, orders: Capability) -> None:
    """None at all, one class, one block: each by name, before anything is computed."""
    base = ground(orders, place.yard, released(place, orders)).again
    from plimsoll.operations.deep.ground import _places

    for y, blocks, said in (
        (np.nan, base.gate.blocks, "none of the gate's"),
        (1.0, base.gate.blocks, "are 1: with one class"),
        (None, np.array(["2025-02-01"] * len(base.gate), dtype=object), "in one block"),
    ):
        labels = base.gate.y if y is None else np.full(len(base.gate), y)
        with pytest.raises(UsageError, match=said):
            _places(replace(base, gate=replace(base.gate, y=labels, blocks=blocks)))


@metric(unit="share", higher_is_better=True, tasks=["binary"], whole=True)
def fickle(scores: Any, labels: Any) -> float:
    """Falls over where every answer is the same."""
    if np.ptp(scores) == 0 or len(scores) > 10:
        raise ZeroDivisionError("no spread")
    return 1.0


def test_a_metric_that_raises_is_named(place: Any, orders: Capability) -> None:
    """With what it raised, and no traceback."""
    base = ground(orders, place.yard, released(place, orders))
    from plimsoll.evaluation.deep.loss import level

    with pytest.raises(UsageError, match="fickle raised ZeroDivisionError: no spread"):
        level(fickle, base.answered)
