"""Two releases' quality on the same blocks, from the evidence that the ledger keeps. Nothing is measured again.

Three ways lead to a paired difference, the first that is there is taken:

====== ==============================================================================================
way    what it is
====== ==============================================================================================
direct one was the other's comparator: the loss was paired row by row
same   both were measured alone on the same blocks, with as many events in each
third  both were compared with the same third release on the same blocks: the difference of the losses
====== ==============================================================================================

A block with another number of events is another set of rows, and is left out, and so is one that lacks outcomes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from plimsoll.kernel.chain import Line
from plimsoll.kernel.verdict import Block, Evidence, Policy
from plimsoll.stats.interval import t_interval
from plimsoll.stats.metrics import METRICS

ERROR = 0.025
"""Of each bound: a two-sided 95 % interval at one look, for people. Nothing is decided on it."""
FEWEST = 3
MOST_MISSING = Policy().max_missing_share
"""Of a block's outcomes, as for verdicts: a block that lacks more speaks for neither."""


class _Key(NamedTuple):
    metric: str
    slice: str
    comparator: str


Blocks = dict[str, Block]


def evidence_of(lines: Iterable[Line]) -> dict[_Key, Blocks]:
    """A release's blocks by metric, slice and comparator, over all its lines; the newest of a block counts."""
    found: dict[_Key, Blocks] = {}
    for line in lines:
        for piece in line.entry.body.get("evidence") or ():
            e = msgspec.convert(piece, Evidence)
            if e.release != line.entry.subject or e.requirement.metric not in METRICS or e.problems:
                continue
            key = _Key(e.requirement.metric, e.slice, e.comparator)
            found.setdefault(key, {}).update({b.name: b for b in e.blocks if b.missing <= MOST_MISSING * b.n})
    return {key: blocks for key, blocks in found.items() if blocks}


def paired(a: str, of_a: dict[_Key, Blocks], b: str, of_b: dict[_Key, Blocks]) -> list[dict[str, Any]]:
    """For each metric and slice how much worse ``b`` is than ``a`` (negative: better), paired, with its interval."""
    made = []
    for metric, slice in dict.fromkeys((k.metric, k.slice) for k in (*of_a, *of_b)):
        losses, way, against = _losses(metric, slice, a, of_a, b, of_b)
        if len(losses) < FEWEST:
            continue
        interval = t_interval([x for x, _ in losses], alpha_low=ERROR, alpha_high=ERROR)
        made.append(
            {
                "metric": metric,
                "unit": METRICS[metric].unit,
                "slice": slice,
                "worse_by": interval.estimate,
                "low": interval.low if math.isfinite(interval.low) else None,
                "high": interval.high if math.isfinite(interval.high) else None,
                "blocks": len(losses),
                "events": sum(n for _, n in losses),
                "way": way,
                "against": against,
                "says": _says(interval.low, interval.high),
            }
        )
    return made


def _losses(
    metric: str, slice: str, a: str, of_a: dict[_Key, Blocks], b: str, of_b: dict[_Key, Blocks]
) -> tuple[list[tuple[float, int]], str, str]:
    """(loss of b against a, events) of each block, the way that led to it, and through whom."""
    for sign, blocks in ((1, of_b.get(_Key(metric, slice, a))), (-1, of_a.get(_Key(metric, slice, b)))):
        if blocks:
            return [(sign * block.mean, block.n) for _, block in sorted(blocks.items())], "direct", ""
    best: tuple[list[tuple[float, int]], str, str] = ([], "", "")
    for key in of_a.keys() & of_b.keys():
        if (key.metric, key.slice) != (metric, slice):
            continue
        sign = 1 if key.comparator else METRICS[metric].loss_sign
        shared = _shared(of_a[key], of_b[key], sign)
        if len(shared) > len(best[0]) or (len(shared) == len(best[0]) and not key.comparator):
            best = (shared, "third" if key.comparator else "same", key.comparator)
    return best


def _shared(of_a: Blocks, of_b: Blocks, sign: int) -> list[tuple[float, int]]:
    names = sorted(of_a.keys() & of_b.keys())
    return [(sign * (of_b[n].mean - of_a[n].mean), of_a[n].n) for n in names if of_a[n].n == of_b[n].n]


def _says(low: float, high: float) -> str:
    if low > 0:
        return "worse"
    return "better" if high < 0 else "no difference shown"


def alone(of_a: dict[_Key, Blocks], of_b: dict[_Key, Blocks]) -> list[dict[str, Any]]:
    """Each metric's own mean over the blocks that each release was measured on: side by side, and not comparable where
    the blocks differ."""
    keys = [k for k in dict.fromkeys((*of_a, *of_b)) if not k.comparator]
    return [
        {
            "metric": k.metric,
            "unit": METRICS[k.metric].unit,
            "slice": k.slice,
            "a": _own(of_a.get(k)),
            "b": _own(of_b.get(k)),
        }
        for k in keys
    ]


def _own(blocks: Blocks | None) -> dict[str, Any] | None:
    if not blocks:
        return None
    names = sorted(blocks)
    mean = math.fsum(b.mean for b in blocks.values()) / len(blocks)
    return {"mean": mean, "blocks": len(names), "from": names[0], "to": names[-1]}
