"""From a capability's declaration and the settings to a cache, or to none."""

from __future__ import annotations

from plimsoll.capability import Capability
from plimsoll.sections import Cache
from plimsoll.serving.caching.answers import AnswerCache, Answers
from plimsoll.serving.caching.memory import MemoryAnswers
from plimsoll.serving.caching.shared import RedisAnswers


def open_cache(capability: Capability, cache: Cache) -> AnswerCache | None:
    """The cache of ``capability``; None where neither it nor the settings ask for one. ``close`` it at the end."""
    ttl_s = capability.caching.ttl.total_seconds() if capability.caching else cache.ttl_s
    if not ttl_s:
        return None
    answers: Answers
    if cache.shared:
        answers = RedisAnswers(cache.shared, timeout_ms=cache.timeout_ms)
    else:
        answers = MemoryAnswers(cache.size_bytes)
    return AnswerCache(answers, ttl_s=ttl_s, wait_s=cache.wait_ms / 1000.0)
