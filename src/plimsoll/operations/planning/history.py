"""What is known beforehand of a capability's blocks: how many events they have, how a comparison spreads over them, and
how much neighbours resemble each other.

From the ledger's evidence where there is some; else from the recorded rows, by a stand-in: two rules that need no training
(the fallback, or yesterday's rate, against the rate of all rows) are compared as a release and its champion would be.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import fmean, median, stdev

import msgspec

from plimsoll.kernel.chain import Line
from plimsoll.kernel.records import FALLBACK
from plimsoll.kernel.requirement import Requirement
from plimsoll.kernel.verdict import Evidence
from plimsoll.stats.dependence import PRIOR_RHO, shrunken

FEWEST = 5
"""Blocks; fewer say too little about a spread."""
FEWEST_EVENTS = 200
"""Of a rate."""
RELEASES = 5
"""The newest, whose comparisons are pooled."""


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """How a requirement's blocks vary: ``sd`` from block to block, ``rho`` between neighbours, ``mean`` as it was (the loss
    against the comparator, or the level). ``design_effect``: how many events weigh as much as one independent one, where
    rows were there to tell. ``floor``: the least that a block could have been, by the two predictions. ``source`` says in
    words where this is known from, and ``assumed`` that it is not history."""

    sd: float
    rho: float
    mean: float
    blocks: int
    source: str
    assumed: bool = False
    design_effect: float | None = None
    floor: float | None = None


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """A rate as it was counted last."""

    rate: float
    source: str


class History(msgspec.Struct, frozen=True, kw_only=True):
    """``events_per_block`` is None where neither events nor rows tell it. ``spreads``: by the requirement's key; ``rates``: by
    metric, as a release counted them that nothing was wrong with."""

    events_per_block: float | None
    traffic_source: str
    spreads: dict[str, Spread]
    rates: dict[str, Rate] = {}


def key_of(r: Requirement) -> str:
    """Requirements of one metric, compared or alone, vary alike whatever their limit."""
    return f"{r.metric}|{'compared' if r.compares else 'level'}"


def from_ledger(lines: Iterable[Line], names: dict[str, str]) -> History:
    """From the evidence of the past: of each metric the newest RELEASES that were measured by it, their spreads pooled, and
    the newest traffic.

    ``names``: release → what people call it. Comparisons with another release go before those with the fallback, from which
    everybody differs more.
    """
    seen: dict[str, dict[tuple[bool, str], Spread]] = {}
    rates: dict[str, Rate] = {}
    traffic: tuple[float, str] | None = None
    for line in lines:
        for piece in line.entry.body.get("evidence") or ():
            e = msgspec.convert(piece, Evidence)
            if e.problems or e.slice != "all":
                continue
            said = f"{_where(e)} of {names.get(e.release, e.release[:12])}"
            if e.events >= FEWEST_EVENTS and e.counts and e.source == "live":
                rates[e.requirement.metric] = _counted(e, said)
            if len(e.blocks) < FEWEST:
                continue
            traffic = (float(median(b.n for b in e.blocks)), f"{said}, {len(e.blocks)} blocks")
            of = seen.setdefault(key_of(e.requirement), {})
            of.pop((e.comparator != FALLBACK, e.release), None)  # the newest stands last
            of[e.comparator != FALLBACK, e.release] = spread_of(
                [b.mean for b in e.blocks], said, hidden=e.hidden, floor=fmean(b.floor for b in e.blocks)
            )
    return History(
        events_per_block=traffic[0] if traffic else None,
        traffic_source=traffic[1] if traffic else "",
        spreads={key: _pooled(of) for key, of in seen.items()},
        rates=rates,
    )


def _counted(e: Evidence, said: str) -> Rate:
    """Of the live release: who held its lease is who a candidate is compared with. Half a hit is added, so that none is not
    never."""
    hits = sum(c.hits for c in e.counts)
    return Rate(rate=(hits + 0.5) / (e.events + 1.0), source=f"{said}, {hits:,} of {e.events:,}")


def _pooled(of: dict[tuple[bool, str], Spread]) -> Spread:
    """One spread of several releases': variances weighed by their degrees of freedom. A fortnight without a storm, or with
    one, says little alone."""
    wanted = any(released for released, _ in of)
    spreads = [spread for (released, _), spread in of.items() if released == wanted][-RELEASES:]
    freedom = sum(s.blocks - 1 for s in spreads)
    more = f" and {len(spreads) - 1} more" if len(spreads) > 1 else ""
    return Spread(
        sd=math.sqrt(sum((s.blocks - 1) * s.sd**2 for s in spreads) / freedom),
        rho=sum((s.blocks - 1) * s.rho for s in spreads) / freedom,
        mean=spreads[-1].mean,
        blocks=sum(s.blocks for s in spreads),
        floor=_least(spreads),
        source=f"{spreads[-1].source}{more}, {sum(s.blocks for s in spreads)} blocks",
    )


def _least(spreads: Sequence[Spread]) -> float | None:
    """The lowest floor: the further two predictions lie apart, the more blocks a detector takes."""
    return min((s.floor for s in spreads if s.floor is not None), default=None)


def _where(e: Evidence) -> str:
    return {"gate": "the gate", "live": "the lease"}.get(e.source, f"the {e.source}")


def spread_of(
    means: Sequence[float],
    source: str,
    *,
    assumed: bool = False,
    design_effect: float | None = None,
    hidden: float = 0.0,
    floor: float | None = None,
) -> Spread:
    """Of block means in their order. Fewer than FEWEST believe the usual autocorrelation. ``hidden``: the variance of their mean
    that they do not show; it is spread over them, which is right for as many blocks and too much for fewer."""
    return Spread(
        sd=math.sqrt((stdev(means) ** 2 if len(means) > 1 else 0.0) + len(means) * hidden),
        rho=shrunken(means) if len(means) >= FEWEST else PRIOR_RHO,
        mean=fmean(means) if means else 0.0,
        blocks=len(means),
        source=source,
        assumed=assumed,
        design_effect=design_effect,
        floor=floor,
    )


def joined(known: History, stand_in: History) -> History:
    """What is known, and where nothing is, what stands in for it."""
    return History(
        events_per_block=known.events_per_block or stand_in.events_per_block,
        traffic_source=known.traffic_source or stand_in.traffic_source,
        spreads={**stand_in.spreads, **known.spreads},
        rates={**stand_in.rates, **known.rates},
    )
