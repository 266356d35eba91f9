"""Event ids: UUID version 7 (RFC 9562, section 5.7), so that they sort by time and say when they were asked.

The server's own are random; a rehearsal's follow from its seed. Either way nobody outside can choose one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

import numpy as np

IdSource = Callable[[str, datetime], str]
"""(unit, asked at) → a new id."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_VERSION = 0x7 << 76
_VARIANT = 0b10 << 62
_RANDOM_A = 0xFFF << 64
_RANDOM_B = (1 << 62) - 1
_VARIANTS = bytes.maketrans(b"0123456789abcdef", b"89ab" * 4)
"""A random digit → the one that holds the variant and two of its bits."""
_TAIL = 21
_TAILS = 512
"""How many ids are drawn at once: reading randomness and writing it out costs ten times as much one by one."""


def random_id(unit: str, asked_at: datetime) -> str:
    """An id that nobody can guess: 74 random bits."""
    del unit
    return _written(asked_at, int.from_bytes(os.urandom(10)))


class RandomIds:
    """Ids as ``random_id`` gives them, for many at a time. One thread's, and one process's: whoever forks makes another.

    The random part of the next ids is drawn and written out beforehand; the time goes before it when one is taken.
    """

    def __init__(self) -> None:
        self._tails: list[str] = []
        self._at_ms, self._front = -1, ""

    def take(self, count: int, at_ms: int) -> list[str]:
        """``count`` new ids of questions that are asked ``at_ms`` milliseconds after the epoch."""
        tails = self._tails
        while len(tails) < count:
            tails += _tails()
        taken = tails[-count:]
        del tails[-count:]
        if at_ms != self._at_ms:
            at = f"{at_ms & 0xFFFFFFFFFFFF:012x}"
            self._at_ms, self._front = at_ms, f"{at[:8]}-{at[8:]}-7"
        front = self._front
        return [front + tail for tail in taken]


def _tails() -> list[str]:
    """What follows the version's digit, ``xxx-Vxxx-xxxxxxxxxxxx``: V has the variant and two random bits. Written for all
    of them at once, as columns of characters."""
    drawn = os.urandom(10 * _TAILS).hex().encode()
    digits = np.frombuffer(drawn, np.uint8).reshape(_TAILS, 20)
    written = np.full((_TAILS, _TAIL), ord("-"), np.uint8)
    written[:, :3] = digits[:, :3]
    written[:, 4] = np.frombuffer(drawn[3::20].translate(_VARIANTS), np.uint8)
    written[:, 5:8] = digits[:, 4:7]
    written[:, 9:] = digits[:, 7:19]
    text = written.tobytes().decode()
    return [text[i : i + _TAIL] for i in range(0, len(text), _TAIL)]


class SeededIds:
    """Ids of a rehearsal: the same seed and the same questions in the same order give the same ids."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._made = 0

    def __call__(self, unit: str, asked_at: datetime) -> str:
        self._made += 1
        text = f"{self._seed}\0{unit}\0{self._made}"
        return _written(asked_at, int.from_bytes(blake2b(text.encode(), digest_size=10).digest()))


def asked_at_of(event_id: str) -> datetime | None:
    """When the question with this id was asked, to the millisecond; None if it is no id of ours."""
    digits = event_id.replace("-", "")
    if len(event_id) != 36 or len(digits) != 32 or digits[12] != "7":
        return None
    try:
        return _EPOCH + int(digits[:12], 16) * _MILLISECOND
    except (ValueError, OverflowError):
        return None


def _written(asked_at: datetime, bits: int) -> str:
    at_ms = int(asked_at.timestamp() * 1000)
    value = (at_ms & 0xFFFFFFFFFFFF) << 80 | _VERSION | (bits & _RANDOM_A) | _VARIANT | (bits & _RANDOM_B)
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
