"""One answer that is kept, and what it is as bytes: in the process it is kept as it is, elsewhere written out."""

from __future__ import annotations

import msgspec

from plimsoll.kernel.records import Answer

_ANSWER_BYTES, _PROBABILITY_BYTES = 200, 32


class Kept(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """``made_s``: the time that the release took for it."""

    answer: Answer
    made_s: float

    @property
    def size_bytes(self) -> int:
        """Of memory that nobody else holds, as measured: its row of features, its score, and the objects themselves."""
        answer = self.answer
        score_bytes = _PROBABILITY_BYTES * len(answer.score) if type(answer.score) is tuple else 0
        return _ANSWER_BYTES + len(answer.features) + score_bytes


written = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(Kept)


def read(value: bytes | None) -> Kept | None:
    """What was written; nothing where it is not what we wrote (an older program, another hand)."""
    if value is None:
        return None
    try:
        return _decoder.decode(value)
    except (msgspec.DecodeError, ValueError):
        return None
