"""A mean from few labels and many predictions of it, with an interval that holds however wrong the predictions are.

Prediction-powered inference (Angelopoulos, Bates, Fannjiang, Jordan & Zrnic 2023, *Science* 382), power-tuned (PPI++:
Angelopoulos, Duchi & Zrnic 2023, arXiv 2311.01453). With f what is predicted of Y, n labelled and N other rows,

    θ(λ) = λ · mean of f over the others + mean of (Y − λf) over the labelled,

which is unbiased for every λ, since the labelled are a random sample of the same rows. λ = Cov(Y, f) / ((1 + n/N) Var f) gives
it the least variance; kept within [0, 1], it falls back to the plain mean of Y where the predictions are worth nothing.
Rows of one block are not independent, labelled or not: variances are those of block sums over both, λ is what makes them least,
and Student's t has the labelled blocks − 1 degrees of freedom.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plimsoll.errors import UsageError
from plimsoll.stats.interval import Interval, check_alpha
from plimsoll.stats.special import t_quantile

Floats = NDArray[np.float64]
FEWEST = 10
"""Blocks with labels; with fewer the interval is not said."""


def powered_mean(
    values: Any, predicted: Any, others: Any, *, alpha: float = 0.05, blocks: Any = None, other_blocks: Any = None
) -> tuple[Interval, float]:
    """The two-sided interval of the mean of all rows, and the λ it used.

    ``values``: (n,) Y of the labelled rows, a random sample of all; ``predicted``: (n,) what was predicted of the same;
    ``others``: (N,) what is predicted of the rest. ``blocks``, ``other_blocks``: each row's block; without them rows are
    independent. Infinite bounds with labels in fewer than FEWEST blocks. Raises UsageError for rows that do not fit together
    or are no finite numbers.
    """
    y, f, rest = (np.asarray(v, dtype=np.float64) for v in (values, predicted, others))
    check_alpha(alpha_low=alpha / 2, alpha_high=alpha / 2)
    _check(y, f, rest)
    ours, theirs = _codes(len(y), len(rest), blocks, other_blocks)
    method = "prediction-powered"
    count = len(np.unique(ours))
    if count < FEWEST or not len(rest):
        return Interval(float(y.mean()) if len(y) else math.nan, -math.inf, math.inf, method, len(y)), 0.0
    size = 1 + int(max(ours.max(), theirs.max()))
    of_y = _pulls(y, ours, size)
    of_f = _pulls(rest, theirs, size) - _pulls(f, ours, size)
    spread = float(of_f @ of_f)
    weight = min(1.0, max(0.0, -float(of_y @ of_f) / spread)) if spread > 0.0 else 0.0
    estimate = float(weight * rest.mean() + (y - weight * f).mean())
    pulls = of_y + weight * of_f
    reach = t_quantile(1.0 - alpha / 2, count - 1) * math.sqrt(float(pulls @ pulls) * count / (count - 1))
    return Interval(estimate, estimate - reach, estimate + reach, method, len(y)), weight


def _codes(n: int, others: int, blocks: Any, other_blocks: Any) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The block of each labelled row and of each other one; one name is one block on both sides."""
    if blocks is None or other_blocks is None:
        return np.arange(n), np.arange(n, n + others)
    names = np.concatenate([np.asarray(blocks), np.asarray(other_blocks)])
    codes = np.unique(names, return_inverse=True)[1].reshape(-1)
    return codes[:n], codes[n:]


def _pulls(values: Floats, codes: NDArray[np.int64], size: int) -> Floats:
    """How far each block moves the mean: its sum of deviations, over the rows (linearised; Cochran 1977, ch. 9)."""
    return np.bincount(codes, weights=values - values.mean(), minlength=size) / len(values)


def _check(y: Floats, f: Floats, rest: Floats) -> None:
    if y.shape != f.shape or y.ndim != 1 or rest.ndim != 1:
        raise UsageError(
            f"there are {y.shape} labelled values and {f.shape} predictions of them: they must be of the same rows"
        )
    if not (np.isfinite(y).all() and np.isfinite(f).all() and np.isfinite(rest).all()):
        raise UsageError("a value or a prediction is no finite number", hint="leave rows without a label to the others")
