"""The rows that everything is measured on: scores, labels, blocks; checked once, cut into slices without copying twice.

A label that is NaN has not come. It is never guessed and never dropped in silence: values leave it out, bounds say
what it could still change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plimsoll.errors import UsageError

Floats = NDArray[np.float64]

VALUES = ("regression", "ranking")
"""Tasks whose scores are numbers of any size, and no probabilities."""
ROUNDING = 1e-6
"""How far outside of 0 and 1 a probability may lie: what is left of arithmetic in single precision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rowset:
    """Rows in order of time. ``codes`` is each row's place among ``names``, the blocks in order of appearance; ``groups`` which
    query it is of, where rows are ranked."""

    task: str
    scores: Floats
    labels: Floats
    codes: NDArray[np.int64]
    names: tuple[str, ...]
    comparators: Mapping[str, Floats]
    groups: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def known(self) -> NDArray[np.bool_]:
        return ~np.isnan(self.labels)

    def gathered(self, codes: NDArray[np.int64]) -> Rowset:
        """All rows, those of one code next to each other and in order of time: each code is then a cut without a copy."""
        narrow = codes.astype(np.int16) if codes.max(initial=0) < 2**15 else codes
        return self.cut(np.argsort(narrow, kind="stable"))

    def cut(self, rows: NDArray[np.bool_] | NDArray[np.int64] | slice) -> Rowset:
        """These rows alone, with the same blocks."""
        return Rowset(
            task=self.task,
            scores=self.scores[rows],
            labels=self.labels[rows],
            codes=self.codes[rows],
            names=self.names,
            comparators={name: s[rows] for name, s in self.comparators.items()},
            groups=None if self.groups is None else self.groups[rows],
        )


def rowset(
    task: str,
    scores: Any,
    labels: Any,
    blocks: Sequence[Any],
    comparators: Mapping[str, Any],
    groups: Sequence[Any] | None = None,
) -> Rowset:
    """The checked rows; ``groups`` names each one's query. Raises UsageError naming what has another length, is no number, or
    no possible label."""
    ids = np.asarray(blocks)
    if len(ids) != len(scores):
        raise UsageError(f"there are {len(scores):,} scores and {len(ids):,} blocks; they must be of the same rows")
    names, codes = _blocks(ids)
    queries = None if groups is None else np.unique(np.asarray(groups).astype(str), return_inverse=True)[1].reshape(-1)
    return coded(task, scores, labels, codes, names, comparators, queries)


def coded(
    task: str,
    scores: Any,
    labels: Any,
    codes: NDArray[np.int64],
    names: tuple[str, ...],
    comparators: Mapping[str, Any],
    groups: NDArray[np.int64] | None = None,
) -> Rowset:
    """As ``rowset``, of rows whose blocks are coded already: each one's place among ``names``."""
    s, y = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    others = {name: np.asarray(c, dtype=np.float64) for name, c in comparators.items()}
    for name, values in {"labels": y, **others}.items():
        if len(values) != len(s):
            raise UsageError(f"there are {len(s):,} scores and {len(values):,} {name}; they must be of the same rows")
    for name, values in {"the release": s, **others}.items():
        if not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values.reshape(len(s), -1)).all(axis=1))[0])
            raise UsageError(f"row {row} has the score {values[row]} from {name}: not a finite number")
        if values.shape != s.shape:
            raise UsageError(f"{name} scores with shape {values.shape}, the release with {s.shape}")
    _check_labels(task, s, y)
    return Rowset(task=task, scores=s, labels=y, codes=codes, names=names, comparators=others, groups=groups)


def _check_labels(task: str, scores: Floats, labels: Floats) -> None:
    if np.isinf(labels).any():
        row = int(np.flatnonzero(np.isinf(labels))[0])
        raise UsageError(
            f"row {row} has the label {labels[row]}: not a finite number", hint="NaN where the outcome has not come"
        )
    if task == "ranking" and (labels < 0.0).any():
        raise UsageError(f"a relevance is {labels[labels < 0.0][0]:g}; it is 0 or more", hint="irrelevant is 0")
    if task in VALUES:
        return
    off = scores[(scores < -ROUNDING) | (scores > 1.0 + ROUNDING)]
    if len(off):
        raise UsageError(
            f"a score is {off[0]:g}; a {task} task has probabilities, from 0 to 1",
            hint="a margin becomes one by 1/(1 + e^−x)",
        )
    classes = 2 if scores.ndim == 1 else scores.shape[1]
    known = labels[~np.isnan(labels)]
    wrong = known[(known != np.floor(known)) | (known < 0) | (known >= classes)]
    if len(wrong):
        raise UsageError(
            f"a label is {wrong[0]:g}; a {task} task of {classes} classes has the labels 0 to {classes - 1}",
            hint="labels are places among the declared classes; NaN where the outcome has not come",
        )


def by_name(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The different values in order, and each row's place among them. Only floats are sorted."""
    if values.dtype.kind == "f":
        names, codes = np.unique(values, return_inverse=True)
        return names, codes.reshape(-1)
    if values.dtype.kind == "i" and len(values) and int(values.max()) - int(values.min()) <= len(values):
        values = values.astype(np.int64)
        least = values.min()
        found = np.bincount(values - least)
        return np.flatnonzero(found) + least, (np.cumsum(found > 0) - 1)[values - least]
    plain = values.tolist()
    names = np.array(sorted(set(plain)), dtype=values.dtype)
    place = {name: at for at, name in enumerate(names.tolist())}
    return names, np.fromiter(map(place.__getitem__, plain), dtype=np.int64, count=len(plain))


def _blocks(ids: NDArray[Any]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    names, codes = by_name(ids)
    first = np.full(len(names), len(codes))
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    order = np.argsort(first, kind="stable")
    place = np.empty(len(names), dtype=np.int64)
    place[order] = np.arange(len(names))
    return tuple(str(n) for n in names[order]), place[codes]
