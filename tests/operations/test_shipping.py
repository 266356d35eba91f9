"""From rows to a judged release: what is built once, what is refused, and what is compared with whom."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from plimsoll.capability import Answer, Capability, load
from plimsoll.errors import Conflict, Refused, UsageError
from plimsoll.features import Inputs, category, hour, number
from plimsoll.kernel.lease import Lease
from plimsoll.kernel.lifecycle import State
from plimsoll.kernel.promise import ErrorAmongAnswered
from plimsoll.kernel.records import FALLBACK
from plimsoll.kernel.requirement import at_least, at_most, no_worse
from plimsoll.kernel.rollout import Canary, Live
from plimsoll.operations import reproduce, ship
from plimsoll.operations.bench import Timelines
from plimsoll.outcome_metric import outcome_rate
from plimsoll.store import SqlCatalog

from .given import DAY, T0, deploy
from .other_code import changed
from .training_code import COUNTED, counting


@pytest.fixture
def capability(orders: Capability) -> Capability:
    """The scaffold, trained by code that counts."""
    COUNTED.clear()
    return orders.variant(
        train=counting, gate=[at_least("auc", 0.6), no_worse("log_loss", margin=0.01, than="champion")]
    )


def shipped(place: Any, capability: Capability, **options: Any) -> Any:
    return ship(capability, place.yard, with_report=options.pop("with_report", False), **options)


def hold_lease(place: Any, release: str) -> None:
    """``release`` as the live one."""
    d = place.catalog.deployment("orders")
    lease = Lease(release=release, granted_at=T0, keep=(), since=T0, renewed_at=T0)
    deploy(place.catalog, msgspec.structs.replace(d, lease=lease, queue=(), states={release: State.LIVE}))


def test_an_identical_release_changes_nothing_and_says_so(place_in_both: Any, capability: Capability) -> None:
    """Not the deployment, not the ledger, not even its label; and nothing is trained again."""
    place = place_in_both
    first = shipped(place, capability, label="first", with_report=True)
    head, version = place.catalog.ledger_head(), first.deployment.version
    second = shipped(place, capability, label="second")
    assert first.is_new and first.verdict.ruling == "pass" and first.deployment.queue == (first.release,)
    assert not second.is_new and second.release == first.release and "nothing changes" in second.summary
    assert place.catalog.ledger_head() == head and second.deployment.version == version and len(COUNTED) == 1
    assert [r.label for r in place.catalog.releases("orders")] == ["first"] and place.catalog.releases("orders")[
        0
    ].report


def test_a_step_is_not_run_again_for_unchanged_inputs(place: Any, capability: Capability) -> None:
    """Another gate is another release of the same model; another parameter, seed or row is another training."""
    first = shipped(place, capability)
    again = shipped(place, capability.variant(gate=[at_least("auc", 0.61)]))
    assert again.is_new and len(COUNTED) == 1
    models = [r.manifest.artifacts["model"] for r in place.catalog.releases("orders")]
    assert models[0] == models[1] and first.release != again.release
    shipped(place, capability.variant(params={"c": 0.5}))
    shipped(place, capability.variant(seed=9))
    assert len(COUNTED) == 3


def test_where_answers_change_what_happens_a_gate_says_what_its_rows_are_worth(
    place: Any, capability: Capability
) -> None:
    """To whoever releases, and in the report; the manifest says so, too."""
    bought, said = outcome_rate(), []
    canary = Canary(0.5, blocks=14, requires=(no_worse(bought, margin=0.1, than="champion"),))
    influencing = capability.variant(
        influences_outcome=True, rollout=[canary, Live()], metrics=[bought], keep=[at_most("error_rate", 0.01)]
    )
    found = ship(influencing, replace(place.yard, say=said.append), with_report=True)
    (note,) = [line for line in said if line.startswith("note: ")]
    assert "favour whoever answered then. The canary decides" in note
    row = place.catalog.release("orders", found.release)
    assert "The canary decides" in place.objects.get(row.report).decode()
    assert row.manifest.settings["influences_outcome"] is True


def test_a_feature_that_is_known_too_late_makes_the_run_invalid(place: Any, capability: Capability) -> None:
    """Found from known times: the column, the share of the rows, and by how much; nothing is trained."""
    leaking = capability.variant(features=[*capability.features, Inputs(hour("closed_at"))])
    found = shipped(place, leaking)
    (reason,) = found.verdict.reasons
    assert found.verdict.ruling == "invalid" and found.deployment.states[found.release] is State.REFUSED
    assert "closed_at" in reason and "100" in reason and not COUNTED and not found.deployment.queue
    with pytest.raises(Refused, match="refused before it was trained"):
        reproduce(leaking, place.yard, place.catalog.release("orders", found.release))


def test_a_broken_contract_stops_the_release(place: Any, orders_folder: Path, tmp_path: Path) -> None:
    """Refused with the counts and reasons; there is no release, no snapshot and no training."""
    folder = Path(shutil.copytree(orders_folder, tmp_path / "broken"))
    rows = folder / "data/orders.csv"
    rows.write_text(rows.read_text().replace(",web,", ",fax,"))
    with pytest.raises(Refused, match="rows are bad") as caught:
        shipped(place, load(folder))
    assert any("channel" in reason for reason in caught.value.details["reasons"])
    assert place.catalog.releases("orders") == [] and place.catalog.snapshots() == []


def test_a_gate_that_cannot_decide_queues_nothing(place: Any, capability: Capability) -> None:
    """The threshold lies within the interval: inconclusive, and what is not shown is named."""
    first = shipped(place, capability)
    auc = next(f.estimate for f in first.verdict.findings if f.metric == "auc")
    found = shipped(place, capability.variant(gate=[at_least("auc", round(auc, 3))]))
    assert found.verdict.ruling == "inconclusive" and "not shown either way" in found.verdict.reasons[0]
    assert found.deployment.states[found.release] is State.CANDIDATE
    assert found.deployment.queue == (first.release,)


def test_a_gate_that_says_no_refuses(place: Any, capability: Capability) -> None:
    """A verdict and no exception; the ledger has it with its evidence."""
    found = shipped(place, capability.variant(gate=[at_least("auc", 0.99)]))
    line = list(place.catalog.ledger())[-1]
    assert found.verdict.ruling == "fail" and found.deployment.states[found.release] is State.REFUSED
    assert line.entry.kind == "gate" and line.entry.body["evidence"][0]["blocks"]


def test_a_champion_is_compared_by_its_own_features(place: Any, capability: Capability) -> None:
    """The same model with its inputs in another order gives the same answers; fed with ours it would not."""
    first = shipped(place, capability)
    hold_lease(place, first.release)
    inputs = Inputs(number("items"), category("channel", levels=["app", "shop", "web"]), number("price_eur"))
    found = shipped(place, capability.variant(features=[inputs]), timelines=Timelines())
    blocks = next(f for f in found.verdict.findings if f.metric == "log_loss")
    assert blocks.comparator == first.release
    assert abs(blocks.estimate) < 0.01, "the two know nearly the same; in the wrong order the loss would be tenths"
    gone = [f for f in found.verdict.findings if f.comparator == FALLBACK]
    assert not gone


def test_a_label_that_a_killed_release_left_is_kept(place: Any, capability: Capability) -> None:
    """Killed between keeping the release and judging it: the next attempt judges it under the name it has."""

    class Dies(SqlCatalog):
        def set_gate(self, *args: Any) -> None:
            raise KeyboardInterrupt

    dying = Dies(f"sqlite:///{place.folder}/catalog.db")
    with pytest.raises(KeyboardInterrupt):
        ship(capability, replace(place.yard, catalog=dying), label="first", with_report=False)
    dying.close()
    assert place.catalog.deployment("orders").states == {}
    found = shipped(place, capability)
    assert found.is_new and found.label == "first" and found.verdict.ruling == "pass" and len(COUNTED) == 1


def test_a_decision_of_the_loop_in_between_does_not_lose_a_release(place: Any, capability: Capability) -> None:
    """Somebody else wrote while it was judged: it is judged again, against what is deployed now."""
    hits = iter((True, True, False))

    class Busy(SqlCatalog):
        def commit(self, *args: Any) -> Any:
            if next(hits):
                deploy(place.catalog, place.catalog.deployment("orders"))
            return super().commit(*args)

    busy = Busy(f"sqlite:///{place.folder}/catalog.db")
    found = ship(capability, replace(place.yard, catalog=busy), with_report=False)
    busy.close()
    assert found.is_new and found.deployment.queue == (found.release,) and found.deployment.version == 3


def test_a_deployment_that_never_rests_is_a_conflict(place: Any, capability: Capability) -> None:
    """After a few attempts it is said, and the release is not half there."""

    class Restless(SqlCatalog):
        def commit(self, *args: Any) -> Any:
            deploy(place.catalog, place.catalog.deployment("orders"))
            return super().commit(*args)

    restless = Restless(f"sqlite:///{place.folder}/catalog.db")
    with pytest.raises(Conflict):
        ship(capability, replace(place.yard, catalog=restless), with_report=False)
    restless.close()
    assert place.catalog.deployment("orders").states == {}


def test_too_few_complete_days_are_said(place: Any, capability: Capability) -> None:
    """Before the gate's blocks have their labels there is nothing to judge by."""
    place.clock.move_to(T0 - 47 * DAY)
    with pytest.raises(UsageError, match="complete blocks are too few"):
        shipped(place, capability)


