"""A process that scores chunks: the job comes on its first line of input, then a chunk a line; it answers a line each.

``python -m plimsoll.operations.scoring.work``, at a lower priority than what serves. It ends with whoever began it: its
input ends then.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from plimsoll.capability import Capability
from plimsoll.errors import PlimsollError
from plimsoll.features import FeatureSchema
from plimsoll.operations.scoring.answering import Answering, form_of, named, output_schema
from plimsoll.operations.scoring.files import opened
from plimsoll.operations.scoring.job import Chunk, Done, Failure, Job
from plimsoll.operations.scoring.parts import Parts, digest_of
from plimsoll.store import unavailable

BATCH_ROWS = 65_536
"""Rows that are in memory at once: 5 MB of twenty float32 features."""
PRIORITY = 5


class Worker:
    """Scores the chunks of one job, one after the other."""

    def __init__(self, job: Job, out: Path) -> None:
        self._job, self._parts = job, Parts(out)
        self._answering = Answering(job)
        self._columns = wanted(self._answering.capability, self._answering.schemas, job.kept)

    def score(self, chunk: Chunk) -> Done:
        """Write the chunk's part, durably. Raises Unavailable where it cannot be written."""
        import pyarrow as pa  # type: ignore[import-untyped]

        part = self._parts.part(chunk.n)
        aside = part.with_suffix(f".{os.getpid()}.aside")
        before = self._answering.errors
        try:
            self._write(chunk, aside)
            _flush(aside)
            aside.rename(part)
        except (OSError, pa.ArrowException) as error:
            if isinstance(error, OSError):
                raise unavailable(f"scoring chunk {chunk.n}", part, error) from error
            raise
        finally:
            aside.unlink(missing_ok=True)
        return Done(n=chunk.n, rows=chunk.rows, errors=self._answering.errors - before, digest=digest_of(part))

    def _write(self, chunk: Chunk, target: Path) -> None:
        import pyarrow as pa

        path = Path(self._job.inputs[chunk.input].rows_path)
        with opened(path) as file:
            there = file.schema_arrow
            names = [name for name in self._columns if name in there.names]
            schema = output_schema(there, self._job.kept, self._answering.capability.task.classes)
            with pa.OSFile(str(target), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
                for batch in file.iter_batches(BATCH_ROWS, list(chunk.groups), names, use_threads=False):
                    writer.write_batch(self._answering.answer(batch))


def wanted(capability: Capability, schemas: Sequence[FeatureSchema], kept: Sequence[str]) -> tuple[str, ...]:
    """The columns that are read: what features, unit, block and output need; all of a question's for a fallback."""
    source = capability.source
    names = [*(c for schema in schemas for c in schema.columns), *named(capability), source.asked_at, *kept]
    if capability.fallback is not None:
        names += form_of(capability).entries
    return tuple(dict.fromkeys(names))


def _flush(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def main(out: Path) -> int:
    """Until the input ends."""
    os.nice(PRIORITY)
    lines = sys.stdin.buffer
    try:
        worker = Worker(msgspec.json.decode(lines.readline(), type=Job), out)
        for line in lines:
            _say(worker.score(msgspec.json.decode(line, type=Chunk)))
    except PlimsollError as error:
        _say(Failure(error=type(error).__name__, message=error.message, hint=error.hint))
        return error.exit_code
    return 0


def _say(document: Done | Failure) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(document) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
