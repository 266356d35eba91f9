"""Golden sets are taken in as snapshots, asked of each release, and go stale where a label changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from plimsoll import at_least, golden
from plimsoll.capability import Capability, load
from plimsoll.errors import InvalidDeclaration, UsageError
from plimsoll.operations import ship, standing_of
from plimsoll.operations.collecting import collect_garbage
from plimsoll.operations.gold.stale import stale_sets
from plimsoll.scaffold import sample_plan, write

HEAD = "order_id,ordered_at,channel,price_eur,items,returned"
DEAR = "g1,2025-02-01 10:00:00,web,900.00,9,1"
CHEAP = "g2,2025-02-01 11:00:00,shop,1.00,1,0"


@pytest.fixture
def gold(tmp_path: Path) -> Capability:
    """Two cases that a model of the price gets right; the file may be written again."""
    folder = tmp_path / "orders"
    write(sample_plan("orders", "binary"), folder)
    written(folder, DEAR, CHEAP)
    return load(folder).variant(gate=[at_least("auc", 0.5)], suite=[golden("plain", rows="golden/cases.csv")])


def written(folder: Path, *cases: str, head: str = HEAD) -> None:
    (folder / "golden").mkdir(exist_ok=True)
    (folder / "golden" / "cases.csv").write_text("\n".join([head, *cases]).lstrip() + "\n")


def shipped(place: Any, gold: Capability, *cases: str) -> Any:
    if cases:
        written(gold.folder, *cases)
    return ship(gold, place.yard, with_report=False)


def stale(place: Any, release: str) -> list[dict[str, Any]]:
    return stale_sets(place.catalog, "orders", place.catalog.release("orders", release).manifest)


def told(place: Any) -> list[str]:
    return [line.entry.summary for line in place.catalog.ledger() if line.entry.kind == "golden"]


def test_every_case_is_asked_and_one_wrong_answer_fails(place: Any, gold: Capability) -> None:
    """Through the real features and model, with the other requirements of the gate."""
    right = {f.slice: f for f in shipped(place, gold).verdict.findings}["golden=plain"]
    assert (right.ruling, right.events, right.method) == ("pass", 2, "every case")
    wrong = shipped(place, gold, DEAR, CHEAP, DEAR.replace("g1", "g3")[:-1] + "0").verdict
    assert wrong.ruling == "fail" and {f.slice: f for f in wrong.findings}["golden=plain"].estimate == pytest.approx(
        1 / 3
    )


def test_a_share_of_the_cases_may_fail(place: Any, gold: Capability) -> None:
    some = gold.variant(suite=[golden("plain", rows="golden/cases.csv", fails=0.5)])
    assert shipped(place, some, DEAR[:-1] + "0", CHEAP).verdict.ruling == "pass"


def test_other_cases_are_another_release_of_the_same_model(place: Any, gold: Capability) -> None:
    """The same ones, in a file written again, are nothing new; and an added case makes no verdict stale."""
    first, again = shipped(place, gold), shipped(place, gold, DEAR, CHEAP)
    more = shipped(place, gold, DEAR, CHEAP, CHEAP.replace("g2", "g3"))
    assert not again.is_new and more.is_new and not stale(place, first.release)
    assert len({r.manifest.artifacts["model"] for r in place.catalog.releases("orders")}) == 1


def test_a_changed_label_makes_earlier_verdicts_stale(place: Any, gold: Capability) -> None:
    """The ledger says how many changed, once; who stands on it says so; labels that are put back make it good again."""
    first = shipped(place, gold)
    second = shipped(place, gold, DEAR, CHEAP[:-1] + "1")
    shipped(place, gold)
    assert [s["changed"] for s in stale(place, first.release)] == [1] and not stale(place, second.release)
    assert len(told(place)) == 1 and told(place)[0].startswith("gold labels changed: 1 of 2 in 'plain'; verdicts on")
    assert "is stale" in standing_of(place.catalog, "orders")["stale"][0]["says"]
    shipped(place, gold, DEAR, CHEAP)
    assert not stale(place, first.release) and stale(place, second.release)


def test_a_report_names_the_cases_that_are_wrong(place: Any, gold: Capability) -> None:
    written(gold.folder, DEAR[:-1] + "0", CHEAP)
    release = ship(gold, place.yard).release
    page = place.objects.get(place.catalog.release("orders", release).report).decode()
    assert "golden" in page and '<span class="mono">g1</span>' in page


def test_what_a_release_was_judged_on_is_kept(place: Any, gold: Capability) -> None:
    """As long as the release itself is."""
    shipped(place, gold)
    shipped(place, gold, DEAR, CHEAP, CHEAP.replace("g2", "g3"))
    place.clock.move_to(datetime.now(UTC) + timedelta(hours=2))
    collect_garbage(place.yard, delete=True)
    versions = place.catalog.snapshots("orders: golden plain")
    assert len(versions) == 2 and all(place.objects.has(v.files[0]) for v in versions)


@pytest.mark.parametrize(
    ("head", "cases", "said"),
    [
        (HEAD.replace("items", "things"), [DEAR], "the column 'items' is missing"),
        (HEAD, [DEAR, DEAR], "order_id: a duplicate"),
        (HEAD, [DEAR[:-1] + "7"], "returned"),
        (HEAD, [DEAR[:-1]], "returned"),
        (HEAD, [], "there is no case"),
    ],
)
def test_cases_that_are_none_are_refused(place: Any, gold: Capability, head: str, cases: list[str], said: str) -> None:
    """A missing column, a unit twice, a label that is none or is not there, no case; nothing is trained or kept."""
    written(gold.folder, *cases, head=head)
    with pytest.raises(UsageError, match=said):
        ship(gold, place.yard, with_report=False)
    assert not place.catalog.releases("orders")


@pytest.mark.parametrize(
    ("kind", "within", "case"),
    [
        (
            "multiclass",
            0.0,
            "ticket_id,opened_at,channel,words,amount_eur,team\ng1,2025-02-01 10:00:00,mail,46,2.43,{}",
        ),
        (
            "regression",
            9.0,
            "delivery_id,set_out_at,district,distance_km,parcels,minutes\ng1,2025-02-01 10:00:00,north,7.8,4,{}",
        ),
    ],
)
def test_right_is_the_likeliest_class_or_a_number_near_enough(
    place: Any, tmp_path: Path, kind: Any, within: float, case: str
) -> None:
    """One answer only can be right; a label that is no class is refused."""
    folder = tmp_path / "orders"
    write(sample_plan("orders", kind), folder)
    declared = load(folder).variant(suite=[golden("x", rows="golden/cases.csv", within=within)])
    rulings = []
    for label in ("sales", "billing", "technical") if kind == "multiclass" else ("28.2", "500.0", "28.3"):
        written(folder, case.format(label), head="")
        rulings.append({f.slice: f for f in shipped(place, declared).verdict.findings}["golden=x"].ruling)
    assert sorted(rulings) == (["fail", "fail", "pass"] if kind == "multiclass" else ["fail", "pass", "pass"])
    written(folder, case.format("nobody"), head="")
    with pytest.raises(UsageError, match="team" if kind == "multiclass" else "minutes"):
        shipped(place, declared)


def test_the_declaration_says_how_far_off_a_regression_may_be(gold: Capability) -> None:
    with pytest.raises(InvalidDeclaration, match="`within` says how far off"):
        gold.variant(suite=[golden("x", rows="x.csv", within=1.0)])
    with pytest.raises(InvalidDeclaration, match="a share of the cases"):
        golden("x", rows="x.csv", fails=1.0)
