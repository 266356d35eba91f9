"""A requirement: a condition on one metric, as a person would say it.

Every requirement is brought to one form, ``x <= limit``, where ``x`` is the metric itself (``at_most``), its
negative (``at_least``), or the loss against a comparator, positive where we are worse (``no_worse``, ``better``).
"""

from __future__ import annotations

from typing import Literal

import msgspec

from plimsoll.errors import InvalidDeclaration, nearest
from plimsoll.stats.metrics import METRICS, Metric, called, installed, known_by_id

Kind = Literal["at_least", "at_most", "no_worse", "better"]
COMPARATORS = ("champion", "predecessor", "fallback")


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
    def sign(self) -> int:
        """What a value of the metric is multiplied by so that more is worse. Differences come oriented already."""
        return -1 if self.kind == "at_least" else 1

    def __str__(self) -> str:
        each = f" {'between any two' if self.definition.of == 'groups' else 'for each'} {self.by}" if self.by else ""
        metric = called(self.metric)
        if self.kind == "no_worse":
            return f"{metric} no worse than the {self.than} by {self.limit:g}{each}"
        if self.kind == "better":
            return f"{metric} better than the {self.than}{each}"
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


def better(metric: str | Metric, *, than: str, by: str | None = None) -> Requirement:
    """Superiority: better than the comparator by more than nothing."""
    return _made("better", metric, 0.0, than, by)


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
    if definition.counted and not 0 <= limit < 1:
        raise InvalidDeclaration(
            f"{kind}({metric!r}, {limit:g}): a share of the requests lies from 0 to below 1", hint="1 % is 0.01"
        )
    return Requirement(kind=kind, metric=definition.id, limit=float(limit), than=than, by=by)
