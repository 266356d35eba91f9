"""Whatever is fed to the judge, at the gate and in a rollout: a clear verdict or a clear error, and never a headline without a
number in it.

Each case of bad input is one line of ``CASES``, with what comes of it at either place. Declarations that cannot be meant (a
margin of the wrong sign or unit, requirements that contradict each other, an unknown metric) are refused before anything is
judged; they stand at the end.
"""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Callable
from dataclasses import replace as changed
from datetime import timedelta
from typing import Any, NamedTuple

import numpy as np
import pytest
from msgspec.structs import replace

from operations.given import DAY, HOUR, T0, asked, parcels, told
from plimsoll.errors import InvalidDeclaration, PlimsollError, UsageError
from plimsoll.evaluation import evidence, measure
from plimsoll.kernel.columns import in_columns
from plimsoll.kernel.lifecycle import State
from plimsoll.kernel.records import FALLBACK, Answer, Beside, Record
from plimsoll.kernel.requirement import Requirement, at_least, at_most, better, no_worse
from plimsoll.kernel.rollout import Deployment, Live, Rollout, Shadow
from plimsoll.kernel.verdict import Policy, Verdict, judge
from plimsoll.models import PythonEngine
from plimsoll.operations.exposure import ExposureWatch
from plimsoll.operations.loop import terms_of
from plimsoll.operations.observe import Observer
from plimsoll.operations.skew import SkewWatch
from plimsoll.operations.tally import Tally
from plimsoll.own_metric import metric
from plimsoll.stats import weighted_mean

DAYS, A_DAY = 14, 60
LOSS, LEVEL = no_worse("log_loss", margin=0.05, than="champion"), at_most("brier", 0.3)


class Rows(NamedTuple):
    """One question a row: what the release said, what happened (NaN: never told), the day, and who asked."""

    scores: Any
    labels: Any
    day: Any
    depot: Any = None


def rows(scores: Any = None, labels: Any = None, *, days: int = DAYS, each: int = A_DAY, seed: int = 0) -> Rows:
    """An honest fortnight, with these scores or labels in place of its own."""
    rng, n = np.random.default_rng(seed), days * each
    chance = rng.random(n)
    honest = (rng.random(n) < chance) * 1.0
    return Rows(
        np.clip(chance, 0.01, 0.99)
        if scores is None
        else np.full(n, scores)
        if np.isscalar(scores)
        else scores(chance),
        honest if labels is None else np.full(n, labels) if np.isscalar(labels) else labels(honest),
        np.arange(n) // each,
    )


# ── the two places ───────────────────────────────────────────────────────────────────────────────────────────────────


def gate(given: Rows, *requires: Requirement) -> Verdict:
    """Measured and judged as a release's gate is."""
    found = measure(
        [r.metric for r in requires],
        scores=given.scores,
        labels=given.labels,
        blocks=[name_of(d) for d in given.day],
        comparators={"champion": np.full(len(given.labels), 0.5)},
        slices={} if given.depot is None else {"depot": given.depot},
    )
    pieces = evidence(found, requires, release="r1", comparators={"champion": FALLBACK})
    return judge(pieces, Policy(), T0)


def rollout(
    given: Rows, *requires: Requirement, again: Callable[[list[Record]], list[Record]] = list, known: Any = None
) -> Verdict:
    """Recorded, counted and judged as a shadow is; ``again``: what becomes of the records on their way; ``known``: the metrics of
    one's own that are there (default: those required)."""
    tally = Tally(task="binary", maturity=36 * HOUR, columns=["depot"])
    tally.metrics = OWN if known is None else known
    tally.read(in_columns(again(records_of(given))))
    until = T0 + (int(max(given.day, default=0)) + 3) * DAY
    tally.close(until)
    skew = SkewWatch(lambda *_: np.empty((0, 1), np.float32), lambda release: ["weight"])
    plan = (Shadow(blocks=7, requires=requires), Live())
    state = Rollout(
        release="r1", champion=FALLBACK, plan=plan, stage=0, state=State.SHADOW, started_at=T0, since=T0,
        evidence_since=T0,
    )  # fmt: skip
    seen = Observer(tally, skew, ExposureWatch(), terms_of(parcels()))
    found = seen.observe(Deployment(capability="late", rollout=state, states={"r1": State.SHADOW}), until).trial
    return judge(found, Policy(), until)


def records_of(given: Rows) -> list[Record]:
    found: list[Record] = []
    for i, (score, label, day) in enumerate(zip(given.scores, given.labels, given.day, strict=True)):
        at = T0 + int(day) * DAY + timedelta(seconds=i % 86_000)
        inputs = {} if given.depot is None else {"depot": str(given.depot[i])}
        found += asked(f"q{i}", at, {FALLBACK: 0.5, "r1": float(score)}, **inputs)
        if not math.isnan(label):
            found.append(told(f"q{i}", float(label), at + HOUR))
    return found


def name_of(day: int) -> str:
    return (T0 + int(day) * DAY).date().isoformat()


