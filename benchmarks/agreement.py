"""Our numbers against those of the libraries that people trust: the worst difference a function over made-up rows.

scikit-learn and scipy run here; statsmodels, gbstats and ranx in environments of their own. fairlearn is in ``fairness``, NannyML
in ``label_free``. Everything compared is exact on both sides, so the tolerance is 1e-9, relative above 1. What we mean
otherwise is not compared: bounds that are widened for dependence, and a debiased calibration error.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from statistics import variance
from typing import Any

import numpy as np
from scipy import stats as scipy_stats
from sklearn import metrics as sk

from benchmarks import peers
from benchmarks.table import Row, progress
from plimsoll.evaluation import measure
from plimsoll.stats import Totals, cuped, exact_rate, mcnemar, quantile_interval, weighted_mean
from plimsoll.stats.ranking import average_precision_at, ndcg, ranked, recall_at, reciprocal_rank
from plimsoll.stats.ratios import linearised
from plimsoll.stats.special import beta_quantile, t_quantile

SEEDS, TOLERANCE = 5, 1e-9
Found = dict[str, float]
Ours = Callable[[np.random.Generator], tuple[Found, Mapping[str, Any]]]
ENVIRONMENTS = {"statsmodels": "statsmodels>=0.14,<0.15", "gbstats": "gbstats>=0.8,<0.9", "ranx": "ranx>=0.3.20,<0.4"}


def run() -> list[Row]:
    """A minute, once the environments are there."""
    rows = [*_rows("scikit-learn", _binary), *_rows("scikit-learn", _multiclass), *_rows("scikit-learn", _regression)]
    rows += [*_rows("scikit-learn", _tied), *_rows("scipy", _scipy)]
    made: dict[str, Ours] = {"statsmodels": _pairs, "gbstats": _sums, "ranx": _queries}
    for peer, ours in made.items():
        python, script = peers.env(ENVIRONMENTS[peer]), Path(__file__).parent / "scripts" / f"agreement_{peer}.py"
        rows += _rows(peer, partial(_beside, ours, python, script))
    return [_worst(rows), *rows]


def _worst(rows: list[Row]) -> Row:
    worst = max(rows, key=lambda row: row.ours)
    what = f"{len(rows)} functions: the largest difference"
    return Row(
        what=what, ours=worst.ours, target=worst.target, met=worst.met, note=f"{worst.what}, against {worst.peer}"
    )


def _rows(peer: str, both: Callable[[np.random.Generator], tuple[Found, Found]]) -> Iterator[Row]:
    """``both`` gives ours and theirs, by name."""
    worst: dict[str, float] = {}
    for seed in range(SEEDS):
        progress(f"{peer}, rows {seed + 1} of {SEEDS}")
        ours, theirs = both(np.random.default_rng(seed))
        for name, value in theirs.items():
            worst[name] = max(worst.get(name, 0.0), abs(ours[name] - value) / max(1.0, abs(value)))
    for name, far in worst.items():
        yield Row(what=name, ours=far, peer=peer, target=f"≤ {TOLERANCE:g}", met=far <= TOLERANCE)


def _beside(made: Ours, python: Path, script: Path, rng: np.random.Generator) -> tuple[Found, Found]:
    ours, rows = made(rng)
    with tempfile.TemporaryDirectory() as folder:
        np.savez(file := Path(folder) / "rows.npz", **rows)
        return ours, peers.run(python, script, str(file))


# ── in this process ──────────────────────────────────────────────────────────────────────────────────────────────────


def _measured(task: str, names: Mapping[str, float], scores: Any, labels: Any) -> tuple[Found, Found]:
    found = measure(list(names), task=task, scores=scores, labels=labels, blocks=np.arange(len(labels)) // 100)
    return {name: found.find(name).value for name in names}, dict(names)  # type: ignore[misc, union-attr]


def _binary(rng: np.random.Generator) -> tuple[Found, Found]:
    scores = np.clip(rng.beta(2, 3, 3_000).round(2), 0.01, 0.99)
    y = (rng.random(3_000) < scores) * 1.0
    said = scores >= 0.5
    theirs = {
        "auc": sk.roc_auc_score(y, scores),
        "average_precision": sk.average_precision_score(y, scores),
        "log_loss": sk.log_loss(y, scores),
        "brier": sk.brier_score_loss(y, scores),
        "accuracy": sk.accuracy_score(y, said),
        "precision": sk.precision_score(y, said),
        "recall": sk.recall_score(y, said),
        "specificity": sk.recall_score(y, said, pos_label=0),
        "f1": sk.f1_score(y, said),
        "balanced_accuracy": sk.balanced_accuracy_score(y, said),
        "mcc": sk.matthews_corrcoef(y, said),
    }
    return _measured("binary", theirs, scores, y)


def _multiclass(rng: np.random.Generator) -> tuple[Found, Found]:
    scores = rng.dirichlet(np.ones(5), 3_000)
    y = (rng.random((3_000, 1)) > scores.cumsum(axis=1)).sum(axis=1).clip(0, 4) * 1.0
    said = scores.argmax(axis=1)
    theirs = {
        "f1_macro": sk.f1_score(y, said, average="macro"),
        "f1_micro": sk.f1_score(y, said, average="micro"),
        "f1_weighted": sk.f1_score(y, said, average="weighted"),
        "auc_ovr": sk.roc_auc_score(y, scores, multi_class="ovr"),
        "top_3_accuracy": sk.top_k_accuracy_score(y, scores, k=3),
    }
    return _measured("multiclass", theirs, scores, y)


def _regression(rng: np.random.Generator) -> tuple[Found, Found]:
    y = rng.normal(20, 9, 3_000)
    scores = y + rng.normal(0, 3, 3_000)
    theirs = {
        "mae": sk.mean_absolute_error(y, scores),
        "mse": sk.mean_squared_error(y, scores),
        "rmse": sk.root_mean_squared_error(y, scores),
        "median_absolute_error": sk.median_absolute_error(y, scores),
        "mape": sk.mean_absolute_percentage_error(y, scores),
        "r2": sk.r2_score(y, scores),
        "pinball_p10": sk.mean_pinball_loss(y, scores, alpha=0.1),
        "pinball_p90": sk.mean_pinball_loss(y, scores, alpha=0.9),
    }
    return _measured("regression", theirs, scores, y)


def _tied(rng: np.random.Generator) -> tuple[Found, Found]:
    scores, grades, queries = _candidates(rng, digits=1)
    wide = scores.reshape(-1, 20), grades.reshape(-1, 20)
    ours = {"nDCG, ties": float(np.mean(ndcg(ranked(scores, grades, queries))))}
    return ours, {"nDCG, ties": float(sk.ndcg_score(wide[1], wide[0]))}


def _scipy(rng: np.random.Generator) -> tuple[Found, Found]:
    n = int(rng.integers(20, 5_000))
    hits, values = int(rng.integers(0, n)), rng.normal(size=n)
    ours = exact_rate(hits, n, alpha_low=0.025, alpha_high=0.025)
    theirs = scipy_stats.binomtest(hits, n).proportion_ci(0.95, method="exact")
    middle = quantile_interval(values, 0.9)
    quantile = scipy_stats.quantile_test(values, p=0.9).confidence_interval(0.95)
    a, b, p = rng.uniform(1, 300), rng.uniform(1, 300), rng.uniform(0.001, 0.999)
    found = {
        "Clopper-Pearson, low": (ours.low, theirs.low),
        "Clopper-Pearson, high": (ours.high, theirs.high),
        "quantile by order statistics, low": (middle.low, quantile.low),
        "quantile by order statistics, high": (middle.high, quantile.high),
        "quantile of Student's t": (t_quantile(p, a), scipy_stats.t.ppf(p, a)),
        "quantile of the beta": (beta_quantile(p, a, b), scipy_stats.beta.ppf(p, a, b)),
    }
    return {k: float(v[0]) for k, v in found.items()}, {k: float(v[1]) for k, v in found.items()}


# ── in environments of their own ─────────────────────────────────────────────────────────────────────────────────────


def _pairs(rng: np.random.Generator) -> tuple[Found, Mapping[str, Any]]:
    ours, theirs = rng.random(2_000) < 0.8, rng.random(2_000) < 0.77
    values, weights = rng.normal(size=2_000), rng.exponential(size=2_000)
    rate = exact_rate(int(ours.sum()), 2_000, alpha_low=0.025, alpha_high=0.025)
    found = {
        "exact McNemar": mcnemar(ours, theirs).p_value,
        "Clopper-Pearson, low": rate.low,
        "Clopper-Pearson, high": rate.high,
        "weighted mean": weighted_mean(values, weights, np.arange(2_000) // 50).estimate,
    }
    return found, {"ours": ours, "theirs": theirs, "values": values, "weights": weights}


def _sums(rng: np.random.Generator) -> tuple[Found, Mapping[str, Any]]:
    views = rng.integers(1, 90, 500) * 1.0
    clicks = rng.binomial(views.astype(int), 0.2) * 1.0
    before = rng.normal(10, 2, 500)
    values = 0.7 * before + rng.normal(size=500)
    adjusted, lines = cuped(values.tolist(), before.tolist()), linearised(Totals(clicks.tolist(), views.tolist()))
    found = {
        "ratio": float(np.mean(lines)),
        "ratio's variance": variance(lines),
        "CUPED's theta": adjusted.theta,
        "CUPED's variance": variance(adjusted.values),
    }
    return found, {"numerators": clicks, "denominators": views, "values": values, "before": before}


def _queries(rng: np.random.Generator) -> tuple[Found, Mapping[str, Any]]:
    scores, grades, queries = _candidates(rng, digits=12)
    of = ranked(scores, grades, queries)
    each = {
        "ndcg": ndcg(of),
        "ndcg@5": ndcg(of, 5),
        "mrr": reciprocal_rank(of),
        "recall@5": recall_at(of, 5),
        "map": average_precision_at(of),
        "map@5": average_precision_at(of, 5),
    }
    return {k: float(v.mean()) for k, v in each.items()}, {"scores": scores, "grades": grades, "queries": queries}


def _candidates(rng: np.random.Generator, *, digits: int) -> tuple[Any, Any, Any]:
    """300 queries of 20 candidates, each with something to find."""
    grades = rng.choice([0, 0, 0, 1, 3], size=(300, 20))
    grades[:, 0] = 1
    return (
        (grades / 3 + rng.normal(size=(300, 20))).round(digits).reshape(-1),
        grades.reshape(-1) * 1.0,
        np.arange(6_000) // 20,
    )
