"""Before any history: how much a comparison would vary from block to block, measured on the recorded rows with two rules
that need no training.

The rules differ about as much as two releases do, or more; so the plan errs on the long side. On the flights their daily
difference in log loss has a spread of 0.03, real releases 0.01 (another seed) to 0.05 (other features).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from plimsoll.capability import Capability
from plimsoll.evaluation import coded, queries_of
from plimsoll.features import read_columns
from plimsoll.kernel.requirement import Requirement
from plimsoll.models import PythonEngine
from plimsoll.operations.bench import blocks_of, numbered
from plimsoll.operations.intake import contract_of
from plimsoll.operations.planning.history import FEWEST, History, Spread, key_of, spread_of
from plimsoll.operations.planning.splitting import share_of, spread_of_arms
from plimsoll.stats import Metric, row_bounds

Floats = NDArray[np.float64]
NEWEST_BLOCKS = 90
"""What a plan looks at: older traffic is not what comes."""


def from_rows(capability: Capability, files: Sequence[Path], requirements: Iterable[Requirement]) -> History:
    """Traffic and spreads from the questions' own rows in ``files``. Reads the newest NEWEST_BLOCKS blocks; costs a second."""
    s = capability.source
    names = [c.name for c in contract_of(capability, s).columns]
    columns = read_columns(files, names, order=[s.asked_at, s.unit])
    blocks = blocks_of(capability, columns, columns[s.asked_at].astype("datetime64[us]"))
    kept, codes = _newest(blocks)
    cut = {name: values[kept] for name, values in columns.items()}
    labels = _labels(capability, cut[capability.task.label])
    ours, theirs, said = _rules(capability, cut, labels, codes)
    count = int(codes.max()) + 1 if len(codes) else 0
    source = f"assumed: {said}, on {count} blocks of recorded rows"
    per_block = np.bincount(codes, minlength=count)
    group = capability.task.group

    def spread(r: Requirement) -> Spread | None:
        if (share := share_of(capability, r)) is not None:
            return spread_of_arms(capability, r, share, cut, ours, labels, codes)
        return _spread(capability.definition(r.metric), r, ours, theirs, labels, codes, source, queries)

    queries = np.unique(cut[group].astype(str), return_inverse=True)[1].reshape(-1) if group else None
    return History(
        events_per_block=float(np.median(per_block)) if count else None,
        traffic_source=f"{count} blocks of recorded rows",
        spreads={key_of(r): seen for r in requirements if not r.operational and (seen := spread(r))},
    )


def _newest(blocks: NDArray[np.object_]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Which rows lie in the newest blocks, and the place of each one's block in time."""
    at = numbered(blocks)
    first = max(0, int(at.max(initial=-1)) + 1 - NEWEST_BLOCKS)
    kept = at >= first
    return kept, at[kept] - first


def _labels(capability: Capability, values: NDArray[np.generic]) -> Floats:
    places = {name: float(i) for i, name in enumerate(capability.task.classes)}
    plain = [np.nan if v is None or v != v else places.get(v, v) for v in values.tolist()]
    return np.array(plain, dtype=np.float64)


def _rules(
    capability: Capability, columns: dict[str, NDArray[np.generic]], labels: Floats, codes: NDArray[np.int64]
) -> tuple[Floats, Floats, str]:
    """Two answers to each question, and who gave them, in words."""
    constant = _rate(capability, labels)
    everywhere = np.repeat(constant[None], len(labels), axis=0)
    if capability.fallback is not None:
        ours = PythonEngine(capability.fallback, task=capability.task.kind).predict(columns)
        return ours, _shaped(capability, everywhere), "the fallback against the rate of all rows"
    yesterday = everywhere.copy()
    for block in range(1, int(codes.max(initial=0)) + 1):
        seen = labels[codes == block - 1]
        if np.isfinite(seen).any():
            yesterday[codes == block] = 0.5 * (_rate(capability, seen) + constant)
    return (
        _shaped(capability, yesterday),
        _shaped(capability, everywhere),
        "the rate of the block before against that of all",
    )


def _rate(capability: Capability, labels: Floats) -> Floats:
    """What always answering the same would say: shares of classes, or the mean."""
    known = labels[np.isfinite(labels)]
    if capability.task.kind != "multiclass":
        return np.array([known.mean() if len(known) else 0.0])
    counts = np.bincount(known.astype(np.int64), minlength=len(capability.task.classes)) + 1.0
    return np.asarray(counts / counts.sum())


def _shaped(capability: Capability, answers: Floats) -> Floats:
    return answers if capability.task.kind == "multiclass" else answers[:, 0]


def _spread(
    metric: Metric,
    r: Requirement,
    ours: Floats,
    theirs: Floats,
    labels: Floats,
    codes: NDArray[np.int64],
    source: str,
    queries: NDArray[np.int64] | None,
) -> Spread | None:
    """Of block means, and the design effect: their variance against that of as many independent rows (queries, of a ranking)."""
    known = np.isfinite(labels)
    if metric.per_query is not None and queries is not None:
        values, at, least = _of_queries(metric, ours, theirs if r.compares else None, labels, codes, queries)
    elif metric.rows is not None:
        values, at = metric.rows(ours[known], labels[known]), codes[known]
        least, most = row_bounds(metric, ours[known], theirs[known] if r.compares else None)
        if r.compares:
            values = metric.loss_sign * (values - metric.rows(theirs[known], labels[known]))
            least = least if metric.loss_sign > 0 else -most
    else:
        return None
    n = np.bincount(at)
    means = np.bincount(at, weights=values)[n > 0] / n[n > 0]
    if len(means) < FEWEST:
        return None
    row_variance = float(values.var())
    effect = float(means.var(ddof=1)) * float(n[n > 0].mean()) / row_variance if row_variance > 0 else None
    floor = float(least.mean())
    return spread_of(
        means.tolist(), source, assumed=True, design_effect=effect, floor=floor if np.isfinite(floor) else None
    )


def _of_queries(
    metric: Metric,
    ours: Floats,
    theirs: Floats | None,
    labels: Floats,
    codes: NDArray[np.int64],
    queries: NDArray[np.int64],
) -> tuple[Floats, NDArray[np.int64], Floats]:
    """The value of each query whose outcomes are known, or the loss, its block, and the least that it could have been."""
    names = tuple(map(str, range(int(codes.max(initial=-1)) + 1)))
    others = {} if theirs is None else {"theirs": theirs}
    found = queries_of(metric, coded("ranking", ours, labels, codes, names, others, queries), theirs)
    if theirs is None:
        return found.values[found.known], found.codes[found.known], found.low[found.known]
    least = found.low if metric.loss_sign > 0 else -found.high
    return metric.loss_sign * found.values[found.known], found.codes[found.known], least[found.known]