def test_a_release_is_made_again_to_the_byte(place: Any, capability: Capability) -> None:
    """Without looking at the earlier run: every artifact has the digest it had."""
    first = shipped(place, capability)
    row = place.catalog.release("orders", first.release)
    made = reproduce(capability, place.yard, row)
    assert made.artifacts == row.manifest.artifacts and len(COUNTED) == 2


def test_other_code_is_told_by_the_artifact_that_differs(place: Any, capability: Capability) -> None:
    """The snapshot is the same; the code and what it makes are not."""
    first = shipped(place, capability)
    row = place.catalog.release("orders", first.release)
    made = reproduce(capability.variant(train=changed), place.yard, row)
    differ = {role for role, digest in row.manifest.artifacts.items() if made.artifacts[role] != digest}
    assert differ == {"code", "model", "golden"}


def test_a_promised_error_becomes_a_threshold_of_the_manifest(place: Any, orders: Capability) -> None:
    """The release says from which confidence on it answers, and the report shows what that answers."""
    promising = orders.variant(answer=Answer(promise=ErrorAmongAnswered(0.35), unsure=["person"]))
    done = shipped(place, promising, with_report=True)
    row = place.catalog.release("orders", done.release)
    answer = row.manifest.settings["answer"]
    assert 0.0 <= answer["abstain_below"] < 1.0 and answer["unsure"] == ["person"]
    page = place.objects.get(row.report).decode()
    assert "What is answered" in page and "at most 0.35 of what is answered is wrong" in page
    plain = shipped(place, orders)
    assert plain.release != done.release, "another policy is another release"


def test_a_promise_that_cannot_be_kept_is_no_release(place: Any, orders: Capability) -> None:
    """It is refused with what came nearest, and would answer nothing."""
    done = shipped(place, orders.variant(answer=Answer(promise=ErrorAmongAnswered(0.001))), with_report=True)
    assert done.verdict.ruling == "invalid" and done.deployment.queue == ()
    assert any("cannot keep its promise" in reason for reason in done.verdict.reasons)
    row = place.catalog.release("orders", done.release)
    assert row.manifest.settings["answer"]["abstain_below"] > 1.0
