"""From statistics to evidence: for each requirement what it is judged on, against whom, and since when."""

from __future__ import annotations

from dataclasses import replace as replace_dataclass
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from plimsoll.kernel.case import Observation
from plimsoll.kernel.columns import in_columns
from plimsoll.kernel.lease import Proof
from plimsoll.kernel.lifecycle import State
from plimsoll.kernel.records import FALLBACK, Beside, Event
from plimsoll.kernel.requirement import at_least, at_most, better, no_worse
from plimsoll.kernel.rollout import Canary, Deployment, Live, Rollout, Shadow
from plimsoll.kernel.verdict import Evidence, Policy, Ruling, find
from plimsoll.operations.exposure import ExposureWatch
from plimsoll.operations.loop import terms_of
from plimsoll.operations.observe import RECENT_BLOCKS, Observer
from plimsoll.operations.skew import SkewWatch
from plimsoll.operations.tally import Tally
from plimsoll.own_metric import metric

from .given import DAY, HOUR, T0, asked, days, knows, live, parcels, told

ERRORS, SLOW = at_most("error_rate", 0.05), at_most("latency_p95_ms", 50)
NO_WORSE = no_worse("log_loss", margin=0.1, than="champion")


def observer(records: Any, until: Any, **options: Any) -> Observer:
    """One that has seen ``records``, looked at ``until``."""
    tally = Tally(task="binary", maturity=36 * HOUR, limits_ms=[50], latencies=True, columns=["depot"])
    tally.read(in_columns(records))
    tally.close(until)
    skew = SkewWatch(lambda *_: np.empty((0, 1), np.float32), lambda release: ["weight"])
    return Observer(tally, skew, ExposureWatch(), terms_of(parcels()), **options)


@metric(unit="share", higher_is_better=False, tasks=["binary"])
def gap(scores: Any, labels: Any) -> Any:
    """Mean distance between what was said and what happened."""
    return np.abs(scores - labels)


def test_a_metric_that_is_no_longer_what_was_required_makes_evidence_invalid() -> None:
    """Neither a pass nor an exception that stops the loop: another definition says nothing about the required one."""
    required = no_worse(gap, margin=0.1, than="champion")
    seen = observer(days(6, knows("r1")), T0 + 6 * DAY)
    seen.tally.metrics = (gap,)
    (found,) = seen.observe(in_stage(required), T0 + 6 * DAY).trial
    assert len(found.blocks) == 5 and not found.problems
    seen.tally.metrics = (replace_dataclass(gap, version="0123456789ab"),)
    (found,) = seen.observe(in_stage(required), T0 + 6 * DAY).trial
    assert not found.blocks and f"required as its version {gap.version}" in found.problems[0]


def in_stage(*requires: Any, canary: bool = False, **changes: Any) -> Deployment:
    """r1 on its way against the fallback since T0."""
    plan = (Shadow(blocks=3, requires=requires), Canary(0.25, blocks=2, requires=requires), Live())
    rollout = Rollout(
        release="r1", champion=FALLBACK, plan=plan, stage=int(canary),
        state=State.CANARY if canary else State.SHADOW, started_at=T0, since=T0, evidence_since=T0,
    )  # fmt: skip
    return Deployment(capability="late", rollout=replace(rollout, **changes), states={"r1": rollout.state})


def trial(*requires: Any, records: Any, until: Any = T0 + 6 * DAY, **changes: Any) -> tuple[Evidence, ...]:
    return observer(records, until).observe(in_stage(*requires, **changes), until).trial


def test_a_comparison_is_a_block_of_pairs_a_day() -> None:
    """Against the champion by its name, on the closed days, as shadow evidence."""
    (found,) = trial(NO_WORSE, records=days(6, knows("r1")))
    assert (found.release, found.comparator, found.source, found.slice) == ("r1", FALLBACK, "shadow", "all")
    assert [b.name for b in found.blocks] == [f"2025-03-0{d}" for d in range(1, 6)]
    assert all(b.n == 24 and b.mean < 0 for b in found.blocks)


def test_a_level_is_measured_without_a_comparator() -> None:
    """The metric itself, a block a day."""
    (found,) = trial(at_most("brier", 0.2), records=days(6, knows("r1", 0.9)))
    assert found.comparator == "" and all(abs(b.mean - 0.01) < 1e-9 for b in found.blocks)


def test_machinery_is_counted_up_to_now() -> None:
    """Errors wait for no label: a row for each day, the running one included."""
    errors, slow = trial(ERRORS, SLOW, records=days(2, lambda i, y: {FALLBACK: 0.5, "r1": None}), until=T0 + 2 * DAY)
    assert [(c.name, c.hits, c.n) for c in errors.counts] == [
        ("2025-03-01T00…2025-03-01T23", 24, 24),
        ("2025-03-02T00…2025-03-02T23", 24, 24),
    ]
    assert not errors.blocks and [(c.hits, c.n) for c in slow.counts] == [(0, 24), (0, 24)]


