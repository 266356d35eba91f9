"""Metrics of what answers bring about: a rate, a mean, or a ratio of sums of the numbers that outcomes carry.

No score is in them, so they say nothing on recorded rows, which turned out as they did whoever is measured. They compare those
who were shown one release's answers with those who were shown another's (``stats.two_arms``), or watch a level. As with a
metric of one's own, the id has a digest of the definition.
"""

from __future__ import annotations

import math

from plimsoll.errors import InvalidDeclaration
from plimsoll.kernel.digest import digest, short
from plimsoll.stats.metric import ANY, BINARY, REGRESSION, Metric
from plimsoll.stats.metrics import METRICS

Range = tuple[float, float]
ANYTHING: Range = (-math.inf, math.inf)
LABEL = "label"


def outcome_rate(of: str = LABEL, *, higher_is_better: bool = True, name: str = "") -> Metric:
    """The share of outcomes in which ``of`` is 1: the label, or one of the outcome's values, each 0 or 1."""
    return _made(
        name or ("outcome_rate" if of == LABEL else f"{of}_rate"), "share", higher_is_better, (of,), ((0.0, 1.0),)
    )


def outcome_mean(
    of: str = LABEL, *, unit: str, higher_is_better: bool = True, between: Range | None = None, name: str = ""
) -> Metric:
    """The mean over outcomes of ``of``: the label of a regression, or one of the outcome's values. ``between``: the least and
    the most that one can be; without it, nothing is judged while outcomes are missing."""
    called = name or ("outcome_mean" if of == LABEL else f"{of}_mean")
    return _made(called, unit, higher_is_better, (of,), (_range(called, between),))


def outcome_ratio(
    numerator: str,
    denominator: str,
    *,
    unit: str,
    higher_is_better: bool = True,
    between: Range | None = None,
    denominator_between: Range | None = None,
    name: str = "",
) -> Metric:
    """Σ ``numerator`` / Σ ``denominator`` over outcomes (spent per order, clicks per view); the denominator is never below 0.
    The two ranges: what either can be in one outcome; without them, nothing is judged while outcomes are missing."""
    called = name or f"{numerator}_per_{denominator}"
    below = denominator_between or (0.0, math.inf)
    ranges = _range(called, between), _range(called, below)
    if below[0] < 0.0:
        raise InvalidDeclaration(f"metric {called!r}: denominator_between={below}: what is divided by counts something")
    return _made(called, unit, higher_is_better, (numerator, denominator), ranges)


def _made(name: str, unit: str, higher_is_better: bool, reads: tuple[str, ...], ranges: tuple[Range, ...]) -> Metric:
    if not name.isidentifier() or name in METRICS:
        raise InvalidDeclaration(f"metric {name!r}: the name must be a Python identifier that no metric of ours has")
    if not unit or not all(read.isidentifier() for read in reads):
        raise InvalidDeclaration(
            f"metric {name!r}: unit={unit!r} of {', '.join(map(repr, reads))}: an outcome's numbers are named by identifiers",
            hint='give a unit, such as "USD", and the names that outcomes are told with',
        )
    said = " per ".join(reads).replace("_", " ")
    mean = "share of outcomes with" if ranges[0] == (0.0, 1.0) and unit == "share" else "mean of"
    ratio = len(reads) == 2
    return Metric(
        name=name,
        unit=unit,
        higher_is_better=higher_is_better,
        operational=False,
        needs_label=True,
        tasks=_tasks(reads, unit),
        description=f"What came of it: {'' if ratio else mean + ' '}{said}.",
        version=short(digest([name, unit, higher_is_better, list(reads), [str(r) for r in ranges]])),
        bounds=ANYTHING if ratio else ranges[0],
        reads=reads,
        ranges=ranges,
    )


def _tasks(reads: tuple[str, ...], unit: str) -> tuple[str, ...]:
    """A label that is a class has no mean; one that is true or false has a rate."""
    if LABEL not in reads:
        return (ANY,)
    return (BINARY, REGRESSION) if unit == "share" or len(reads) == 2 else (REGRESSION,)


def _range(name: str, given: Range | None) -> Range:
    if given is None:
        return ANYTHING
    low, high = float(given[0]), float(given[1])
    if not low < high:
        raise InvalidDeclaration(f"metric {name!r}: between=({low:g}, {high:g}): the least comes before the most")
    return low, high
