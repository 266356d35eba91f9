"""Workers that were replaced, and why: for whoever scrapes metrics, and for whoever asks afterwards.

The supervisor has no address of its own. So it leaves its counts beside those of the workers, where a scrape of any of
them finds them (``gathering``), and in a file of the home that outlives it, which ``plimsoll doctor`` reads. What cannot
be written is said and let go: workers are looked after on a full disk, too.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

_log = logging.getLogger(__name__)

Why = Literal["died", "silent", "memory", "asked"]
"""It ended by itself; gave no sign of life; was over its memory limit; or SIGHUP asked for a new one."""
WHYS: tuple[Why, ...] = ("died", "silent", "memory", "asked")
RENEW_EVERY_S = 5.0
_MOST_KEPT = 100


class Restart(msgspec.Struct, frozen=True):
    """One worker that was replaced."""

    at: datetime
    worker: str
    why: Why
    said: str


class RestartMetrics(Collector):
    """Counted since the supervisor started."""

    def __init__(self, counts: Counter[Why]) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        said = "Workers that were replaced: they died, fell silent, were over the memory limit, or it was asked for"
        family = CounterMetricFamily("plimsoll_worker_restarts", said, labels=("why",))
        for why in WHYS:
            family.add_metric((why,), self._counts[why])
        yield family


class Restarts:
    """What one supervisor writes down, in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._counts: Counter[Why] = Counter()
        self._registry = CollectorRegistry()
        self._registry.register(RestartMetrics(self._counts))
        self._renewed_s = 0.0

    def note(self, worker: str, why: Why, said: str) -> None:
        """``worker`` is replaced, now."""
        self._counts[why] += 1
        kept = [*restarts_in(self._folder), Restart(datetime.now(UTC), worker, why, said)][-_MOST_KEPT:]
        self._write(_file(self._folder), msgspec.json.encode(kept))
        self._renewed_s = 0.0

    def renew(self) -> None:
        """Leave the counts for a scrape, where those that lie there would soon be taken for a dead process's."""
        if time.monotonic() - self._renewed_s >= RENEW_EVERY_S:
            self._renewed_s = time.monotonic()
            self._write(self._folder / "metrics" / "supervisor.prom", generate_latest(self._registry))

    def _write(self, path: Path, data: bytes) -> None:
        new = path.with_suffix(".new")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            new.write_bytes(data)
            new.replace(path)
        except OSError as error:
            _log.warning("what workers were replaced could not be written to %s: %s", path, error.strerror)


def restarts_in(folder: Path) -> list[Restart]:
    """The newest ones, of this supervisor and of those before it, oldest first; none where nobody wrote any."""
    try:
        return msgspec.json.decode(_file(folder).read_bytes(), type=list[Restart])
    except (OSError, msgspec.MsgspecError):
        return []


def _file(folder: Path) -> Path:
    return folder / "restarts.json"
