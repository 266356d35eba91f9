"""One release answers a batch. Whatever goes wrong becomes an answer with an error: errors are outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from plimsoll.errors import PlimsollError, Unavailable
from plimsoll.features import Ages
from plimsoll.kernel.records import Answer, Role
from plimsoll.serving.batch import Batch
from plimsoll.serving.drill import NO_DRILL
from plimsoll.serving.replica import Loaded, PackedRows
from plimsoll.serving.timing import Timing


class Said(msgspec.Struct, frozen=True):
    """What a release said to each question, in order, and how long its two parts took for all of them together.

    ``ages``: how old the rows were that it looked up, by view; empty where it looked nothing up. ``plain``: each of them
    is known to have a score.
    """

    answers: list[Answer]
    features_ms: float = 0.0
    engine_ms: float = 0.0
    ages: Sequence[Ages] = ()
    plain: bool = False


class Timeouts(NamedTuple):
    """How long the parts of an answer may take, in ms: looking features up; features and engine together."""

    features_ms: float = 500.0
    answer_ms: float = 1_000.0


def ask(
    loaded: Loaded,
    batch: Batch,
    *,
    role: Role,
    timing: Timing,
    timeouts: Timeouts,
    seen: Any = None,
) -> Said:
    """What ``loaded`` says to each question; one prediction for all of them.

    ``seen`` are its features where they are known already. If the batch as a whole fails, each question is asked
    alone, so that one bad row does not answer for its neighbours; but not where something is away, or the features
    took too long: then it would be asked again for each of them.
    """
    started_ms = looked_ms = timing.now_ms()
    ages: list[Ages] = []
    try:
        rows = loaded.see(batch, ages) if seen is None else seen
        looked_ms = timing.now_ms()
        if looked_ms - started_ms > timeouts.features_ms:
            why = f"timeout: features took over {timeouts.features_ms:g} ms"
            return _all_failed(loaded, batch, role, why, looked_ms - started_ms)
        scores = loaded.predict(rows).tolist()
        if loaded.drill is not NO_DRILL:
            timing.hold(loaded.drill)
    except Unavailable as error:
        return _all_failed(loaded, batch, role, f"unavailable: {reason(error)}"[:200], timing.now_ms() - started_ms)
    except Exception as error:  # noqa: BLE001 - the supervisor of engines: whatever one raises is kept as its answer
        if len(batch) > 1:
            return _each_alone(loaded, batch, role=role, timing=timing, timeouts=timeouts)
        return Said([failed(loaded.release, role, reason(error), timing.now_ms() - started_ms)])
    ended_ms = timing.now_ms()
    latencies = timing.latencies_ms(loaded.release, batch.ids, ended_ms - started_ms, loaded.drill)
    said = _answers(loaded, role, scores, latencies, _features(rows, len(batch)))
    plain = loaded.drill is NO_DRILL and max(latencies, default=0.0) <= timeouts.answer_ms
    if not plain:
        _mark_failed(said, loaded, role, batch.ids, latencies, timeouts.answer_ms)
    return Said(said, looked_ms - started_ms, ended_ms - looked_ms, ages, plain)


def _all_failed(loaded: Loaded, batch: Batch, role: Role, why: str, took_ms: float) -> Said:
    """None of them has an answer, for the same reason."""
    return Said([failed(loaded.release, role, why, took_ms)] * len(batch), took_ms)


def _each_alone(loaded: Loaded, batch: Batch, *, role: Role, timing: Timing, timeouts: Timeouts) -> Said:
    said = [ask(loaded, batch.take([i]), role=role, timing=timing, timeouts=timeouts) for i in range(len(batch))]
    ages = [s.ages[0] if s.ages else {} for s in said]
    return Said([s.answers[0] for s in said], sum(s.features_ms for s in said), sum(s.engine_ms for s in said), ages)


def _answers(
    loaded: Loaded, role: Role, scores: Sequence[Any], latencies: Sequence[float], features: Sequence[bytes]
) -> list[Answer]:
    """Scores as answers."""
    release = loaded.release
    if scores and isinstance(scores[0], list):
        scores = [tuple(score) for score in scores]
    return [
        Answer(release=release, role=role, score=score, latency_ms=latency_ms, features=row)
        for score, latency_ms, row in zip(scores, latencies, features, strict=True)
    ]


def _mark_failed(
    said: list[Answer],
    loaded: Loaded,
    role: Role,
    ids: Sequence[str],
    latencies: Sequence[float],
    timeout_ms: float,
) -> None:
    """Too late is an error, and so is a drilled fault."""
    release, drill = loaded.release, loaded.drill
    for i, (event, latency_ms) in enumerate(zip(ids, latencies, strict=True)):
        if latency_ms > timeout_ms:
            said[i] = failed(release, role, f"timeout: over {timeout_ms:g} ms", latency_ms)
        elif drill.error_share and drill.raises(event, release):
            said[i] = failed(release, role, "drill: raised", latency_ms)


def failed(release: str, role: Role, why: str, latency_ms: float = 0.0) -> Answer:
    """An answer that is none: the reason instead of a score."""
    return Answer(release=release, role=role, error=why, latency_ms=latency_ms)


def reason(error: Exception) -> str:
    """One short line: what a person needs to find the fault, and no more than an event should carry."""
    text = error.message if isinstance(error, PlimsollError) else f"{type(error).__name__}: {error}"
    return text.splitlines()[0][:200] if text else type(error).__name__


def _features(seen: Any, count: int) -> Sequence[bytes]:
    """Each row as little-endian float32 bytes; a fallback has none."""
    if isinstance(seen, PackedRows):
        return seen.each
    if not isinstance(seen, np.ndarray):
        return (b"",) * count
    packed, width = seen.astype("<f4", copy=False).tobytes(), seen.shape[1] * 4
    return [packed[i : i + width] for i in range(0, len(packed), width)]
