"""The upkeep beside the loop: closed segments become Parquet, and what need not be kept is deleted.

Compaction runs in a process of its own, at the lowest priority and with bounded memory; it is ended with this one, and
killing it loses nothing. Nothing here ever stops the loop or the server: what fails is said, and tried again.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from plimsoll.errors import PlimsollError
from plimsoll.kernel.ports import Clock
from plimsoll.store import Retention, has_sealed

_log = logging.getLogger(__name__)

EVERY_S = 60.0
LONGEST_S = 1_800.0
"""A compaction that takes longer is ended: it hangs."""
_POLL_S = 0.2


class Chore(NamedTuple):
    """Work in a process of its own, at most every ``every_s``: ``command`` gets ``given`` on its standard input."""

    what: str
    command: Sequence[str]
    given: bytes = b""
    every_s: float = 0.0


class Upkeep:
    """Looks after one folder of segments every ``every_s``, on a thread of its own.

    ``needed_since``: the time from which on a decision may still need events; None while nobody knows, and then nothing
    is deleted. ``say`` hears what was deleted. ``chores`` are done before that: what is to outlive the events is taken out of
    them there. ``sweeps`` delete what is not needed elsewhere, and return a sentence for each thing.
    """

    def __init__(
        self,
        folder: Path,
        *,
        retention: Retention,
        clock: Clock,
        needed_since: Callable[[], datetime | None],
        say: Callable[[str], None],
        chores: Sequence[Chore] = (),
        sweeps: Sequence[Callable[[], Sequence[str]]] = (),
        every_s: float = EVERY_S,
    ) -> None:
        self.folder, self.retention, self.clock, self.every_s = folder, retention, clock, every_s
        self.needed_since, self.say, self.chores = needed_since, say, tuple(chores)
        self.sweeps = tuple(sweeps)
        self._done_at: dict[str, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="plimsoll-upkeep", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End now; a compaction that is under way is killed, and done again another time."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=30)

    def once(self) -> None:
        """Compact what was closed, then delete what need not be kept."""
        if has_sealed(self.folder):
            self._compact()
        for chore in self.chores:
            self._on_time(chore)
        needed_since = self.needed_since()
        if needed_since is not None and not self._stop.is_set():
            for sentence in self.retention.sweep(self.clock.now(), needed_since):
                self.say(sentence)
        for sweep in () if self._stop.is_set() else self.sweeps:
            for sentence in sweep():
                self.say(sentence)

    def _compact(self) -> None:
        command = [sys.executable, "-m", "plimsoll.store.events.compacting", str(self.folder)]
        self._do(Chore("compacting the events", command))

    def _on_time(self, chore: Chore) -> None:
        done_at = self._done_at.get(chore.what)
        if self._stop.is_set() or (done_at is not None and time.monotonic() - done_at < chore.every_s):
            return
        self._do(chore)
        self._done_at[chore.what] = time.monotonic()

    def _do(self, chore: Chore) -> None:
        child = subprocess.Popen(
            chore.command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        try:
            assert child.stdin is not None
            child.stdin.write(chore.given)
            child.stdin.close()
            failed = self._ended(child)
        finally:
            child.kill()
            child.wait()
            assert child.stderr is not None
            with child.stderr as stream:
                said = stream.read().decode(errors="replace")
        if failed:
            _log.warning("%s failed, and is tried again: %s", chore.what, said.strip()[-500:])

    def _ended(self, child: subprocess.Popen[bytes]) -> bool:
        """Whether it failed; False where it was only told to stop."""
        left_s = LONGEST_S
        while left_s > 0 and not self._stop.is_set():
            try:
                return child.wait(_POLL_S) != 0
            except subprocess.TimeoutExpired:
                left_s -= _POLL_S
        return not self._stop.is_set()

    def _run(self) -> None:
        while not self._stop.wait(self.every_s):
            try:
                self.once()
            except PlimsollError as error:
                _log.warning("the upkeep failed, and is tried again: %s", error.message)
            except Exception:  # noqa: BLE001 - the supervisor of the upkeep; said in full
                _log.exception("the upkeep failed, and is tried again")
