"""The gate's evidence: each requirement measured on later rows, per block and slice, against champion and fallback."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from plimsoll.features import TrainingSet
from plimsoll.kernel.digest import rounded
from plimsoll.kernel.records import FALLBACK
from plimsoll.kernel.requirement import Requirement
from plimsoll.kernel.verdict import Block, Evidence
from plimsoll.operations.tally import block_of
from plimsoll.stats.resample import jackknife_blocks

MINIMUM_SLICE_ROWS = 1_000
"""Slices below it are pooled into ``other``, reported, and never judged: a handful of rows convicts nobody."""

Scores = NDArray[np.float64]


def gate_evidence(
    requirements: Iterable[Requirement],
    rows: TrainingSet,
    scores: Mapping[str, Scores],
    *,
    release: str,
    champion: str,
) -> tuple[Evidence, ...]:
    """One piece of evidence for each requirement and slice.

    ``scores`` has the answers on ``rows`` of ``release``, ``champion`` and FALLBACK, where there are such. A comparison
    with somebody who is not there (no champion yet, no fallback) is left out: there is nothing to be no worse than.
    """
    found: list[Evidence] = []
    for r in requirements:
        comparator = {"champion": champion, "fallback": FALLBACK}.get(r.than or "", "")
        if r.compares and (not comparator or comparator not in scores):
            continue
        for name, picked in slices_of(r.by, rows):
            found.append(
                Evidence(
                    requirement=r,
                    release=release,
                    source="gate",
                    comparator=comparator,
                    slice=name,
                    blocks=blocks_of_rows(
                        r,
                        scores[release][picked],
                        scores[comparator][picked] if comparator else None,
                        rows.take(picked),
                    ),
                    waits_for=f"{r}: no labelled block",
                )
            )
    return tuple(found)


def slices_of(by: str | None, rows: TrainingSet) -> Sequence[tuple[str, NDArray[np.bool_]]]:
    """(name, mask) of everything, or of each value of ``by`` with enough rows."""
    if not by:
        return [("all", np.ones(len(rows), dtype=np.bool_))]
    values, sizes = np.unique(rows.slices[by].astype(str), return_counts=True)
    column = rows.slices[by].astype(str)
    return [(f"{by}={v}", column == v) for v, n in zip(values, sizes, strict=True) if n >= MINIMUM_SLICE_ROWS]


def blocks_of_rows(r: Requirement, ours: Scores, theirs: Scores | None, rows: TrainingSet) -> tuple[Block, ...]:
    """The requirement's metric per block: row means with their bounds, or pseudo-values of a whole metric."""
    metric = r.definition
    names = rows.blocks.astype(str)
    if metric.rows is not None:
        return tuple(
            block_of(
                str(name),
                metric,
                ours[names == name],
                None if theirs is None else theirs[names == name],
                rows.y[names == name],
            )
            for name in dict.fromkeys(names.tolist())
        )
    assert metric.whole is not None
    sign = metric.loss_sign if theirs is not None else 1
    values = jackknife_blocks(metric.whole, ours, rows.y, names, against=theirs)
    missing = {name: int(np.isnan(rows.y[names == name]).sum()) for name, _, _ in values}
    return tuple(
        Block(name, n + missing[name], *(rounded(sign * float(value)),) * 4, missing[name]) for name, n, value in values
    )
