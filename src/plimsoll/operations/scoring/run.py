"""One scoring from beginning to end: plan, hand out, gather in order, put in place, say so in the ledger."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import NamedTuple

import msgspec

from plimsoll import errors
from plimsoll.capability import Capability
from plimsoll.data import Snapshots
from plimsoll.errors import Broken, PlimsollError, Unavailable, UsageError
from plimsoll.features import FeatureSchema
from plimsoll.kernel.chain import Entry
from plimsoll.kernel.digest import short
from plimsoll.kernel.ports import ReleaseRow
from plimsoll.operations.materialise import EPOCH, microseconds_of
from plimsoll.operations.scoring.answering import form_of, named, score_columns
from plimsoll.operations.scoring.files import arrow, chunks_of, taken
from plimsoll.operations.scoring.job import Chunk, Done, Failure, Job
from plimsoll.operations.scoring.output import Output, format_of
from plimsoll.operations.scoring.parts import Parts, digest_of
from plimsoll.operations.yard import Yard
from plimsoll.store import sync_folder, unavailable

Progress = Callable[[int, int, float], None]
"""(rows done, rows in all, rows a second of this run) → None"""
_ENDS_WITHIN_S = 10.0


class Scored(NamedTuple):
    """What came out: rows, how many of them have an error, how many were done before this run, and the file's digest."""

    rows: int
    errors: int
    again: int
    digest: str


def score(
    capability: Capability,
    row: ReleaseRow,
    inputs: Sequence[Path],
    out: Path,
    *,
    yard: Yard,
    objects: Path,
    trust: Path,
    previous: ReleaseRow | None = None,
    keep: Sequence[str] = (),
    processes: int = 0,
    progress: Progress = lambda done, of, per_s: None,
    actor: str = "",
) -> Scored:
    """Score the rows of ``inputs`` with ``row`` into ``out``; go on where an earlier call of the same was ended.

    ``previous``: who stands in where the release's rule says so. ``keep``: columns of the input that the output has too,
    besides the unit. ``processes``: 0 is one for each processor that this one may use. Raises UsageError where ``out`` is
    there already or the inputs are not questions, Refused where the release does not reproduce its golden answers,
    Unavailable where there is no room or a process was killed.
    """
    arrow()
    parts = Parts(out)
    chosen = format_of(out)
    if out.exists() and not parts.folder.exists():
        raise UsageError(f"{out} is there already", hint="name another file, or remove it first")
    with parts.held():
        kept = tuple(dict.fromkeys((capability.source.unit, *named(capability), *keep)))
        _check_names(kept, capability)
        files = taken(inputs, form_of(capability), kept, parts.folder)
        job, done = parts.begun(
            Job(
                folder=str(capability.folder),
                objects=str(objects),
                trust=str(trust),
                release=row,
                previous=previous,
                inputs=files,
                chunks=chunks_of(files),
                kept=kept,
                asked_at_us=microseconds_of(yard.clock.now()),
                feeds=_feeds([r for r in (row, previous) if r is not None], yard),
                format=chosen,
            )
        )
        again = sum(part.rows for part in done.values())
        every = _gathered(job, out, parts, done, processes or len(os.sched_getaffinity(0)), progress)
        scored = Scored(job.rows, sum(part.errors for part in every), again, digest_of(out))
        _note(job, out, scored, yard, actor)
        parts.clear()
    return scored


def _check_names(kept: Sequence[str], capability: Capability) -> None:
    ours = [*score_columns(capability.task.classes), "action", "reason", "confidence", "error"]
    for name in kept:
        if name in ours:
            raise UsageError(f"the output has a column {name!r} of its own", hint="rename the input's, or keep it out")


def _feeds(rows: Sequence[ReleaseRow], yard: Yard) -> dict[str, tuple[str, ...]]:
    """The newest snapshot's files of every feed that the releases' views read."""
    found: dict[str, tuple[str, ...]] = {}
    snapshots = Snapshots(yard.objects, yard.catalog)
    schemas = [FeatureSchema.from_plain(row.manifest.settings["schema"]) for row in rows]
    for binding in (binding for schema in schemas for binding in schema.views):
        snapshot = yard.catalog.snapshot(binding.feed)
        if snapshot is None:
            raise Unavailable(
                f"the view {binding.view!r} reads {binding.feed!r}, of which there is no snapshot here",
                hint="plimsoll release takes one in",
            )
        files = snapshots.materialise(snapshot, yard.folder / "snapshots")
        found[binding.feed] = tuple(str(path) for path in files)
    return found