def test_compared_errors_are_counted_for_both() -> None:
    """The candidate's and the champion's, of the same hours."""
    compared = no_worse("error_rate", margin=0.01, than="champion")
    (found,) = trial(compared, records=days(2, lambda i, y: {FALLBACK: 0.5, "r1": None}), until=T0 + 2 * DAY)
    assert [(c.hits, c.n) for c in (*found.counts, *found.against)] == [(24, 24), (24, 24), (0, 24), (0, 24)]
    assert found.comparator == FALLBACK


def test_compared_latencies_are_counts_by_edge_for_both() -> None:
    """From an edge that all answers exceed to one that none does: enough for any quantile, whatever the hours."""
    compared = no_worse("latency_p95_ms", margin=5, than="champion")
    took = {FALLBACK: 20.0, "r1": 60.0}
    records: list[Any] = []
    for record in days(8, knows("r1")):
        if isinstance(record, Event):
            record = replace(record, served=replace(record.served, latency_ms=took[record.served.release]))
        elif isinstance(record, Beside):
            record = replace(record, answers=tuple(replace(a, latency_ms=took[a.release]) for a in record.answers))
        records.append(record)
    (found,) = trial(compared, records=records, until=T0 + 8 * DAY)
    assert found.counts[0].hits == found.counts[0].n == 192 and found.counts[-1].hits == 0 and found.events == 192
    assert 60.0 <= float(found.counts[-1].name) <= 61.2 and 20.0 <= float(found.against[-1].name) <= 20.4
    convicted = find(found, Policy(), fail_alpha=0.05)
    assert convicted.ruling is Ruling.FAIL and convicted.estimate == pytest.approx(40.0, abs=1.5)


def test_what_is_not_there_yet_says_what_it_waits_for() -> None:
    """No block has closed: inconclusive by nature, with until when."""
    quality, errors = trial(NO_WORSE, ERRORS, records=[], until=T0 + HOUR)
    assert not quality.blocks and "labels may take 36 hours" in quality.waits_for
    assert not errors.counts and "no answers yet" in errors.waits_for


def test_only_what_was_asked_since_the_stage_began_counts() -> None:
    """Blocks that had begun before are not this rollout's."""
    (found,) = trial(NO_WORSE, records=days(6, knows("r1")), evidence_since=T0 + 2 * DAY + HOUR)
    assert [b.name for b in found.blocks] == ["2025-03-04", "2025-03-05"]


def test_a_canary_goes_on_with_the_shadows_blocks() -> None:
    """One sequence through both stages; the stage itself counts its own blocks."""
    d = in_stage(NO_WORSE, canary=True, since=T0 + 3 * DAY)
    seen = observer(days(6, knows("r1")), T0 + 6 * DAY).observe(d, T0 + 6 * DAY)
    assert seen.trial[0].source == "canary" and len(seen.trial[0].blocks) == 5 and seen.stage_blocks == 2


def test_slices_large_enough_are_judged_one_by_one() -> None:
    """The depot with a dozen questions is not judged, and blocks nothing."""
    records: Any = []
    for day in range(2):
        for i in range(220):
            name, depot = f"{day}-{i}", "north" if i < 204 else "small"
            records += asked(name, T0 + day * DAY, {FALLBACK: 0.5, "r1": 0.9}, depot=depot)
            records.append(told(name, 1.0, T0 + day * DAY))
    found = trial(replace(NO_WORSE, by="depot"), records=records, until=T0 + 2 * DAY)
    assert [e.slice for e in found] == ["depot=north"] and found[0].blocks[0].n == 204


def test_a_day_that_lacks_most_outcomes_does_not_end_a_stage() -> None:
    """It is handed over, for the verdict to leave out by name, but it is not counted as a block that spoke."""
    records = days(3, knows("r1")) + days(5, knows("r1"), labelled=0.4)[-2 * 24 * 2 :]
    d, until = in_stage(NO_WORSE), T0 + 9 * DAY
    seen = observer(records, until).observe(d, until)
    assert seen.stage_blocks == 3 < len(seen.trial[0].blocks)


def test_a_deadline_counts_blocks_and_days() -> None:
    """Twenty closed blocks, or as many days of silence: either way the stage has had its time."""
    d = in_stage(NO_WORSE)
    few = observer(days(3, knows("r1")), T0 + 5 * DAY)
    assert not few.observe(d, T0 + 5 * DAY).deadline_passed and few.observe(d, T0 + 40 * DAY).deadline_passed
    many = observer(days(32, knows("r1"), questions=2), T0 + 32 * DAY)
    assert many.observe(d, T0 + 32 * DAY).deadline_passed


