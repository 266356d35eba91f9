"""The response cache: what is kept, for how long, and what it saved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec

from plimsoll.circuit import State
from plimsoll.kernel.records import Answer
from plimsoll.serving.caching.flights import Flights


class Answers(Protocol):
    """Where values are kept by key. Never raises: what is away has nothing, and keeps nothing."""

    inline: bool
    """Whether it does no I/O."""
    used_bytes: int
    """Of this process's memory."""

    @property
    def circuit(self) -> State:
        """Of the way to where they are: closed for what is in the process."""
        ...

    def get(self, keys: Sequence[bytes]) -> list[bytes | None]: ...

    def put(self, keys: Sequence[bytes], values: Sequence[bytes], ttl_s: float) -> None: ...

    def close(self) -> None: ...


class Counts(NamedTuple):
    """Since the start. ``saved_s``: the time that the release took when it answered what was given again."""

    hits: int = 0
    waited: int = 0  # for another request's answer: hits, too
    misses: int = 0
    saved_s: float = 0.0


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    answer: Answer
    made_s: float


_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(_Kept)


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
        values = self._answers.get(keys)
        kept = [_read(value) for value in values] if any(values) else [None] * len(values)
        found = [one.answer if one is not None else None for one in kept]
        missing = [i for i, one in enumerate(kept) if one is None]
        waited = 0
        if missing:
            for i, answer in zip(missing, self._flights.board([keys[i] for i in missing]), strict=True):
                if answer is not None:
                    found[i] = answer
                    waited += 1
        hits, misses = len(keys) - len(missing) + waited, len(missing) - waited
        saved_s = sum(one.made_s for one in kept if one is not None)
        before = self.counts
        self.counts = Counts(
            before.hits + hits, before.waited + waited, before.misses + misses, before.saved_s + saved_s
        )
        return found

    def keep(self, keys: Sequence[bytes], answers: Sequence[Answer]) -> None:
        """Keep these, which were asked together. None of them has an error."""
        if keys:
            each_s = max(answer.latency_ms for answer in answers) / 1000.0 / len(keys)
            self._answers.put(keys, [_encode(_Kept(answer, each_s)) for answer in answers], self._ttl_s)
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


def _read(value: bytes | None) -> _Kept | None:
    """What was kept; nothing where it is not what we wrote (an older program, another hand in Redis)."""
    if value is None:
        return None
    try:
        return _decoder.decode(value)
    except (msgspec.DecodeError, ValueError):
        return None
