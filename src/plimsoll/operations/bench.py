"""The workbench: from snapshots and features to matrices. Timelines are compiled once per state of their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plimsoll.capability import Capability
from plimsoll.errors import UsageError
from plimsoll.features import Binding, FeatureSchema, Timeline, TrainingSet, View, compile, read_columns, training_set
from plimsoll.kernel.block import namer
from plimsoll.operations.intake import Taken
from plimsoll.stats.resample import placed


class Timelines:
    """Compiled timelines by (view's digest, feed, rows). Keeps the newest few in memory; compiling is deterministic."""

    def __init__(self, most: int = 24) -> None:
        self._most = most
        self._held: dict[tuple[str, str, tuple[str, ...]], Timeline] = {}
        self.leaks: dict[tuple[str, str], str] = {}  # (view's digest, feed) → what it tells too early, "" for nothing

    def of(self, view: View, feed: str, files: Sequence[Path]) -> Timeline:
        key = (view.digest, feed, tuple(p.name for p in files))
        if key not in self._held:
            self._held[key] = compile(view, files)
            while len(self._held) > self._most:
                del self._held[next(iter(self._held))]
        return self._held[key]

    def for_schema(
        self, schema: FeatureSchema, views: Sequence[View], taken: Mapping[str, Taken]
    ) -> dict[str, Timeline]:
        """By the view's name, each from the feed that the schema binds it to. ``views`` are looked up by their code."""
        return {b.view: self.of(self.view(b, views), b.feed, taken[b.feed].files) for b in schema.views}

    @staticmethod
    def view(binding: Binding, views: Sequence[View]) -> View:
        """The view that a release was built with, among those declared. Raises UsageError if its code has changed."""
        for view in views:
            if view.digest == binding.digest:
                return view
        raise UsageError(
            f"the code of the view {binding.view!r} is no longer what a deployed release was built with",
            hint="give the changed view another name, and keep the old one under retired=[…] until it is superseded",
        )


@dataclass(frozen=True, slots=True)
class Questions:
    """The source's rows as columns, ordered by time and unit, each with its block."""

    columns: dict[str, NDArray[Any]]
    blocks: NDArray[Any]
    asked_at: NDArray[np.datetime64]

    def take(self, rows: NDArray[np.bool_]) -> Questions:
        return Questions({k: v[rows] for k, v in self.columns.items()}, self.blocks[rows], self.asked_at[rows])

    def __len__(self) -> int:
        return len(self.asked_at)


def questions_of(capability: Capability, source: Taken, also: Sequence[str] = ()) -> Questions:
    """The questions of a snapshot with every column that features, label, slices, fallback and blocks may read."""
    s = capability.source
    names = [c.name for c in source.contract.columns]
    wanted = [n for n in dict.fromkeys((*names, *also)) if n]
    columns = read_columns(source.files, wanted, order=[s.asked_at, s.unit])
    asked_at = columns[s.asked_at].astype("datetime64[us]")
    return Questions(columns, blocks_of(capability, columns, asked_at), asked_at)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PART_OF_A_DAY = timedelta(minutes=15)
"""Lies in one local day in every time zone."""


def blocks_of(
    capability: Capability, columns: Mapping[str, NDArray[Any]], asked_at: NDArray[np.datetime64]
) -> NDArray[Any]:
    """Each question's block, as serving derives it: local day, a length of time, or a column."""
    s = capability.source
    length = s.block_length
    if length is None:
        if s.block not in columns:
            raise UsageError(
                f"{capability.name}: block={s.block!r} is neither 'day' nor 'hour' nor a length nor a column of {s.name!r}"
            )
        return np.array([str(v) for v in columns[s.block]], dtype=object)
    step = min(length, _PART_OF_A_DAY) // timedelta(microseconds=1)
    began, where = np.unique(asked_at.astype("datetime64[us]").astype(np.int64) // step, return_inverse=True)
    name = namer(s.block, s.timezone)
    names = [name(_EPOCH + timedelta(microseconds=int(b) * step)) for b in began]
    return np.array(names, dtype=object)[where]


def numbered(blocks: NDArray[Any]) -> NDArray[np.int64]:
    """The blocks of rows in order of time, as numbers in that order."""
    return placed(blocks.astype(str))[1]


@dataclass(frozen=True, slots=True)
class Parts:
    """Questions split by time: what may be learnt from, and what judges."""

    train: Questions
    gate: Questions


def split(capability: Capability, questions: Questions, now: datetime) -> Parts:
    """The last complete blocks are the gate's, those before are for training.

    A block is complete when all its questions are past their maturity, so that the gate never rests on the fast
    half. Raises UsageError where there are too few blocks, naming how many there are.
    """
    wanted = capability.split.gate_blocks
    mature = questions.asked_at + np.timedelta64(int(capability.maturity / timedelta(microseconds=1)), "us")
    limit = np.datetime64(now.astimezone(UTC).replace(tzinfo=None), "us")
    _, first, codes = np.unique(questions.blocks, return_index=True, return_inverse=True)
    order = np.argsort(questions.asked_at[first], kind="stable")
    immature = set(codes[mature > limit].tolist())
    complete = [int(code) for code in order if int(code) not in immature]
    if len(complete) <= wanted:
        raise UsageError(
            f"{capability.name}: {len(complete)} complete blocks are too few: the gate takes {wanted}, and training "
            "needs at least one before them",
            hint="wait for more data, or lower split=Split(gate_blocks=…)",
        )
    gate, train = complete[-wanted:], complete[:-wanted]
    if capability.split.train_blocks is not None:
        train = train[-capability.split.train_blocks :]
    return Parts(
        questions.take(np.isin(codes, train)),
        questions.take(np.isin(codes, gate)),
    )


def matrix_of(
    capability: Capability, schema: FeatureSchema, questions: Questions, timelines: Mapping[str, Timeline]
) -> TrainingSet:
    """The joined set of ``questions``; unlabelled rows are kept with NaN."""
    s = capability.source
    return training_set(
        schema=schema,
        columns=questions.columns,
        timelines=timelines,
        unit=s.unit,
        asked_at=s.asked_at,
        blocks=questions.blocks,
        label=capability.task.label,
        classes=capability.task.classes,
        slices=[
            c
            for c in dict.fromkeys((*capability.slices, *(r.by or "" for r in capability.gate), capability.task.group))
            if c
        ],
        group=capability.task.group,
    )
