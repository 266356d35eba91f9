"""Fairness across groups: agreement with fairlearn, and how often groups that keep a limit are said to break it."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import peers
from benchmarks.table import Row, at_most
from plimsoll import at_most as limit
from plimsoll.evaluation import Evaluation, evidence
from plimsoll.evaluation.curve import Curves
from plimsoll.evaluation.suite.fairness import fairness
from plimsoll.kernel.verdict import Policy, Ruling, judge
from plimsoll.stats import t_interval
from plimsoll.stats.fairness import RATES, worst_over_groups

SETS, SIMULATIONS = 5, 1_000
BLOCKS, EACH = 14, 600
AT_THE_LIMIT = (0.3, 0.3, 0.3, 0.4, 0.4, 0.4)
"""Called positive: nine of the fifteen pairs differ by exactly the limit, 0.1."""
BOUND = 0.05 + 2.33 * (0.05 * 0.95 / SIMULATIONS) ** 0.5
"""The most of a promised 5 % that chance explains (99 %)."""
METRICS = [f"{criterion}_{kind}" for criterion in RATES for kind in ("difference", "ratio")]
PARITY = "demographic_parity_difference"


def run() -> list[Row]:
    """About two minutes."""
    pairs, widest = _false_fails()
    return [
        at_most("largest distance of six metrics from fairlearn's", _distance(), 1e-9, "", peer="fairlearn"),
        at_most(
            f"false fails, {len(AT_THE_LIMIT)} groups at the limit, {SIMULATIONS:,} gates of {BLOCKS} blocks",
            pairs,
            round(BOUND, 3),
            "share",
            peer="an interval of the largest gap itself",
            peer_value=widest,
        ),
    ]


def _distance() -> float:
    python = peers.env("fairlearn==0.12.0")
    script = Path(__file__).parent / "scripts" / "fairness_fairlearn.py"
    far = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(SETS):
            rows = _people(np.random.default_rng(seed), (0.2, 0.35, 0.3, 0.5), 2_000)
            np.savez(file := Path(folder) / "rows.npz", **rows)
            theirs = peers.run(python, script, str(file))
            for name in METRICS:
                ours = worst_over_groups(name, rows["scores"], rows["labels"], rows["groups"], 4)
                far = max(far, abs(ours - theirs[name]))
    return far


def _people(rng: Any, rates: tuple[float, ...], count: int) -> dict[str, Any]:
    groups = rng.integers(0, len(rates), count)
    scores = np.where(rng.random(count) < np.asarray(rates)[groups], 0.9, 0.1)
    return {
        "scores": scores,
        "labels": (rng.random(count) < 0.3 + 0.4 * (scores > 0.5)).astype(float),
        "groups": groups,
    }


def _false_fails() -> tuple[float, float]:
    """(pair by pair, of the largest gap): the share of gates that fail although the limit is kept."""
    blocks = [f"2013-01-{b + 1:02d}" for b in np.repeat(np.arange(BLOCKS), EACH)]
    pairs = widest = 0
    for seed in range(SIMULATIONS):
        rows = _people(np.random.default_rng([7, seed]), AT_THE_LIMIT, BLOCKS * EACH)
        found = fairness(PARITY, by="group", blocks=blocks, **rows)
        pairs += _ruling(found.pairs) is Ruling.FAIL
        widest += _of_the_largest(rows) > 0.1
    return pairs / SIMULATIONS, widest / SIMULATIONS


def _ruling(measures: Any) -> Ruling:
    seen = Evaluation(task="binary", rows=1, missing=0, blocks=(), comparators=(), measures=measures, curves=Curves())
    given = evidence(seen, [limit(PARITY, 0.1, by="group")], release="r")
    return judge(given, Policy(), datetime(2013, 2, 1, tzinfo=UTC)).ruling


def _of_the_largest(rows: dict[str, Any]) -> float:
    """The lower 95 % bound that a jackknife of the largest gap itself has."""
    codes = np.repeat(np.arange(BLOCKS), EACH)
    groups = len(AT_THE_LIMIT)
    hits, n = (
        np.bincount(rows["groups"] * BLOCKS + codes, weights=w, minlength=groups * BLOCKS).reshape(groups, BLOCKS)
        for w in (rows["scores"] > 0.5, np.ones(len(codes)))
    )
    left = (hits.sum(1, keepdims=True) - hits) / (n.sum(1, keepdims=True) - n)
    whole = np.ptp(hits.sum(1) / n.sum(1))
    values = BLOCKS * whole - (BLOCKS - 1) * np.ptp(left, axis=0)
    return t_interval((values + whole - values.mean()).tolist(), alpha_low=0.05, alpha_high=0.05).low