PLACES = {"gate": gate, "rollout": rollout}


def came(place: str, given: Rows, *requires: Requirement) -> str:
    """The ruling, or what kind of error; every number that is told is one, and every finding and error says why."""
    try:
        verdict = PLACES[place](given, *requires)
    except PlimsollError as error:
        assert len(error.message) > 20
        return type(error).__name__
    for f in verdict.findings:
        assert all(x is None or math.isfinite(x) for x in (f.estimate, f.low, f.high)), f
        assert len(f.reason) > 20 and "[nan" not in f.reason and "inf]" not in f.reason
    return verdict.ruling.value


# ── rows that nobody wished for ──────────────────────────────────────────────────────────────────────────────────────


def broken(value: float) -> Callable[[Any], Any]:
    """One answer in forty."""
    return lambda chance: np.where(np.arange(len(chance)) % 40 == 7, value, np.clip(chance, 0.01, 0.99))


def holes(honest: Any) -> Any:
    return np.where(np.arange(len(honest)) % 2 == 0, honest, math.nan)


CASES: dict[str, tuple[Callable[[], Rows], str, str]] = {
    "an honest fortnight": (rows, "pass", "pass"),
    "nothing at all": (lambda: rows(days=0), "UsageError", "inconclusive"),
    "one row": (lambda: rows(days=1, each=1), "inconclusive", "inconclusive"),
    "one block": (lambda: rows(days=1, each=900), "inconclusive", "inconclusive"),
    "one row a block": (lambda: rows(each=1), "inconclusive", "inconclusive"),
    "a constant answer": (lambda: rows(0.5), "pass", "pass"),
    "nothing but 0 and 1": (lambda: rows(np.round), "fail", "fail"),
    "an infinite answer": (lambda: rows(broken(math.inf)), "UsageError", "invalid"),
    "a probability of 1.5": (lambda: rows(broken(1.5)), "UsageError", "invalid"),
    "one class only": (lambda: rows(labels=0.0), "fail", "fail"),
    "no outcome ever": (lambda: rows(labels=math.nan), "inconclusive", "inconclusive"),
    "half of the outcomes": (lambda: rows(labels=holes), "inconclusive", "inconclusive"),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", CASES)
def test_rows_that_nobody_wished_for_have_a_clear_verdict(name: str, place: str) -> None:
    """Of a comparison and a level together."""
    make, at_gate, in_rollout = CASES[name]
    assert came(place, make(), LOSS, LEVEL) == (at_gate if place == "gate" else in_rollout)


def test_an_answer_that_is_no_number_is_an_error_and_is_counted_as_one() -> None:
    """The gate names its row. In a rollout the engine refuses it, so what is recorded is an error: the rest may be as good as it
    will, the error rate tells."""
    nothing = rows(broken(math.nan))
    with pytest.raises(UsageError, match="row 7 has the score nan"):
        gate(nothing, LOSS)
    engine = PythonEngine(lambda columns: [math.nan] * len(columns["x"]), task="binary")
    with pytest.raises(PlimsollError):
        engine.predict({"x": np.zeros(3)})

    def refused(found: list[Record]) -> list[Record]:
        return [replace(r, answers=tuple(map(error, r.answers))) if isinstance(r, Beside) else r for r in found]

    def error(a: Answer) -> Answer:
        return replace(a, score=None, error="it raised") if a.score is not None and math.isnan(a.score) else a

    verdict = rollout(nothing, LOSS, at_most("error_rate", 0.005), again=refused)
    assert [f.ruling.value for f in verdict.findings] == ["pass", "fail"] and verdict.ruling.value == "fail"


# ── ids and labels ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_question_that_is_recorded_twice_is_one_question() -> None:
    """And its outcome is one outcome: the verdict is to the digit that of the records as they were."""
    once = rollout(rows(), LOSS, LEVEL)
    assert rollout(rows(), LOSS, LEVEL, again=lambda found: [r for r in found for _ in range(2)]) == once


def test_a_label_that_changes_its_mind_was_told_once() -> None:
    """The first outcome counts; what is told later changes no verdict that was given on it."""

    def contradicted(found: list[Record]) -> list[Record]:
        outcomes = [r for r in found if hasattr(r, "label")]
        return [*found, *(replace(o, label=1.0 - o.label, at=o.at + HOUR) for o in outcomes)]

    assert rollout(rows(), LOSS, LEVEL, again=contradicted) == rollout(rows(), LOSS, LEVEL)


def test_an_outcome_without_its_question_changes_nothing() -> None:
    """Somebody else's, or one whose event was lost."""

    def strangers(found: list[Record]) -> list[Record]:
        return [*found, *(told(f"nobody-{i}", 1.0, T0 + 2 * HOUR) for i in range(50))]

    assert rollout(rows(), LOSS, again=strangers) == rollout(rows(), LOSS)


def test_one_unit_that_asks_everything_is_as_many_days_as_it_asked_on() -> None:
    """Days are what is counted: one customer's fortnight has fourteen, whoever asked."""

    def of_one(found: list[Record]) -> list[Record]:
        return [replace(r, unit="u") if hasattr(r, "unit") else r for r in found]

    assert rollout(rows(), LOSS, again=of_one) == rollout(rows(), LOSS)


# ── weights, metrics, slices ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("weights", [[0.0] * 40, [math.nan] * 40, [-1.0] * 40, [math.inf] * 40])
def test_weights_that_weigh_nothing_are_no_mean(weights: list[float]) -> None:
    """Nought, negative or no number: an error that names the weights, or an interval that says what is wrong."""
    try:
        found = weighted_mean(np.ones(40), np.array(weights), np.arange(40) // 4)
    except UsageError as error:
        assert "weight" in error.message
    else:
        assert found.problem or math.isinf(found.high)


@metric(unit="share", higher_is_better=False, tasks=["binary"])
def explodes(scores: Any, labels: Any) -> Any:
    """Fails on whatever it is given."""
    raise ZeroDivisionError("division by zero")


@metric(unit="share", higher_is_better=False, tasks=["binary"])
def vanishes(scores: Any, labels: Any) -> Any:
    """Has no number for any row."""
    return np.full(len(scores), math.nan)


@metric(unit="share", higher_is_better=False, tasks=["binary"])
def gap(scores: Any, labels: Any) -> Any:
    """Mean distance between what was said and what happened."""
    return np.abs(scores - labels)


OWN = (explodes, vanishes, gap)


@pytest.mark.parametrize("own", [explodes, vanishes], ids=["raises", "no number"])
@pytest.mark.parametrize("place", PLACES)
def test_a_metric_that_fails_passes_nobody(own: Any, place: str) -> None:
    """A measuring error is an error that names the metric, or invalid evidence: never a pass."""
    assert came(place, rows(), at_most(own, 0.5)) not in ("pass", "fail")


@pytest.mark.parametrize("place", PLACES)
def test_a_slice_of_three_rows_blocks_nobody(place: str) -> None:
    """It is pooled with the other small ones, and nothing is judged by it."""
    n = DAYS * A_DAY
    given = rows()._replace(depot=np.where(np.arange(n) % 300 == 0, "tiny", "large"))
    verdict = PLACES[place](given, at_most("brier", 0.3, by="depot"))
    assert {f.slice for f in verdict.findings} == {"depot=large"} and verdict.ruling.value == "pass"


def test_a_million_slices_are_one_that_nobody_judges() -> None:
    """Pooled, counted, in bounded memory: 280 MB for a million rows of a value each, in four seconds of one processor."""
    n = 1_000_000
    given = {"scores": np.full(n, 0.5), "labels": np.arange(n) % 2 * 1.0, "blocks": np.arange(n) // 50_000}
    tracemalloc.start()
    found = measure(["brier"], **given, slices={"user": np.arange(n).astype(str)})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [m.slice for m in found.measures] == ["all", "user=other"]
    assert "1,000,000 values of user with fewer than 200" in found.measures[1].note
    assert peak < 700e6, f"{peak / 1e6:.0f} MB"


@pytest.mark.parametrize("place", PLACES)
def test_evidence_of_another_version_of_a_metric_is_none(place: str) -> None:
    """What was measured by another definition says nothing about the required one."""
    required, measured = at_most(gap, 0.5), changed(gap, version="0123456789ab")
    if place == "gate":
        given = rows()
        found = measure([measured], scores=given.scores, labels=given.labels, blocks=given.day)
        with pytest.raises(UsageError, match="another definition"):
            evidence(found, [required], release="r1")
    else:
        (finding,) = rollout(rows(), required, known=(measured,)).findings
        assert finding.ruling.value == "invalid" and "0123456789ab" in finding.reason


# ── declarations that cannot be meant ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: at_least("sharpness", 0.6), "sharpness"),
        (lambda: at_least("aucc", 0.6), "aucc"),
        (lambda: no_worse("log_loss", margin=-0.01, than="champion"), "margin"),
        (lambda: no_worse("log_loss", margin=0.0, than="champion"), "margin"),
        (lambda: better("log_loss", margin=-0.01, than="champion"), "margin"),
        (lambda: at_least("auc", 60), "60"),
        (lambda: at_most("error_rate", 5), "5"),
        (lambda: at_most("log_loss", -0.3), "from 0 on"),
        (lambda: no_worse("auc", margin=2.0, than="champion"), "2"),
        (lambda: at_most("brier", math.nan), "nan"),
        (lambda: at_most("brier", math.inf), "inf"),
        (lambda: parcels(gate=[at_least("auc", 0.8), at_most("auc", 0.6)]), "no value is both"),
    ],
)
def test_what_cannot_be_meant_is_refused_when_it_is_declared(make: Callable[[], Any], said: str) -> None:
    """An unknown name, a margin of the wrong sign or unit, requirements that no release could meet: with what to write."""
    with pytest.raises((InvalidDeclaration, UsageError), match=said):
        make()
