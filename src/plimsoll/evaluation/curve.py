"""Curves for people: ROC, precision over recall, reliability, how scores and errors are distributed, and how far they
moved. Thinned for drawing; nothing is judged by them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from plimsoll.stats.interval import exact_rate

Floats = NDArray[np.float64]
RELEASE = "this release"
_POINTS = 120
_BINS = 10
_BARS = 40
_FEW = 20


class Roc(msgspec.Struct, frozen=True):
    """One scorer's trade-off: ``false_alarms`` and ``found`` are shares of the negatives and of the positives."""

    who: str
    false_alarms: tuple[float, ...]
    found: tuple[float, ...]


class Precision(msgspec.Struct, frozen=True):
    """Of what is called so, the share that ``right``ly is, when the share ``found`` of the positives is found."""

    who: str
    found: tuple[float, ...]
    right: tuple[float, ...]


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


class Shift(msgspec.Struct, frozen=True, kw_only=True):
    """How the answers moved against ``who``, over all rows, labelled or not: the mean size of a move (binary: of P;
    multiclass: total variation; regression: label's unit), and the share of rows whose answer is another class now."""

    who: str
    mean_size: float
    other_class: float | None
    bars: tuple[Bar, ...]


class Curves(msgspec.Struct, frozen=True, kw_only=True):
    """Every curve of an evaluation; empty where a task has none."""

    roc: tuple[Roc, ...] = ()
    precision: tuple[Precision, ...] = ()
    shift: tuple[Shift, ...] = ()
    reliability: tuple[Reliability, ...] = ()
    bars: tuple[Bar, ...] = ()


def curves(task: str, scores: Floats, labels: Floats, comparators: Mapping[str, Floats]) -> Curves:
    """The curves of a release and its comparators on the labelled rows. Multiclass is shown by its likeliest class."""
    if task == "ranking":  # a score has no unit: what there is to see is the order, and metrics tell of that
        return Curves()
    shift = tuple(_shift(task, who, scores, other) for who, other in _different(comparators))
    known = ~np.isnan(labels)
    if not known.any():
        return Curves(shift=shift)
    y = labels[known]
    all_scores = {RELEASE: scores[known], **{name: c[known] for name, c in comparators.items()}}
    if task == "regression":
        return Curves(reliability=_each(all_scores, y, _deciles), bars=_errors(scores[known] - y), shift=shift)
    if task == "multiclass":
        sure = {who: s.max(axis=1) for who, s in all_scores.items()}
        right = {who: (s.argmax(axis=1) == y).astype(np.float64) for who, s in all_scores.items()}
        made = tuple(r for who in sure for r in _rates(who, sure[who], right[who]))
        return Curves(
            reliability=made, bars=_by_outcome(sure[RELEASE], right[RELEASE], ("wrong", "right")), shift=shift
        )
    called = {who: _called(s, y) for who, s in all_scores.items()} if 0 < y.sum() < len(y) else {}
    return Curves(
        roc=tuple(_roc(who, *found) for who, found in called.items()),
        precision=tuple(_precision(who, *found) for who, found in called.items()),
        shift=shift,
        reliability=_each(all_scores, y, _rates),
        bars=_by_outcome(scores[known], y, ("did not happen", "happened")),
    )


def _different(comparators: Mapping[str, Floats]) -> Iterator[tuple[str, Floats]]:
    """Once each: until there is a champion, the fallback stands in for it."""
    seen: list[Floats] = []
    for who, scores in comparators.items():
        if not any(np.array_equal(scores, other) for other in seen):
            seen.append(scores)
            yield who, scores


def _each(scores: Mapping[str, Floats], labels: Floats, make: object) -> tuple[Reliability, ...]:
    return tuple(r for who, s in scores.items() for r in make(who, s, labels))  # type: ignore[operator]


def _roc(who: str, hits: Floats, called: Floats) -> Roc:
    alarms = called - hits
    return Roc(who, (0.0, *_thinned(alarms / alarms[-1])), (0.0, *_thinned(hits / hits[-1])))


def _precision(who: str, hits: Floats, called: Floats) -> Precision:
    """Without the first few rows, whose precision is a coin's."""
    enough = (called >= min(_FEW, called[-1])).nonzero()[0]
    return Precision(who, tuple(_thinned((hits / hits[-1])[enough])), tuple(_thinned((hits / called)[enough])))


def _called(scores: Floats, labels: Floats) -> tuple[Floats, Floats]:
    """(rightly called, called), for each threshold from the highest score down; ties are one point."""
    order = np.argsort(scores)[::-1]
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    return np.cumsum(labels[order])[ends], (ends + 1).astype(np.float64)


def _thinned(values: Floats) -> list[float]:
    keep = np.unique(np.linspace(0, len(values) - 1, min(_POINTS, len(values))).astype(np.int64))
    return _short(values[keep])


def _shift(task: str, who: str, scores: Floats, other: Floats) -> Shift:
    if task == "multiclass":
        moves = 0.5 * np.abs(scores - other).sum(axis=1)  # total variation
        changed = float((scores.argmax(axis=1) != other.argmax(axis=1)).mean())
        edges = np.linspace(0.0, 1.0, _BARS + 1)
    else:
        moves = scores - other
        changed = float(((scores >= 0.5) != (other >= 0.5)).mean())
        low, high = np.quantile(moves, [0.001, 0.999])
        edges = np.linspace(low, high if high > low else low + 1.0, _BARS + 1)
    bars = tuple(_histogram(np.clip(moves, edges[0], edges[-1]), edges, f"against the {who}"))
    size, share = _short([np.abs(moves).mean(), changed])
    return Shift(who=who, mean_size=size, other_class=None if task == "regression" else share, bars=bars)


def _rates(who: str, scores: Floats, labels: Floats) -> list[Reliability]:
    """Bins of equal width over [0, 1], as calibration error has them, but ten."""
    bins = np.clip((scores * _BINS).astype(np.int64), 0, _BINS - 1)
    rows, stated, right = (np.bincount(bins, weights=w, minlength=_BINS) for w in (None, scores, labels))
    made: list[Reliability] = []
    for b in np.flatnonzero(rows):
        n, hits = int(rows[b]), int(right[b])
        bound = exact_rate(hits, n, alpha_low=0.025, alpha_high=0.025)
        said, happened, low, high = _short([stated[b] / n, hits / n, bound.low, bound.high])
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
