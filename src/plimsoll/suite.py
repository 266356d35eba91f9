"""What a release is asked beside its metrics: behaviours that its answers must have, whatever the outcome was.

After CheckList (Ribeiro, Wu, Guestrin & Singh 2020, *Beyond accuracy*, ACL): a change that must not matter
(``invariance``), one whose direction is known (``directional``), and cases so plain that any release must get them
right (``minimum``). Each runs through the real features and the real model on the gate's rows, and is part of the
gate: ``fails`` is the share of the rows that may fail.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import msgspec

from plimsoll.errors import InvalidDeclaration, nearest
from plimsoll.features.source import source_digest
from plimsoll.kernel.digest import digest
from plimsoll.kernel.requirement import UNTROUBLED, Requirement, no_worse
from plimsoll.stats.metric import Metric

Rows = Mapping[str, Any]
"""The gate's rows by name: the question's columns, and the features that are no column."""
New = Any
"""A constant, or a function of the rows that gives one value a row."""
Kind = Literal["invariance", "directional", "minimum"]
Trouble = Literal["missing", "noisy", "swapped", "unseen", "mistyped"]
"""What can befall an input: null; noise; another row's value; a text that training never saw; one letter wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """``change``: a column of the question, or a feature → what it becomes. ``where``: which rows are asked (a function of
    them that gives one truth value a row; default: all). ``fails``: the share of them that may fail.

    An answer is a probability, or a regression's value; of more than two classes it is that of ``of_class``, and an
    invariance looks at all of them (total variation).
    """

    name: str
    kind: Kind
    change: Mapping[str, New] = field(default_factory=dict)
    where: Callable[[Rows], Any] | None = None
    fails: float = 0.01
    within: float = 0.0
    goes: Literal["", "up", "down"] = ""
    between: tuple[float, float] = (-math.inf, math.inf)
    of_class: str = ""

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise InvalidDeclaration(f"{self.kind}: a behaviour has a name that says what must be so")
        if not 0.0 <= self.fails < 1.0:
            raise InvalidDeclaration(f"{self}: fails={self.fails:g} is a share of the rows, from 0 to below 1")
        if not 0.0 <= self.within < math.inf:
            raise InvalidDeclaration(f"{self}: within={self.within:g}: how far an answer may move is not below 0")
        if not self.change and self.kind != "minimum":
            raise InvalidDeclaration(f"{self}: nothing is changed", hint='give change={"a column or a feature": …}')

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r}"

    @property
    def requirement(self) -> Requirement:
        """What the gate asks of it. Where no row may fail, the rows are all there is to know: no interval is due."""
        metric = "failing_rows" if self.fails else "failing_cases"
        return Requirement(kind="at_most", metric=metric, limit=float(self.fails))

    @property
    def digest(self) -> str:
        """Of all that it asks; other code asks something else."""
        asked = [
            self.kind,
            self.name,
            self.fails,
            self.within,
            self.goes,
            [str(b) for b in self.between],
            self.of_class,
        ]
        change = {name: source_digest(new) if callable(new) else repr(new) for name, new in self.change.items()}
        return digest([asked, change, source_digest(self.where) if self.where else ""])


@dataclass(frozen=True, slots=True, kw_only=True)
class Trusted:
    """A feature (``name``) that knows the outcome almost by itself, and may: ``because`` says why."""

    name: str
    because: str

    @property
    def digest(self) -> str:
        return digest([self.name, self.because])


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """Labelled cases that a release has to get right (``golden``); ``rows``: a file in the capability's folder."""

    name: str
    rows: str
    fails: float = 0.0
    within: float = 0.0

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise InvalidDeclaration("golden: a golden set has a name that says what its cases are")
        if not 0.0 <= self.fails < 1.0:
            raise InvalidDeclaration(f"{self}: fails={self.fails:g} is a share of the cases, from 0 to below 1")
        if not 0.0 <= self.within < math.inf:
            raise InvalidDeclaration(f"{self}: within={self.within:g}: how far off an answer may be is not below 0")

    def __str__(self) -> str:
        return f"golden {self.name!r}"

    @property
    def requirement(self) -> Requirement:
        """Every case is looked at: there is no interval."""
        return Requirement(kind="at_most", metric="failing_cases", limit=float(self.fails))

    @property
    def digest(self) -> str:
        """Of what is asked; which cases are asked is a snapshot's digest."""
        return digest(["golden", self.name, self.fails, self.within])


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """What a release has to stand: ``of``, a column of the question or a feature view, in ``trouble`` in a share ``rate`` of
    the rows (noise: of ``spread`` times its own standard deviation), loses no more than ``margin`` of ``metric``."""

    name: str
    of: str
    trouble: Trouble
    rate: float
    spread: float
    requirement: Requirement

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise InvalidDeclaration("tolerates: a tolerance has a name that says what must be stood")
        if self.trouble not in get_args(Trouble):
            raise InvalidDeclaration(f"{self}: trouble={self.trouble!r}", hint=nearest(self.trouble, get_args(Trouble)))
        if not 0.0 < self.rate <= 1.0:
            raise InvalidDeclaration(f"{self}: rate={self.rate:g} is a share of the rows, above 0 and up to 1")
        if (self.trouble == "noisy") != (self.spread > 0.0) or not self.spread < math.inf:
            raise InvalidDeclaration(
                f"{self}: spread={self.spread:g}: how wide noise is, and nothing else",
                hint='give spread=… (in standard deviations of the input) with trouble="noisy"',
            )

    def __str__(self) -> str:
        return f"tolerance {self.name!r}"

    @property
    def digest(self) -> str:
        asked = [self.name, self.of, self.trouble, self.rate, self.spread]
        return digest(["tolerates", asked, self.requirement.metric, self.requirement.limit])


