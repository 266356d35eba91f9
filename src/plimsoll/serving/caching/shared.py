"""Answers kept in Redis, for all replicas. A call that is late is given up, and the model is asked: it fails open.

Redis bounds its memory itself: set ``maxmemory`` and ``maxmemory-policy allkeys-lru`` there.
"""

from __future__ import annotations

from collections.abc import Sequence

from plimsoll.circuit import State
from plimsoll.errors import Unavailable
from plimsoll.serving.caching.kept import Kept, read, written
from plimsoll.serving.redis_link import RedisLink


class RedisAnswers:
    """The port ``Answers`` in Redis."""

    inline = False
    used_bytes = 0

    def __init__(self, url: str, *, timeout_ms: float, prefix: str = "plimsoll") -> None:
        self.link = RedisLink(url, timeout_ms=timeout_ms)
        self._prefix = f"{prefix}:answer:".encode()

    @property
    def circuit(self) -> State:
        return self.link.circuit

    def get(self, keys: Sequence[bytes]) -> list[Kept | None]:
        names = [self._prefix + key for key in keys]
        try:
            return [read(value) for value in self.link.call(lambda client: client.mget(names))]
        except Unavailable:
            return [None] * len(keys)

    def put(self, keys: Sequence[bytes], kept: Sequence[Kept], ttl_s: float) -> None:
        def work(client: object) -> None:
            pipe = client.pipeline(transaction=False)  # type: ignore[attr-defined]
            for key, one in zip(keys, kept, strict=True):
                pipe.set(self._prefix + key, written(one), px=max(1, round(ttl_s * 1000)))
            pipe.execute()

        try:
            self.link.call(work)
        except Unavailable:
            return  # it is asked again, that is all

    def close(self) -> None:
        self.link.close()
