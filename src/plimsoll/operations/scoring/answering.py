"""Answers of a batch of rows: what a caller would have been told, to the bit, as columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from plimsoll.capability import Capability, load
from plimsoll.data import Contract
from plimsoll.errors import Refused, Unavailable, UsageError
from plimsoll.features import Timeline
from plimsoll.kernel.digest import short
from plimsoll.kernel.promise import ENDS
from plimsoll.kernel.records import FALLBACK, Answer
from plimsoll.operations.bench import Timelines
from plimsoll.operations.materialise import EPOCH
from plimsoll.operations.scoring.job import Job
from plimsoll.operations.scoring.questions import Array, Columns, refusals
from plimsoll.serving import UNSURE, Batch, Fleet, Form, StandIns, Thresholds, Turn, reason, why_of
from plimsoll.store import LocalObjects, MemoryOnline, Trust

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]

    from plimsoll.serving.replica import Loaded
    from plimsoll.serving.standing_in import Instead

Scores = NDArray[np.float64]
_ALL_WRONG = 1_000
"""Rows that may fail at the beginning of a batch before it is taken to be the wrong file."""


class Answering:
    """The release of a job, loaded in this process, with its golden answers reproduced. Raises Refused if they are not.

    What stands in for an answer is found as when serving; only an answer that was given before is not known here.
    """

    def __init__(self, job: Job) -> None:
        self.capability = load(Path(job.folder))
        self.form = form_of(self.capability)
        fleet = Fleet(self.capability, LocalObjects(job.objects), MemoryOnline(), trust=Trust(job.trust))
        refused = fleet.ensure([row for row in (job.release, job.previous) if row is not None])
        if job.release.digest in refused:
            raise Refused(f"release {short(job.release.digest)} is not ready here: {refused[job.release.digest]}")
        self._fleet = fleet.loaded
        self._release: Loaded = self._fleet[job.release.digest]
        self._previous = job.previous.digest if job.previous else ""
        self._policy, self._stand_ins = Thresholds(), StandIns()
        self._timelines = {name: _timelines(job, self.capability, loaded) for name, loaded in self._fleet.items()}
        self._asked_at_us = job.asked_at_us
        self._kept = job.kept
        self._classes = self.capability.task.classes
        self.schemas = [loaded.schema for loaded in self._fleet.values()]
        self.errors = 0

    def answer(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The output's rows for ``batch``, in order."""
        columns, count = Columns(batch, self.capability.source.asked_at, self._asked_at_us), len(batch)
        refused = refusals(columns, self.form, named(self.capability), count)
        scores, errors = self._scores(self._release, columns, count)
        judged = self._policy.judge(self._release, _listed(scores, errors), self.capability.task.kind)
        odd = (
            {row: reason for row, reason in enumerate(judged.reasons) if reason == UNSURE}
            if any(judged.reasons)
            else {}
        )
        odd |= {row: why_of(error) for row, error in errors.items()}
        if not (odd or errors or refused):
            return self._plain(batch, judged.confidences, scores)
        actions: list[str | None] = list(judged.actions)
        reasons: list[str] = list(judged.reasons)
        for row, instead in self._instead(columns, count, odd, errors).items():
            actions[row], reasons[row] = instead.action, instead.reason
            if instead.given is not None and instead.given.score is not None:
                scores[row] = instead.given.score
                errors.pop(row, None)
            elif instead.action in ENDS:
                errors.pop(row, None)
        for row in refused:
            actions[row], reasons[row] = None, ""
        errors |= refused
        self.errors += len(errors)
        return self._table(batch, actions, reasons, judged.confidences, scores, errors)

    def _plain(self, batch: pa.RecordBatch, confidences: Sequence[float | None], scores: Scores) -> pa.RecordBatch:
        """The usual batch: every row has its answer, and nothing has to be looked at row by row."""
        import pyarrow as pa

        count = len(batch)
        by_class = scores.reshape(count, -1)
        arrays = [batch.column(name) for name in self._kept]
        arrays += [pa.array(by_class[:, k]) for k in range(by_class.shape[1])]
        arrays += [pa.repeat("answer", count), pa.nulls(count, pa.string())]
        arrays += [pa.array(confidences, pa.float64()), pa.nulls(count, pa.string())]
        return pa.RecordBatch.from_arrays(arrays, schema=output_schema(batch.schema, self._kept, self._classes))

    def _instead(
        self, columns: Columns, count: int, odd: Mapping[int, str], errors: Mapping[int, str]
    ) -> Mapping[int, Instead]:
        """What stands in for the rows without a plain answer, by the release's own rule."""
        if not odd:
            return {}
        said = [Answer(release=self._release.release, role="live")] * count
        asked_at = [EPOCH + timedelta(microseconds=self._asked_at_us)] * count
        none = ("",) * count
        turn = Turn(
            batch=Batch((), (), ()),
            units=none,
            blocks=none,
            asked_at=asked_at,
            tenants=none,
            principals=none,
            trace_ids=none,
        )

        def ask(name: str, rows: Sequence[int]) -> list[Answer]:
            picked = _Rows(columns, list(rows), len(rows))
            scores, failed = self._scores(self._fleet[name], picked, len(rows))
            return [
                Answer(release=name, role="beside", score=None if n in failed else score, error=failed.get(n, ""))
                for n, score in enumerate(_listed(scores, failed))
            ]

        return self._stand_ins.find(turn, said, odd, loaded=self._fleet, previous=self._previous, ask=ask)

    def _scores(self, loaded: Loaded, columns: Mapping[str, Array], count: int) -> tuple[Scores, dict[int, str]]:
        """A release's score of each row; why it has none, by row."""
        scores = np.full((count, len(self._classes)) if self._classes else count, np.nan)
        failed: dict[int, str] = {}
        self._fill(loaded, columns, 0, count, scores, failed)
        return scores, failed

    def _fill(
        self, loaded: Loaded, columns: Mapping[str, Array], low: int, high: int, scores: Scores, failed: dict[int, str]
    ) -> None:
        """Score rows low…high at once; if that fails, each half by itself, so that a bad row fails alone."""
        if low == high:
            return
        try:
            rows = _Rows(columns, slice(low, high), high - low)
            scores[low:high] = loaded.predict(rows if loaded.release == FALLBACK else self._features(loaded, rows))
        except Unavailable:  # the row is not to blame: the same command goes on when it is back
            raise
        except Exception as error:
            if high - low == 1:
                failed[low] = reason(error)
                if len(failed) == _ALL_WRONG and np.isnan(scores[:high]).all():
                    raise UsageError(f"the first {_ALL_WRONG:,} rows all fail: {failed[low]}") from error
                return
            middle = (low + high) // 2
            self._fill(loaded, columns, low, middle, scores, failed)
            self._fill(loaded, columns, middle, high, scores, failed)

    def _features(self, loaded: Loaded, columns: _Rows) -> NDArray[np.float32]:
        asked = columns[self.capability.source.asked_at].astype(np.int64)
        return loaded.schema.compute(columns, asked, self._timelines[loaded.release])

    def _table(
        self,
        batch: pa.RecordBatch,
        actions: Sequence[str | None],
        reasons: Sequence[str],
        confidences: Sequence[float | None],
        scores: Scores,
        errors: Mapping[int, str],
    ) -> pa.RecordBatch:
        import pyarrow as pa

        count = len(batch)
        hidden = np.fromiter((action is None or action in ENDS for action in actions), bool, count)
        hidden[list(errors)] = True
        said: list[str | None] = [None] * count
        for row, text in errors.items():
            said[row] = text
        arrays = [batch.column(name) for name in self._kept]
        by_class = scores.reshape(count, -1)
        arrays += [pa.array(by_class[:, k], mask=hidden) for k in range(len(self._classes) or 1)]
        arrays += [pa.array(actions, pa.string()), pa.array([text or None for text in reasons], pa.string())]
        arrays += [pa.array(confidences, pa.float64()), pa.array(said, pa.string())]
        return pa.RecordBatch.from_arrays(arrays, schema=output_schema(batch.schema, self._kept, self._classes))


