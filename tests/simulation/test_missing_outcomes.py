"""Outcomes that are missing for a reason: what is bounded keeps its promise where judging what came does not."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache

import numpy as np
import pytest
from msgspec.structs import replace

from plimsoll.evaluation import blockwise, coded
from plimsoll.kernel.requirement import no_worse
from plimsoll.kernel.verdict import Block, Evidence, Policy, Ruling, judge
from plimsoll.stats import METRICS

NOW = datetime(2026, 4, 1, tzinfo=UTC)
BLOCKS, ROWS, RUNS = 30, 150, 100
LUCK = 0.05 * RUNS + 2.6 * math.sqrt(0.05 * 0.95 * RUNS)
BRIER = METRICS["brier"]


def rollout(rng: np.random.Generator, hides: int) -> tuple[tuple[Block, ...], tuple[Block, ...], float]:
    """(blocks as they are judged, blocks of what came alone, the true difference), candidate less champion.

    ``hides``: the class whose outcomes come less often, the more so the more the two disagree about them: a third of those
    rows, 8 % of all, as cancelled flights are late ones that nobody ever sees land.
    """
    n = BLOCKS * ROWS
    truth = 1 / (1 + np.exp(-1.5 * rng.standard_normal(n)))
    y = (rng.random(n) < truth).astype(float)
    theirs = np.clip(truth + 0.1 * rng.standard_normal(n), 0.01, 0.99)
    ours = np.clip(theirs + (0.12 if hides else -0.12) + 0.05 * rng.standard_normal(n), 0.01, 0.99)
    gone = (y == hides) & (rng.random(n) < 0.16)
    seen = np.where(gone, np.nan, y)
    codes, names = np.arange(n) // ROWS, tuple(f"b{i:02}" for i in range(BLOCKS))
    rows = coded("binary", ours, seen, codes, names, {"old": theirs})
    true = float(((ours - y) ** 2 - (theirs - y) ** 2).mean())
    return blockwise(BRIER, rows, "old", None).blocks, blockwise(BRIER, rows.cut(rows.known), "old", None).blocks, true


def rulings(blocks: tuple[Block, ...], margin: float) -> Iterator[Ruling]:
    """The verdict at every fifth block."""
    requirement = no_worse("brier", margin=margin, than="champion")
    e = Evidence(requirement=requirement, release="new", source="shadow", comparator="old")
    for n in range(10, BLOCKS + 1, 5):
        yield judge([replace(e, blocks=blocks[:n])], Policy(), NOW).ruling


@pytest.mark.parametrize(("hides", "wrong"), [(0, Ruling.PASS), (1, Ruling.PASS), (0, Ruling.FAIL), (1, Ruling.FAIL)])
def test_bounded_outcomes_keep_the_promise(hides: int, wrong: Ruling) -> None:
    """A candidate at exactly the margin of what would be seen if every outcome came: neither mistake in more than 5 %."""
    rng, expected, errs = np.random.default_rng(14), expectation(hides), 0
    for _ in range(RUNS):
        blocks, _, _ = rollout(rng, hides)
        errs += wrong in rulings(shifted(blocks, 0.02 - expected), 0.02)
    assert errs <= LUCK


def test_judging_what_came_alone_does_not() -> None:
    """The outcomes that hide speak for the candidate: most rollouts at the margin are taken back, which is why they are
    bounded."""
    rng, expected, errs = np.random.default_rng(15), expectation(0), 0
    for _ in range(RUNS):
        _, came, _ = rollout(rng, 0)
        errs += Ruling.FAIL in rulings(shifted(came, 0.02 - expected), 0.02)
    assert errs > 0.5 * RUNS


@cache
def expectation(hides: int) -> float:
    """The true mean difference, from many rollouts with nothing missing."""
    rng = np.random.default_rng(16)
    return float(np.mean([rollout(rng, hides)[2] for _ in range(60)]))


def shifted(blocks: tuple[Block, ...], by: float) -> tuple[Block, ...]:
    """As if the candidate were worse by so much more on every row."""
    return tuple(replace(b, mean=b.mean + by, low=b.low + by, high=b.high + by, floor=b.floor + by) for b in blocks)
