"""Quality expected before its labels, beside NannyML's CBPE on the same rows.

Agreement: the expected metrics of 100,000 answers. NannyML rounds its running sums to five digits before it takes the area
under a curve, so AUC agrees to that. Then a model trained on the flights until 6 March answers the rest of the year, and each
day's accuracy is expected before its labels come: by NannyML from the first 30 days, and by ours from the last 30 before it.
What is asked of an interval is that it holds the day's accuracy when it comes, as often as it says.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from benchmarks import peers
from benchmarks.table import Row, at_least, at_most
from plimsoll.capability import load
from plimsoll.operations.calibrating.ground import ground, recorded
from plimsoll.operations.calibrating.line import Line
from plimsoll.operations.notify import LogNotifier
from plimsoll.operations.rehearsing import VirtualClock
from plimsoll.operations.yard import Yard
from plimsoll.stats import METRICS
from plimsoll.stats.label_free import calibrated, corrected, expected_auc, expected_confusion, expected_rows
from plimsoll.store import LocalObjects, SqlCatalog

ROOT = Path(__file__).parents[1]
PEER = "NannyML 0.13.1"
START = datetime(2013, 3, 6, 3, tzinfo=UTC)
REFERENCE, MOST_MISSING = 30, 0.2
Floats = NDArray[np.float64]


def run() -> list[Row]:
    """A minute, after the peer's environment is made."""
    python = peers.env("nannyml==0.13.1", "setuptools<81", "statsmodels==0.14.*")
    with TemporaryDirectory(prefix="plimsoll-label-free-") as scratch:
        folder = Path(scratch)
        score, chance = _answers()
        _write(folder / "agreement.parquet", score=score, chance=chance)
        flights = _flights(folder)
        _write(folder / "flights.parquet", **flights)
        script = ROOT / "benchmarks/scripts/label_free_nannyml.py"
        theirs = peers.run(python, script, str(folder / "agreement.parquet"), str(folder / "flights.parquet"))
    return [*_agreement(score, chance, theirs["values"]), *_covered(flights, theirs["days"])]


def _answers() -> tuple[Floats, Floats]:
    """Scores, and the chance that each is a positive."""
    rng = np.random.default_rng(1)
    chance = rng.beta(1.0, 3.0, 100_000)
    return np.clip(chance**1.3, 1e-6, 1 - 1e-6), chance


def _agreement(score: Floats, chance: Floats, theirs: dict[str, float]) -> list[Row]:
    tp, fp, fn, tn = expected_confusion(score >= 0.5, chance)
    ours = {
        "accuracy": float(expected_rows(METRICS["accuracy"], score, np.stack([1 - chance, chance], axis=1)).mean()),
        "f1": 2 * tp / (2 * tp + fp + fn),
        "precision": tp / (tp + fp),
        "recall": tp / (tp + fn),
        "specificity": tn / (tn + fp),
        "auc": expected_auc(score, chance),
    }
    return [
        at_most(
            f"expected {name}: difference from {PEER}",
            abs(ours[name] - theirs[name]),
            1e-6 if name == "auc" else 1e-9,
            "",
        )
        for name in ours
    ]


def _flights(folder: Path) -> dict[str, Any]:
    """The champion's answers to every flight after its training, with the outcomes that came."""
    capability = load(ROOT / "examples/flights")
    yard = Yard(
        catalog=SqlCatalog(f"sqlite:///{folder}/catalog.db"),
        objects=LocalObjects(folder / "objects"),
        clock=VirtualClock(datetime(2014, 1, 2, tzinfo=UTC)),
        notifier=LogNotifier(),
        folder=folder / "scratch",
    )
    at = ground(recorded(capability, yard), START, blocks=400)
    scores = Line(at=at, folder=folder, seed=7).champion(at.after.X)
    known = ~np.isnan(at.after.y)
    blocks = at.after.blocks.astype(str)
    names = np.unique(blocks)
    missing = {name: float(np.isnan(at.after.y[blocks == name]).mean()) for name in names}
    kept = known & np.array([missing[b] <= MOST_MISSING for b in blocks])
    first = set(names[:REFERENCE].tolist())
    return {
        "score": scores[kept],
        "label": at.after.y[kept].astype(np.int64),
        "at": blocks[kept].astype("datetime64[s]"),
        "part": np.where(np.isin(blocks[kept], list(first)), "reference", "analysis"),
    }


def _write(path: Path, **columns: Any) -> None:
    with duckdb.connect() as db:
        db.register("frame", columns)
        db.execute(f"COPY (SELECT * FROM frame) TO '{path}' (FORMAT parquet)")


def _covered(flights: dict[str, Any], theirs: list[dict[str, Any]]) -> list[Row]:
    """How often a day's accuracy lies where it was expected, and how far off the estimate was."""
    names, day = np.unique(flights["at"].astype("datetime64[D]"), return_inverse=True)
    right = ((flights["score"] >= 0.5) == flights["label"]).astype(np.float64)
    truth = np.bincount(day, weights=right) / np.bincount(day)
    at = {str(name): i for i, name in enumerate(names)}
    ours = [_ours(flights["score"], right, day, i) for i in range(REFERENCE, len(names))]
    pairs = [(low <= truth[i] <= high, abs(e - truth[i])) for i, (e, low, high) in enumerate(ours, REFERENCE)]
    known = [(d, truth[at[d["day"]]]) for d in theirs if d["day"] in at]
    peer = [(d["low"] <= was <= d["high"], abs(d["expected"] - was)) for d, was in known]
    return [
        at_least(
            "flights: days whose accuracy lies in its bounds (95 %)",
            100 * float(np.mean([hit for hit, _ in pairs])),
            93.0,
            "%",
            peer=f"{PEER} (3 standard errors of sampling)",
            peer_value=100 * float(np.mean([hit for hit, _ in peer])),
            note=f"{len(pairs)} days, each expected before its labels came",
        ),
        at_most(
            "flights: mean error of a day's expected accuracy",
            float(np.mean([off for _, off in pairs])),
            1.1 * float(np.mean([off for _, off in peer])),
            "",
            peer=PEER,
            peer_value=float(np.mean([off for _, off in peer])),
        ),
    ]


def _ours(score: Floats, right: Floats, day: NDArray[np.int64], i: int) -> tuple[float, float, float]:
    """Day ``i`` expected from the REFERENCE days before the last, whose labels had come: estimate and bounds."""
    first = max(0, i - 1 - REFERENCE)
    past = np.arange(first, i - 1)
    label = np.where(score >= 0.5, right, 1.0 - right)
    inside = slice(int(np.searchsorted(day, first)), int(np.searchsorted(day, i - 1)))
    s, y, d, hit = score[inside], label[inside], day[inside], right[inside]
    said = np.empty(len(s))
    for fold in range(2):
        mine = np.isin(d, past[fold::2])
        said[mine] = expected_rows(METRICS["accuracy"], s[mine], calibrated(s[mine], s[~mine], y[~mine]))
    n = np.bincount(d - first)
    before, came = (np.bincount(d - first, weights=v) / n for v in (said, hit))
    now = score[day == i]
    expected = float(expected_rows(METRICS["accuracy"], now, calibrated(now, s, y)).mean())
    found = corrected([expected], before.tolist(), came.tolist())
    return found.estimate, found.low, found.high