def _gathered(
    job: Job, out: Path, parts: Parts, done: dict[int, Done], processes: int, progress: Progress
) -> list[Done]:
    """Score what is missing, add each part to the output when its turn comes, and put the output in place."""
    aside = parts.folder / f"output.{job.format}"
    missing = [chunk for chunk in job.chunks if chunk.n not in done]
    began_s, before = time.monotonic(), sum(part.rows for part in done.values())
    try:
        with Output(job, aside) as output, ExitStack() as stack:
            arriving = stack.enter_context(_Crew(job, out, missing, processes)).results() if missing else iter(())
            for chunk in job.chunks:
                while chunk.n not in done:
                    part = next(arriving)
                    parts.append(part)
                    done[part.n] = part
                    so_far = sum(p.rows for p in done.values())
                    progress(so_far, job.rows, (so_far - before) / max(time.monotonic() - began_s, 1e-9))
                output.add(parts.part(chunk.n))
        _put_in_place(aside, out)
    except OSError as error:
        raise unavailable("writing the scores", out, error) from error
    return [done[chunk.n] for chunk in job.chunks]


def _put_in_place(aside: Path, out: Path) -> None:
    fd = os.open(aside, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
    aside.rename(out)
    sync_folder(out.parent)


class _Crew:
    """The processes that score, each with one chunk at a time; a thread each hands out and listens."""

    def __init__(self, job: Job, out: Path, missing: Sequence[Chunk], processes: int) -> None:
        self._job, self._out = job, out
        self._todo: SimpleQueue[Chunk | None] = SimpleQueue()
        self._said: SimpleQueue[Done | Failure | None] = SimpleQueue()
        self._count = min(processes, len(missing))
        for chunk in missing:
            self._todo.put(chunk)
        for _ in range(self._count):
            self._todo.put(None)
        self._left = len(missing)
        self._children: list[subprocess.Popen[bytes]] = []
        self._threads: list[Thread] = []

    def __enter__(self) -> _Crew:
        for _ in range(self._count):
            child = subprocess.Popen(
                [sys.executable, "-m", "plimsoll.operations.scoring.work", str(self._out)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            thread = Thread(target=self._lead, args=(child,), daemon=True)
            self._children.append(child)
            self._threads.append(thread)
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End the processes: they have nothing more to do, or somebody has to look at why not."""
        for child in self._children:
            if child.poll() is None:
                child.terminate()
        for child, thread in zip(self._children, self._threads, strict=True):
            child.wait(_ENDS_WITHIN_S)
            thread.join(_ENDS_WITHIN_S)
            for stream in (child.stdin, child.stdout):
                if stream is not None:
                    stream.close()

    def results(self) -> Iterator[Done]:
        """The chunks as they are done, in any order. Raises what a process met."""
        for _ in range(self._left):
            said = self._said.get()
            if isinstance(said, Done):
                yield said
            else:
                raise _met(said, self._children)

    def _lead(self, child: subprocess.Popen[bytes]) -> None:
        """Give ``child`` its job, then a chunk at a time, and pass on what it says; None when it is gone."""
        assert child.stdin is not None and child.stdout is not None
        try:
            child.stdin.write(msgspec.json.encode(self._job) + b"\n")
            while (chunk := self._todo.get()) is not None:
                child.stdin.write(msgspec.json.encode(chunk) + b"\n")
                child.stdin.flush()
                line = child.stdout.readline()
                self._said.put(msgspec.json.decode(line, type=Done | Failure) if line else None)
                if not line:
                    return
            child.stdin.close()
        except BrokenPipeError:
            line = child.stdout.readline()
            self._said.put(msgspec.json.decode(line, type=Failure) if line else None)


def _met(said: Failure | None, children: Sequence[subprocess.Popen[bytes]]) -> PlimsollError:
    if said is None:
        for child in children:
            code = child.poll()
            if code is not None and code < 0:
                return Unavailable(
                    f"a scoring process was killed (signal {-code})", hint="give the same command again: it goes on"
                )
        return Broken("a scoring process ended without a word", hint="what it wrote stands above")
    kind = getattr(errors, said.error, Broken)
    found: PlimsollError = kind(said.message, hint=said.hint)
    return found


def _note(job: Job, out: Path, scored: Scored, yard: Yard, actor: str) -> None:
    """The line of the ledger: what was scored, with which release. No row of it."""
    names = ", ".join(Path(given.path).name for given in job.inputs[:3])
    yard.catalog.append(
        [
            Entry(
                at=yard.clock.now(),
                capability=job.release.capability,
                kind="scored",
                subject=job.release.digest,
                summary=f"{scored.rows:,} rows of {names} scored with {short(job.release.digest)} into {out.name}",
                actor=actor or "score",
                body={
                    "inputs": [
                        {"name": Path(given.path).name, "size_bytes": given.size_bytes, "rows": given.rows}
                        for given in job.inputs
                    ],
                    "output": {"name": out.name, "digest": scored.digest, "rows": scored.rows, "errors": scored.errors},
                    "asked_at": EPOCH + timedelta(microseconds=job.asked_at_us),
                },
            )
        ]
    )
