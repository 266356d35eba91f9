"""A metric of a user's own: declared, measured and judged as ours; what is wrong with it is said."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

import msgspec
import numpy as np
import pytest

import plimsoll
from plimsoll.errors import InvalidDeclaration, UsageError
from plimsoll.evaluation import evidence, measure
from plimsoll.kernel.requirement import at_least, no_worse
from plimsoll.kernel.verdict import Evidence, Policy, Ruling, judge
from plimsoll.stats.metrics import METRICS, found, known_by_id
from plimsoll.testing import check_metric

NOW = datetime(2013, 2, 1, tzinfo=UTC)
CALLED = 0.5


@plimsoll.metric(unit="USD", higher_is_better=True, tasks=["binary"])
def profit(scores: Any, labels: Any) -> Any:
    """Mean profit of a question: a call costs 1 and brings 5 where it was right."""
    return np.where(scores >= CALLED, 5.0 * labels - 1.0, 0.0)


@plimsoll.metric(unit="USD", higher_is_better=True, tasks=["binary"], of_sums=lambda t: t[..., 0] / t[..., 1])
def profit_per_call(scores: Any, labels: Any) -> Any:
    """Profit of a call."""
    called = scores >= CALLED
    return np.stack([called * (5.0 * labels - 1.0), called], axis=-1)


@plimsoll.metric(unit="label's unit", higher_is_better=False, tasks=["regression"], whole=True)
def worst(scores: Any, labels: Any) -> Any:
    """The largest error."""
    return np.abs(scores - labels).max()


def own(**changes: Any) -> Any:
    return plimsoll.metric(**({"unit": "USD", "higher_is_better": True, "tasks": ["binary"]} | changes))


@pytest.mark.parametrize(
    "metric", [*(m for m in METRICS.values() if m.rows or m.whole), profit, profit_per_call, worst]
)
def test_ours_and_theirs_conform(metric: Any) -> None:
    """The kit that checks a user's metric checks ours."""
    check_metric(metric)


def test_it_is_judged_as_ours_are(days: Any) -> None:
    """By the gate, alone and against a comparator; the evidence carries the version, and the sentence does not."""
    asked = (at_least(profit, -1.0), no_worse(profit, margin=1.0, than="fallback"), at_least(profit_per_call, -1.0))
    seen = measure([profit, profit_per_call], **days().rows)
    pieces = evidence(seen, asked, release="r1", comparators={"fallback": "fallback"})
    verdict = judge(pieces, Policy(), NOW)
    assert verdict.ruling is Ruling.PASS
    assert verdict.findings[0].metric == f"profit@{profit.version}" and "profit at least -1:" in verdict.reasons[0]


def test_a_verdict_replays_without_the_code(days: Any) -> None:
    """From the stored evidence alone: what judging has to know is in the metric's id."""
    pieces = evidence(measure([profit], **days().rows), [at_least(profit, -1.0)], release="r1")
    stored = msgspec.json.decode(msgspec.json.encode(pieces), type=tuple[Evidence, ...])
    assert judge(stored, Policy(), NOW) == judge(pieces, Policy(), NOW)
    assert known_by_id("gone@0123456789ab").operational is False


def test_another_definition_is_another_metric(days: Any) -> None:
    """A changed constant, unit or line: evidence of one is refused where the other is required."""
    changed = _dearer()
    assert changed.name == profit.name and changed.id != profit.id
    with pytest.raises(UsageError, match="another definition"):
        evidence(measure([changed], **days().rows), [at_least(profit, 0.0)], release="r1")
    with pytest.raises(UsageError, match=f"required as its version {profit.version}"):
        found(profit.id, [changed])


def _dearer() -> Any:
    def profit(scores: Any, labels: Any) -> Any:
        """Mean profit of a question: a call costs 2."""
        return np.where(scores >= CALLED, 5.0 * labels - 2.0, 0.0)

    return own()(profit)


