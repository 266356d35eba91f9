"""A requirement: a condition on one metric, as a person would say it.

Every requirement is brought to one form, ``x <= limit``, where ``x`` is the metric itself (``at_most``), its
negative (``at_least``), or the loss against a comparator, positive where we are worse (``no_worse``, ``better``).
``equivalent`` asks for both sides of that loss: not worse and not better by as much as its limit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Literal

import msgspec

from plimsoll.errors import InvalidDeclaration, nearest
from plimsoll.stats.metrics import METRICS, Metric, called, installed, known_by_id

Kind = Literal["at_least", "at_most", "no_worse", "better", "equivalent"]
COMPARATORS = ("champion", "predecessor", "fallback")
UNTROUBLED = "untroubled answers"
"""The release itself, whose inputs are in no trouble: whom a tolerance is measured against."""


class Requirement(msgspec.Struct, frozen=True, kw_only=True):
    """``kind`` of ``metric`` (its id) against ``limit``; ``than`` a comparator where it compares; ``by`` a column to slice by."""

    kind: Kind
    metric: str
    limit: float
    than: str | None = None
    by: str | None = None

    @property
    def definition(self) -> Metric:
        """What judging has to know of the metric. How it is measured is its capability's to say."""
        return known_by_id(self.metric)

    @property
    def compares(self) -> bool:
        return self.than is not None

    @property
    def operational(self) -> bool:
        """About the machinery (errors, latency), not about being right: judged at once, never re-scored."""
        return self.definition.operational

    @property
    def by_hour(self) -> bool:
        """Judged on counts of hours, as they come; else on closed blocks."""
        return self.definition.by_hour

    @property
    def compares_quantiles(self) -> bool:
        """Judged on how many answers took longer than each edge of a grid (``stats.two_quantiles``)."""
        return self.compares and self.definition.quantile is not None

    @property
    def sign(self) -> int:
        """What a value of the metric is multiplied by so that more is worse. Differences come oriented already."""
        return -1 if self.kind == "at_least" else 1

    def __str__(self) -> str:
        each = f" {'between any two' if self.definition.of == 'groups' else 'for each'} {self.by}" if self.by else ""
        metric = called(self.metric)
        if self.kind == "no_worse":
            return f"{metric} no worse than the {self.than} by {self.limit:g}{each}"
        if self.kind == "better":
            margin = f" by {-self.limit:g}" if self.limit else ""
            return f"{metric} better than the {self.than}{margin}{each}"
        if self.kind == "equivalent":
            return f"{metric} equivalent to the {self.than} within {self.limit:g}{each}"
        return f"{metric} {self.kind.replace('_', ' ')} {self.limit:g}{each}"


def at_least(metric: str | Metric, threshold: float, *, by: str | None = None) -> Requirement:
    """The metric must be at least ``threshold`` (in the metric's unit)."""
    return _made("at_least", metric, threshold, None, by)


def at_most(metric: str | Metric, threshold: float, *, by: str | None = None) -> Requirement:
    """The metric must be at most ``threshold`` (in the metric's unit)."""
    return _made("at_most", metric, threshold, None, by)


def no_worse(metric: str | Metric, *, margin: float, than: str, by: str | None = None) -> Requirement:
    """Non-inferiority: worse than the comparator by less than ``margin``, in the metric's unit and ``> 0``."""
    if not margin > 0:
        raise InvalidDeclaration(
            f"no_worse({_name(metric)!r}, margin={margin:g}): the margin is how much worse is still acceptable",
            hint="give a margin above zero, or use better(…) to ask for an improvement",
        )
    return _made("no_worse", metric, margin, than, by)


def better(metric: str | Metric, *, than: str, margin: float = 0.0, by: str | None = None) -> Requirement:
    """Superiority: better than the comparator by more than ``margin`` (in the metric's unit, 0 or above)."""
    if not margin >= 0:
        raise InvalidDeclaration(
            f"better({_name(metric)!r}, margin={margin:g}): the margin is by how much it has to be better",
            hint="give 0 or more, or use no_worse(…) to allow for a loss",
        )
    return _made("better", metric, -margin if margin else 0.0, than, by)


