"""The response cache: what is kept, for how long, and what it saved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from plimsoll.circuit import State
from plimsoll.kernel.records import Answer
from plimsoll.serving.caching.flights import Flights
from plimsoll.serving.caching.kept import Kept


class Answers(Protocol):
    """Where answers are kept by key. Never raises: what is away has nothing, and keeps nothing."""

    inline: bool
    """Whether it does no I/O."""
    used_bytes: int
    """Of this process's memory."""

    @property
    def circuit(self) -> State:
        """Of the way to where they are: closed for what is in the process."""
        ...

    def get(self, keys: Sequence[bytes]) -> Sequence[Kept | None]: ...

    def put(self, keys: Sequence[bytes], kept: Sequence[Kept], ttl_s: float) -> None: ...

    def close(self) -> None: ...


class Counts(NamedTuple):
    """Since the start. ``saved_s``: the time that the release took when it answered what was given again."""

    hits: int = 0
    waited: int = 0  # for another request's answer: hits, too
    misses: int = 0
    saved_s: float = 0.0


class AnswerCache:
    """The seam ``ResponseCache`` over ``answers``; each is given again for ``ttl_s``."""

    def __init__(self, answers: Answers, *, ttl_s: float, wait_s: float = 1.0) -> None:
        self.inline = answers.inline
        self.counts = Counts()
        self._answers = answers
        self._ttl_s = ttl_s
        self._flights = Flights(wait_s)

    def find(self, keys: Sequence[bytes]) -> list[Answer | None]:
        """What is kept, in order. Whoever finds None asks, and must then ``keep`` the answer or ``give_up`` the key."""
        kept = self._answers.get(keys)
        found: list[Answer | None] = [None] * len(keys)
        if any(kept):
            found = [None if one is None else one.answer for one in kept]
        missing = [i for i, answer in enumerate(found) if answer is None]
        waited = 0
        if missing:
            boarding = keys if len(missing) == len(keys) else [keys[i] for i in missing]
            for i, answer in zip(missing, self._flights.board(boarding), strict=True):
                if answer is not None:
                    found[i] = answer
                    waited += 1
        self._count(len(keys) - len(missing), waited, len(missing) - waited, sum(one.made_s for one in kept if one))
        return found

    def _count(self, hits: int, waited: int, misses: int, saved_s: float) -> None:
        before = self.counts
        self.counts = Counts(
            before.hits + hits + waited, before.waited + waited, before.misses + misses, before.saved_s + saved_s
        )

    def keep(self, keys: Sequence[bytes], answers: Sequence[Answer]) -> None:
        """Keep these, which were asked together. None of them has an error."""
        if keys:
            each_s = max(answer.latency_ms for answer in answers) / 1000.0 / len(keys)
            self._answers.put(keys, [Kept(answer, each_s) for answer in answers], self._ttl_s)
        self._flights.land(keys, answers)

    def give_up(self, keys: Sequence[bytes]) -> None:
        """There was no answer to these; who waits for one asks by itself."""
        self._flights.land(keys, [None] * len(keys))

    @property
    def used_bytes(self) -> int:
        """Held in this process; 0 where they are kept elsewhere."""
        return self._answers.used_bytes

    @property
    def circuit(self) -> State:
        """The state of the way to what is kept."""
        return self._answers.circuit

    def close(self) -> None:
        self._answers.close()
