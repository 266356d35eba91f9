"""Curves for people: ROC, reliability, how scores and errors are distributed. Thinned for drawing; nothing is judged
by them."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from plimsoll.stats.interval import exact_rate

Floats = NDArray[np.float64]
RELEASE = "this release"
_POINTS = 120
_BINS = 10
_BARS = 40


class Roc(msgspec.Struct, frozen=True):
    """One scorer's trade-off: ``false_alarms`` and ``found`` are shares of the negatives and of the positives."""

    who: str
    false_alarms: tuple[float, ...]
    found: tuple[float, ...]


class Reliability(msgspec.Struct, frozen=True):
    """One bin of scores: what was said on average, what happened, with a 95 % interval (exact, rows taken as
    independent: for the eye). Regression: mean label instead of a rate, without an interval."""

    who: str
    said: float
    happened: float
    low: float
    high: float
    n: int


class Bar(msgspec.Struct, frozen=True):
    """Rows between two edges: scores by what happened, or (regression) errors."""

    start: float
    end: float
    kind: str
    n: int


class Curves(msgspec.Struct, frozen=True, kw_only=True):
    """Every curve of an evaluation; empty where a task has none."""

    roc: tuple[Roc, ...] = ()
    reliability: tuple[Reliability, ...] = ()
    bars: tuple[Bar, ...] = ()


def curves(task: str, scores: Floats, labels: Floats, comparators: Mapping[str, Floats]) -> Curves:
    """The curves of a release and its comparators on the labelled rows. Multiclass is shown by its likeliest class."""
    known = ~np.isnan(labels)
    if not known.any():
        return Curves()
    y = labels[known]
    all_scores = {RELEASE: scores[known], **{name: c[known] for name, c in comparators.items()}}
    if task == "regression":
        return Curves(reliability=_each(all_scores, y, _deciles), bars=_errors(scores[known] - y))
    if task == "multiclass":
        sure = {who: s.max(axis=1) for who, s in all_scores.items()}
        right = {who: (s.argmax(axis=1) == y).astype(np.float64) for who, s in all_scores.items()}
        made = tuple(r for who in sure for r in _rates(who, sure[who], right[who]))
        return Curves(reliability=made, bars=_by_outcome(sure[RELEASE], right[RELEASE], ("wrong", "right")))
    return Curves(
        roc=tuple(_roc(who, s, y) for who, s in all_scores.items() if 0 < y.sum() < len(y)),
        reliability=_each(all_scores, y, _rates),
        bars=_by_outcome(scores[known], y, ("did not happen", "happened")),
    )


def _each(scores: Mapping[str, Floats], labels: Floats, make: object) -> tuple[Reliability, ...]:
    return tuple(r for who, s in scores.items() for r in make(who, s, labels))  # type: ignore[operator]


def _roc(who: str, scores: Floats, labels: Floats) -> Roc:
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)  # ties are one point
    found = np.cumsum(labels[order])[ends] / labels.sum()
    alarms = np.cumsum(1 - labels[order])[ends] / (1 - labels).sum()
    keep = np.unique(np.linspace(0, len(ends) - 1, min(_POINTS, len(ends))).astype(np.int64))
    return Roc(who, (0.0, *_short(alarms[keep])), (0.0, *_short(found[keep])))


def _rates(who: str, scores: Floats, labels: Floats) -> list[Reliability]:
    """Bins of equal width over [0, 1], as calibration error has them, but ten."""
    bins = np.clip((scores * _BINS).astype(np.int64), 0, _BINS - 1)
    made: list[Reliability] = []
    for b in np.unique(bins):
        inside = bins == b
        n, hits = int(inside.sum()), int(labels[inside].sum())
        bound = exact_rate(hits, n, alpha_low=0.025, alpha_high=0.025)
        said, happened, low, high = _short([scores[inside].mean(), hits / n, bound.low, bound.high])
        made.append(Reliability(who, said, happened, low, high, n))
    return made


def _deciles(who: str, scores: Floats, labels: Floats) -> list[Reliability]:
    made: list[Reliability] = []
    for part in np.array_split(np.argsort(scores, kind="stable"), min(_BINS, len(scores))):
        said, happened = _short([scores[part].mean(), labels[part].mean()])
        made.append(Reliability(who, said, happened, happened, happened, len(part)))
    return made


def _by_outcome(scores: Floats, labels: Floats, kinds: tuple[str, str]) -> tuple[Bar, ...]:
    edges = np.linspace(0.0, 1.0, _BARS + 1)
    return tuple(bar for place, kind in enumerate(kinds) for bar in _histogram(scores[labels == place], edges, kind))


def _errors(errors: Floats) -> tuple[Bar, ...]:
    low, high = np.quantile(errors, [0.005, 0.995])  # the tails would leave the middle in one bar
    edges = np.linspace(low, high if high > low else low + 1.0, _BARS + 1)
    return tuple(_histogram(np.clip(errors, edges[0], edges[-1]), edges, "predicted − happened"))


def _histogram(values: Floats, edges: Floats, kind: str) -> list[Bar]:
    counts, _ = np.histogram(values, bins=edges)
    at = _short(edges)
    return [Bar(a, b, kind, int(n)) for a, b, n in zip(at, at[1:], counts, strict=False)]


def _short(values: object) -> list[float]:
    """Six digits: enough to draw by."""
    return [float(f"{v:.6g}") for v in np.asarray(values, dtype=np.float64)]