def equivalent(metric: str | Metric, *, margin: float, than: str, by: str | None = None) -> Requirement:
    """Equivalence: neither worse nor better than the comparator by ``margin`` (in the metric's unit, ``> 0``).

    Two one-sided tests, each at the full level (Schuirmann 1987, *J. Pharmacokin. Biopharm.* 15:657).
    """
    if not margin > 0:
        raise InvalidDeclaration(
            f"equivalent({_name(metric)!r}, margin={margin:g}): the margin is how far apart the two may be",
            hint="give a margin above zero; nothing can be shown to be exactly equal",
        )
    return _made("equivalent", metric, margin, than, by)


def contradictions(requirements: Sequence[Requirement]) -> list[str]:
    """What cannot hold together, in words: a level that has to be above and below, a gain asked for and forbidden."""
    return [
        said for a, b in combinations(requirements, 2) for said in (_contradiction(a, b), _contradiction(b, a)) if said
    ]


def _contradiction(a: Requirement, b: Requirement) -> str:
    if (a.metric, a.than, a.by) != (b.metric, b.than, b.by):
        return ""
    if (a.kind, b.kind) == ("at_least", "at_most") and a.limit > b.limit:
        return f"{a}, and {b}: no value is both"
    if (a.kind, b.kind) == ("better", "equivalent") and -a.limit >= b.limit:
        return f"{a}, and {b}: what is that much better is not equivalent"
    return ""


def _name(metric: str | Metric) -> str:
    return metric if isinstance(metric, str) else metric.name


def _made(kind: Kind, given: str | Metric, limit: float, than: str | None, by: str | None) -> Requirement:
    metric = _name(given)
    definition = METRICS.get(given) or installed(given) if isinstance(given, str) else given
    if definition is None:
        raise InvalidDeclaration(
            f"{kind}({metric!r}, …): there is no metric named {metric!r}", hint=nearest(metric, METRICS)
        )
    if than is not None and than not in COMPARATORS:
        raise InvalidDeclaration(
            f"{kind}({metric!r}, than={than!r}): a comparator is one of {', '.join(COMPARATORS)}",
            hint=nearest(than, COMPARATORS),
        )
    if limit != limit or limit in (float("inf"), float("-inf")):
        raise InvalidDeclaration(f"{kind}({metric!r}, {limit}): the limit must be a finite number")
    if definition.counted and not (0 <= limit < 1 or (kind == "better" and limit > -1)):
        raise InvalidDeclaration(
            f"{kind}({metric!r}, {limit:g}): a share of the requests lies from 0 to below 1", hint="1 % is 0.01"
        )
    _check_unit(kind, definition, limit, compares=than is not None)
    return Requirement(kind=kind, metric=definition.id, limit=float(limit), than=than, by=by)


def _check_unit(kind: Kind, metric: Metric, limit: float, *, compares: bool) -> None:
    """A limit that the metric cannot reach is in another unit, or has the wrong sign."""
    low, high = metric.bounds
    hint = "1 % is 0.01" if metric.bounds == (0.0, 1.0) else f"its unit: {metric.unit}"
    if compares and abs(limit) >= high - low:
        said = f"the margin is {abs(limit):g}, and two values of it differ by less than {high - low:g}"
        raise InvalidDeclaration(f"{kind}({metric.name!r}, …): {said}", hint=hint)
    if not compares and not low <= limit <= high:
        upwards = f"from {low:g} on" if math.isinf(high) else f"{low:g} to {high:g}"
        ends = f"at most {high:g}" if math.isinf(low) else upwards
        raise InvalidDeclaration(f"{kind}({metric.name!r}, {limit:g}): {metric.name} is {ends}", hint=hint)