def tolerates(
    name: str,
    *,
    of: str,
    trouble: Trouble = "missing",
    rate: float = 0.1,
    spread: float = 0.0,
    metric: str | Metric,
    margin: float,
) -> Tolerance:
    """With ``of`` (a column of the question, or a feature view) in ``trouble`` in a share ``rate`` of the gate's rows, the
    release's own answers become worse by less than ``margin`` of ``metric``, paired row by row."""
    asked = no_worse(metric, margin=margin, than="champion")  # the margin is checked as any other
    requirement = msgspec.structs.replace(asked, than=UNTROUBLED)
    return Tolerance(name=name, of=of, trouble=trouble, rate=float(rate), spread=float(spread), requirement=requirement)


def golden(name: str, *, rows: str, fails: float = 0.0, within: float = 0.0) -> Golden:
    """Labelled cases in ``rows`` (CSV or Parquet: the question's columns and the label), of which a share of ``fails`` may
    be wrong. Right is the label's side of ½, the likeliest class, or a number no further than ``within`` off."""
    return Golden(name=name, rows=rows, fails=fails, within=within)


def trusted(feature: str, *, because: str) -> Trusted:
    """``feature`` is honestly known when the question is asked, however good it looks."""
    if not because.strip():
        raise InvalidDeclaration(f"trusted({feature!r}): say because=…: whoever reads the report will ask")
    return Trusted(name=feature, because=because)


def invariance(
    name: str,
    *,
    change: Mapping[str, New],
    within: float,
    fails: float = 0.01,
    where: Callable[[Rows], Any] | None = None,
) -> Behaviour:
    """The answer moves by no more than ``within`` under a change that must not matter."""
    return Behaviour(name=name, kind="invariance", change=change, within=within, fails=fails, where=where)


def directional(
    name: str,
    *,
    change: Mapping[str, New],
    goes: Literal["up", "down"],
    within: float = 0.0,
    fails: float = 0.05,
    where: Callable[[Rows], Any] | None = None,
    of_class: str = "",
) -> Behaviour:
    """The answer goes ``up`` (``down``), or stays; the wrong way it goes by no more than ``within``."""
    if goes not in ("up", "down"):
        raise InvalidDeclaration(f"directional {name!r}: goes={goes!r}", hint='it is "up" or "down"')
    return Behaviour(
        name=name,
        kind="directional",
        change=change,
        goes=goes,
        within=within,
        fails=fails,
        where=where,
        of_class=of_class,
    )


def minimum(
    name: str,
    *,
    at_least: float = -math.inf,
    at_most: float = math.inf,
    change: Mapping[str, New] | None = None,
    fails: float = 0.0,
    where: Callable[[Rows], Any] | None = None,
    of_class: str = "",
) -> Behaviour:
    """Cases so plain that the answer must lie from ``at_least`` to ``at_most``: rows picked by ``where``, made plain by
    ``change``."""
    if not at_least <= at_most or (at_least == -math.inf and at_most == math.inf):
        raise InvalidDeclaration(
            f"minimum {name!r}: from {at_least:g} to {at_most:g}: every answer, or none, would do",
            hint="give at_least=… or at_most=…",
        )
    return Behaviour(
        name=name,
        kind="minimum",
        change=dict(change or {}),
        between=(at_least, at_most),
        fails=fails,
        where=where,
        of_class=of_class,
    )