KEEP = (ERRORS, no_worse("log_loss", margin=0.1, than="fallback"), no_worse("log_loss", margin=0.1, than="predecessor"))


def leased(until: Any = T0 + 20 * DAY, **changes: Any) -> tuple[Observation, Deployment]:
    d = live("r1", KEEP)
    assert d.lease is not None
    d = replace(d, lease=replace(d.lease, **changes))
    o = observer(days(20, knows("r1"), served="r1", questions=8), until, retrain=[at_most("calibration_error", 0.05)])
    return o.observe(d, until), d


def test_a_first_release_has_no_predecessor_to_be_compared_with() -> None:
    """The lease's other requirements are evidence, with the detectors' state from the last look."""
    seen, _ = leased(carry={"error_rate at most 0.05|all|": (1.0, 2.0)})
    errors, fallback = seen.keep
    assert errors.source == "live" and errors.carry == (1.0, 2.0)
    assert fallback.comparator == FALLBACK and len(fallback.blocks) == 19


def test_a_lease_is_judged_on_what_is_new() -> None:
    """Blocks and hours that a detector has seen do not come again."""
    seen, _ = leased(judged_until=(T0 + 17 * DAY).isoformat(), counted_until="2025-03-20T21")
    errors, fallback = seen.keep
    assert [b.name for b in fallback.blocks] == ["2025-03-19"]
    assert {c.name[:11] for c in errors.counts} <= {"2025-03-20T"}


def test_a_predecessor_that_is_good_is_the_comparator_and_a_rival() -> None:
    """It runs beside; the known bad one is neither."""

    def say(i: int, label: float) -> dict[str, float | None]:
        return {FALLBACK: 0.5, "r1": 0.8 if label else 0.2, "r0": 0.9 if label else 0.1, "bad": 0.99}

    d = replace(live("r1", KEEP), predecessors=("bad", "r0"), known_bad={"bad": "it was"})
    seen = observer(days(20, say, served="r1", questions=8), T0 + 20 * DAY).observe(d, T0 + 20 * DAY)
    assert [e.comparator for e in seen.keep] == ["", FALLBACK, "r0"]
    assert set(seen.rivals) == {"r0", FALLBACK}
    assert str(seen.rivals["r0"][0].requirement) == str(better("log_loss", than="champion"))
    assert len(seen.rivals["r0"][0].blocks) == RECENT_BLOCKS


def test_what_asks_for_retraining_is_measured_over_all_rows() -> None:
    """Calibration needs the rows together: blocks that leave each out, of the lease's last weeks."""
    seen, _ = leased()
    assert [e.requirement.metric for e in seen.retrain] == ["calibration_error"] and len(seen.retrain[0].blocks) > 10


def test_nothing_new_asks_for_nothing() -> None:
    """Rivals and retraining are measured when a block has closed, not at every pass."""
    seen, _ = leased(judged_until="9999")
    assert seen.rivals == {} and seen.retrain == ()


def test_a_provisional_lease_is_proved_when_its_labels_are_due() -> None:
    """On the rollout's own comparisons, from the rollout's beginning; not before."""
    proof = Proof(champion=FALLBACK, requires=(NO_WORSE, ERRORS), since=T0)
    due = T0 + 19 * DAY
    assert leased(proof=proof, provisional_until=due + 9 * DAY)[0].proof == ()
    (found,) = leased(proof=proof, provisional_until=due)[0].proof
    assert found.comparator == FALLBACK and len(found.blocks) == 19


@pytest.mark.parametrize(("others_fail", "shared"), [(True, frozenset({"error_rate"})), (False, frozenset())])
def test_what_everybody_fails_is_nobodys_fault(others_fail: bool, shared: frozenset[str]) -> None:
    """Errors of the candidate, while the live release has them on the same hours, too."""

    def say(i: int, label: float) -> dict[str, float | None]:
        return {FALLBACK: 0.5, "r1": None, "r0": None if others_fail else 0.7}

    lease = live("r0").lease
    d = replace(in_stage(ERRORS, champion="r0"), lease=lease)
    seen = observer(days(3, say, served="r0"), T0 + 3 * DAY).observe(d, T0 + 3 * DAY)
    assert seen.shared == shared


def test_skew_makes_every_piece_of_evidence_inadmissible() -> None:
    """Quality and machinery alike: what was gathered on wrong features shows nothing."""
    o = observer(days(6, knows("r1")), T0 + 6 * DAY)
    o.skew.watch({"r1"})
    o.skew._seen["r1"].problem = "offline/online skew in r1"
    seen = o.observe(in_stage(NO_WORSE, ERRORS, at_least("accuracy", 0.5)), T0 + 6 * DAY)
    assert all(e.problems == ("offline/online skew in r1",) for e in seen.trial) and len(seen.trial) == 3
