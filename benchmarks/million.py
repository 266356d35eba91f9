"""A million rows measured: four metrics with the intervals of 1,000 exact replicates, and seven metrics on a hundred slices.

scikit-learn does the same work in the same run: the same draws, each replicate measured from its rows; two of them, and the
time of a thousand is that of two × 500. A replicate of ours has to be scikit-learn's to 1e-9. Seconds are of processor
time, all cores together: an upper bound of the wall clock on an idle machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sk

from benchmarks.table import Row, at_most, progress
from plimsoll.evaluation import measure
from plimsoll.stats import METRICS, Metric
from plimsoll.stats.bootstrap import block_bootstrap, draws, replicated

Floats = NDArray[np.float64]

ROWS, DAYS, SLICES, REPLICATES, PEERS = 1_000_000, 28, 100, 1_000, 2
FOUR = ("auc", "log_loss", "brier", "accuracy")
SEVEN = (*FOUR, "calibration_error", "f1", "recall")
THEIRS: dict[str, Callable[[Any, Any], float]] = {
    "auc": lambda s, y: float(sk.roc_auc_score(y, s)),
    "log_loss": lambda s, y: float(sk.log_loss(y, s)),
    "brier": lambda s, y: float(sk.brier_score_loss(y, s)),
    "accuracy": lambda s, y: float(sk.accuracy_score(y, s >= 0.5)),
}


def run() -> list[Row]:
    """Under a minute, and 1 GB."""
    rng = np.random.default_rng(20261125)
    scores = np.clip(rng.beta(2, 5, ROWS), 1e-6, 1 - 1e-6)
    labels = (rng.random(ROWS) < scores).astype(np.float64)
    return [_replicates(scores, labels, rng), _slices(scores, labels, rng)]


def _replicates(scores: Floats, labels: Floats, rng: np.random.Generator) -> Row:
    progress(f"{REPLICATES:,} replicates of {ROWS:,} rows, and {PEERS} of scikit-learn's")
    hours = np.sort(rng.integers(0, 256, ROWS))
    four = [METRICS[name] for name in FOUR]
    ours_s = _cpu_s(lambda: block_bootstrap(four, scores, labels, hours, replicates=REPLICATES))
    weights = draws(256, PEERS, seed=1)
    drawn = [np.repeat(np.arange(ROWS), w.astype(np.int64)[hours]) for w in weights]
    theirs: list[dict[str, float]] = []

    def peer() -> None:
        theirs[:] = [{name: THEIRS[name](scores[r], labels[r]) for name in FOUR} for r in drawn]

    peer_s = _cpu_s(peer, repeats=1) / PEERS * REPLICATES
    worst = max(_off(m, replicated(m, scores, labels, hours, weights)[1], theirs) for m in four)
    note = f"worst difference of a replicate {worst:.1e}; scikit-learn: {PEERS} replicates measured, × {REPLICATES / PEERS:g}"
    what = "1M rows: AUC, log loss, Brier, accuracy, 1,000 replicates"
    row = at_most(what, ours_s, 1.5, "s", peer="scikit-learn (2 × 500)", peer_value=peer_s, note=note)
    return replace(row, met=row.met and worst < 1e-9)


def _off(metric: Metric, values: Floats, theirs: list[dict[str, float]]) -> float:
    return max(abs(float(v) - t[metric.name]) for v, t in zip(values, theirs, strict=True))


def _slices(scores: Floats, labels: Floats, rng: np.random.Generator) -> Row:
    progress(f"{SLICES} slices of {ROWS:,} rows")
    days, stations = np.sort(rng.integers(0, DAYS, ROWS)), rng.integers(0, SLICES, ROWS)
    given: dict[str, Any] = {"scores": scores, "labels": labels, "blocks": days, "slices": {"station": stations}}
    ours_s = _cpu_s(lambda: measure(SEVEN, **given))

    def peer() -> None:
        for rows in (stations == at for at in range(SLICES)):
            for name in FOUR:
                THEIRS[name](scores[rows], labels[rows])

    peer_s = _cpu_s(peer, repeats=1)
    note = f"{DAYS} blocks; scikit-learn: point estimates of four of the metrics, no interval"
    what = "1M rows, 100 slices, 7 metrics with intervals, exact AUC"
    return at_most(what, ours_s, 1.0, "s", peer="scikit-learn", peer_value=peer_s, note=note)


def _cpu_s(work: Callable[[], object], *, repeats: int = 3) -> float:
    """Processor seconds of the fastest of ``repeats``."""
    found = []
    for _ in range(repeats):
        started = time.process_time()
        work()
        found.append(time.process_time() - started)
    return min(found)
