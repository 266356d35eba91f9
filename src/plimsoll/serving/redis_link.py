"""Redis with a deadline on every call, and a pause after a call that failed: who is away is not asked on each request."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from plimsoll.circuit import Breaker, Limits, State
from plimsoll.errors import Unavailable
from plimsoll.store.redis_client import redis_client

T = TypeVar("T")
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0


class RedisLink:
    """One Redis. ``call`` raises Unavailable within ``timeout_ms``, at once during a pause; pauses grow to 2 s."""

    def __init__(self, url: str, *, timeout_ms: float, now: Callable[[], float] = time.monotonic) -> None:
        self._client = redis_client(url, timeout_s=timeout_ms / 1000.0)
        self._circuit = Breaker(now, Limits(failures=1, rest_s=_FIRST_PAUSE_S, most_rest_s=_LONGEST_PAUSE_S))
        self.failures = 0

    @property
    def away(self) -> bool:
        """Whether it is in a pause: the next call would raise at once."""
        return self._circuit.state == "open" and not self._circuit.is_due

    @property
    def circuit(self) -> State:
        """The state of its circuit."""
        return self._circuit.state

    def call(self, work: Callable[[Any], T]) -> T:
        """``work`` of the client. Raises Unavailable for whatever kept Redis from answering in time."""
        import redis

        if self._circuit.troubled and not self._circuit.allows():
            raise Unavailable("Redis is away", retry_after_s=_FIRST_PAUSE_S)
        try:
            found = work(self._client)
        except (redis.RedisError, OSError) as error:
            raise self._failed(error) from error
        if self._circuit.troubled:
            self._circuit.succeeded()
        return found

    def _failed(self, error: Exception) -> Unavailable:
        self.failures += 1
        self._circuit.failed()
        return Unavailable(f"Redis did not answer: {type(error).__name__}", retry_after_s=_FIRST_PAUSE_S)

    def close(self) -> None:
        self._client.close()