def _listed(scores: Scores, failed: Mapping[int, str]) -> list[Any]:
    """As serving has them: numbers, or tuples of them; None where there is none."""
    listed: list[Any] = scores.tolist() if scores.ndim == 1 else [tuple(row) for row in scores.tolist()]
    for row in failed:
        listed[row] = None
    return listed


def output_schema(given: pa.Schema, kept: Sequence[str], classes: Sequence[str]) -> pa.Schema:
    """The output's columns: those kept, the score (of each class), and what is done with it."""
    import pyarrow as pa

    fields = [given.field(name) for name in kept]
    fields += [pa.field(name, pa.float64()) for name in score_columns(classes)]
    fields += [pa.field("action", pa.string()), pa.field("reason", pa.string())]
    fields += [pa.field("confidence", pa.float64()), pa.field("error", pa.string())]
    return pa.schema(fields)


def score_columns(classes: Sequence[str]) -> list[str]:
    return [f"score_{name}" for name in classes] or ["score"]


def form_of(capability: Capability) -> Form:
    return Form.of(capability, Contract.load(capability.folder / capability.source.contract))


def named(capability: Capability) -> tuple[str, ...]:
    """The columns without which there is no question: whom it is about, and its block."""
    source = capability.source
    block = (source.block_column,) if source.block_column else ()
    return tuple(dict.fromkeys((source.sticky or source.unit, *block)))


def _timelines(job: Job, capability: Capability, loaded: Loaded) -> dict[str, Timeline]:
    made = Timelines()
    return {
        b.view: made.of(Timelines.view(b, capability.known_views), b.feed, [Path(f) for f in job.feeds[b.feed]])
        for b in loaded.schema.views
    }


class _Rows(Mapping[str, "NDArray[Any]"]):
    """Some rows of columns, each taken when it is read."""

    def __init__(self, columns: Mapping[str, Array], rows: slice | list[int], count: int) -> None:
        self._columns, self._rows, self.count = columns, rows, count

    def __getitem__(self, name: str) -> Array:
        return self._columns[name][self._rows]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)