def test_the_version_is_the_definitions() -> None:
    """The same text has the same version, wherever it stands."""
    assert _dearer().id == _dearer().id


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "auc"}, "no metric of ours has"),
        ({"name": "a b"}, "identifier"),
        ({"unit": ""}, "unit"),
        ({"tasks": []}, "tasks"),
        ({"tasks": ["binray"]}, "no task 'binray'"),
        ({"whole": True, "of_sums": abs}, "one way"),
        ({"slope": 0.0}, "above 0"),
    ],
)
def test_what_cannot_be_a_metric_is_refused(changes: Any, said: str) -> None:
    """When it is declared."""

    def odd(scores: Any, labels: Any) -> Any:
        """Something."""

    with pytest.raises(InvalidDeclaration, match=said):
        own(**changes)(odd)


@pytest.mark.parametrize(
    ("does", "said"),
    [
        (lambda s, y: 1 / 0, "raised ZeroDivisionError"),
        (lambda s, y: s[:-1], "for 700 rows"),
        (lambda s, y: 1.0, "for 700 rows"),
        (lambda s, y: s / 0.0, "gave"),
        (lambda s, y: s * math.nan, "gave nan"),
    ],
)
def test_what_it_does_wrong_is_named(does: Any, said: str) -> None:
    """It raises, forgets rows, or has no number for one: never a NaN in a headline."""

    def odd(scores: Any, labels: Any) -> Any:
        """Something."""
        return does(scores, labels)

    p = np.full(700, 0.4)
    with pytest.raises(UsageError, match=f"the metric odd {said}|the metric odd gave .*{said}"):
        measure([own()(odd)], scores=p, labels=p.round(), blocks=np.repeat(range(7), 100))


def test_a_metric_of_nothing_has_no_headline() -> None:
    """A share of no calls is undefined: no value, no blocks, and the reason."""
    p = np.full(700, 0.1)
    seen = measure([profit_per_call], scores=p, labels=p.round(), blocks=np.repeat(range(7), 100)).measures[0]
    assert seen.value is None and not seen.blocks and "undefined" in seen.note


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_score_that_is_no_number_is_named(bad: float) -> None:
    """Before any metric sees it."""
    with pytest.raises(UsageError, match="not a finite number"):
        measure([profit], scores=[0.1, bad], labels=[0, 1], blocks=["a", "b"])


def test_the_kit_says_everything_that_is_wrong() -> None:
    """A direction the wrong way round, an order that matters, an infinite value, a slope that is too small."""

    def backwards(scores: Any, labels: Any) -> Any:
        """Error."""
        return np.abs(scores - labels)

    def first(scores: Any, labels: Any) -> Any:
        """The first row's."""
        return 1.0 - np.abs(scores[0] - labels[0])

    def steep(scores: Any, labels: Any) -> Any:
        """Error, three times."""
        return 3.0 * np.abs(scores - labels)

    with pytest.raises(AssertionError, match="higher is said to be better"):
        check_metric(own()(backwards))
    with pytest.raises(AssertionError, match="the order of rows"):
        check_metric(own(whole=True)(first))
    with pytest.raises(AssertionError, match="slope=1"):
        check_metric(own(tasks=["regression"], higher_is_better=False)(steep))
    check_metric(own(tasks=["regression"], higher_is_better=False, slope=3.0)(steep))
    with pytest.raises(AssertionError, match="counted on traffic"):
        check_metric(METRICS["error_rate"])


def test_an_installed_package_offers_metrics_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the entry points ``plimsoll.metrics``; a requirement may then name one, and keeps its version."""
    entry = metadata.EntryPoint("profit", f"{__name__}:profit", "plimsoll.metrics")
    monkeypatch.setattr(metadata, "entry_points", lambda **asked: [entry] if asked["name"] == "profit" else [])
    assert at_least("profit", 0.1).metric == profit.id
    with pytest.raises(InvalidDeclaration, match="no metric named"):
        at_least("loss", 0.1)
