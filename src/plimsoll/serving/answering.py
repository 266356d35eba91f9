"""One release answers a batch. Whatever goes wrong becomes an answer with an error: errors are outcomes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from plimsoll.errors import PlimsollError
from plimsoll.kernel.records import Answer, Role
from plimsoll.serving.batch import Batch
from plimsoll.serving.replica import Loaded
from plimsoll.serving.timing import Timing

See = Callable[[Loaded, Batch], Any]


def answers(
    loaded: Loaded,
    batch: Batch,
    *,
    role: Role,
    timing: Timing,
    timeout_ms: float,
    seen: Any = None,
) -> list[Answer]:
    """What ``loaded`` says to each question, in order; one prediction for all of them.

    ``seen`` are its features where they are known already. If the batch as a whole fails, each question is asked
    alone, so that one bad row does not answer for its neighbours.
    """
    started_ms = timing.now_ms()
    try:
        rows = loaded.see(batch) if seen is None else seen
        scores = loaded.predict(rows).tolist()
        timing.hold(loaded.drill)
    except Exception as error:  # noqa: BLE001 - the supervisor of engines: whatever one raises is kept as its answer
        if len(batch) > 1:
            each = (batch.take([i]) for i in range(len(batch)))
            return [a for one in each for a in answers(loaded, one, role=role, timing=timing, timeout_ms=timeout_ms)]
        return [failed(loaded.release, role, reason(error), timing.now_ms() - started_ms)]
    elapsed_ms = timing.now_ms() - started_ms
    latencies = timing.latencies_ms(loaded.release, batch.ids, elapsed_ms, loaded.drill)
    return _judged(loaded, role, batch.ids, scores, latencies, rows, timeout_ms)


def _judged(
    loaded: Loaded,
    role: Role,
    ids: Sequence[str],
    scores: Sequence[Any],
    latencies: Sequence[float],
    rows: Any,
    timeout_ms: float,
) -> list[Answer]:
    """Scores as answers; too late is an error, and so is a drilled fault."""
    packed, width = _packed(rows)
    release, drill = loaded.release, loaded.drill
    said = []
    for i, (event, score, latency_ms) in enumerate(zip(ids, scores, latencies, strict=True)):
        if latency_ms > timeout_ms:
            said.append(failed(release, role, f"timeout: over {timeout_ms:g} ms", latency_ms))
        elif drill.error_share and drill.raises(event, release):
            said.append(failed(release, role, "drill: raised", latency_ms))
        else:
            said.append(
                Answer(
                    release=release,
                    role=role,
                    score=tuple(score) if isinstance(score, list) else score,
                    latency_ms=latency_ms,
                    features=packed[i * width : (i + 1) * width],
                )
            )
    return said


def failed(release: str, role: Role, why: str, latency_ms: float = 0.0) -> Answer:
    """An answer that is none: the reason instead of a score."""
    return Answer(release=release, role=role, error=why, latency_ms=latency_ms)


def reason(error: Exception) -> str:
    """One short line: what a person needs to find the fault, and no more than an event should carry."""
    text = error.message if isinstance(error, PlimsollError) else f"{type(error).__name__}: {error}"
    return text.splitlines()[0][:200] if text else type(error).__name__


def _packed(rows: Any) -> tuple[bytes, int]:
    """A matrix as little-endian float32 bytes and the bytes of a row; a fallback has neither."""
    if not isinstance(rows, np.ndarray):
        return b"", 0
    return rows.astype("<f4", copy=False).tobytes(), rows.shape[1] * 4
