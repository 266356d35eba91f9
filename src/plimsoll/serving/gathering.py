"""The metrics of many workers behind one address: a scrape reaches one of them, and gets what all of them counted.

Each worker writes its own exposition to a file a few times a second; whoever is asked renews its own and answers with
all of them, each sample with the label ``worker``. Answers come from the files alone, so that no counter is ever seen to
go back, whichever worker is asked next. A file that nobody renews belongs to a worker that is gone, and is taken away:
its counters restart with its successor, as Prometheus expects of a process that was started again.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

GONE_AFTER_S = 15.0


class Gathered:
    """The folder where the workers of one home leave their expositions."""

    def __init__(
        self,
        folder: Path,
        own: Callable[[], bytes],
        *,
        worker: str = "",
        now_s: Callable[[], float] = time.time,
    ) -> None:
        """``own`` makes this worker's exposition."""
        self._folder = folder
        self._own = own
        self._worker = worker or str(os.getpid())
        self._now_s = now_s
        self._file = folder / f"{self._worker}.prom"
        self._ended = False
        self._one_at_a_time = threading.Lock()  # an older exposition must not follow a newer one
        folder.mkdir(parents=True, exist_ok=True)

    def leave(self) -> None:
        """Write down what this worker has counted until now."""
        with self._one_at_a_time:
            if self._ended:
                return
            new = self._folder / f"{self._worker}.new"
            new.write_bytes(self._own())
            new.replace(self._file)

    def take_away(self) -> None:
        """This worker ends, and leaves nothing any more."""
        with self._one_at_a_time:
            self._ended = True
            self._file.unlink(missing_ok=True)

    def text(self) -> bytes:
        """One exposition of all workers, this one as of now."""
        self.leave()
        found: dict[str, bytes] = {}
        for path in sorted(self._folder.glob("*.prom")):
            try:
                if self._now_s() - path.stat().st_mtime > GONE_AFTER_S:
                    path.unlink(missing_ok=True)
                else:
                    found[path.stem] = path.read_bytes()
            except FileNotFoundError:  # it ended between the listing and the look
                continue
        return merged(found)


def merged(expositions: Mapping[str, bytes]) -> bytes:
    """Texts in the exposition format as one: the samples of a family stay together, each with its ``worker``."""
    heads: dict[str, list[str]] = {}
    samples: dict[str, list[str]] = {}
    for worker, text in expositions.items():
        family = ""
        for line in text.decode().splitlines():
            if line.startswith("# "):
                family = line.split(" ", 3)[2]
                known = heads.setdefault(family, [])
                if line.split(" ", 3)[1] not in [k.split(" ", 3)[1] for k in known]:
                    known.append(line)
            elif line:
                heads.setdefault(family, [])
                samples.setdefault(family, []).append(_labelled(line, worker))
    lines = [line for family, head in heads.items() for line in (*head, *samples.get(family, ()))]
    return ("\n".join(lines) + "\n").encode()


def _labelled(sample: str, worker: str) -> str:
    """``name{a="b"} 1`` with one label more. A label's value may hold a brace; the name may not."""
    name, brace, rest = sample.partition("{")
    if brace and " " not in name:
        return f'{name}{{worker="{worker}",{rest}'
    name, _, value = sample.partition(" ")
    return f'{name}{{worker="{worker}"}} {value}'
