"""Answers that are given again: exactly the same question, of the same tenant, to the same release."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plimsoll.lazy import names_of

if TYPE_CHECKING:
    from plimsoll.serving.caching.answers import AnswerCache, Counts
    from plimsoll.serving.caching.memory import MemoryAnswers
    from plimsoll.serving.caching.metrics import CacheMetrics
    from plimsoll.serving.caching.opening import open_cache
    from plimsoll.serving.caching.question import QuestionKey
    from plimsoll.serving.caching.shared import RedisAnswers

__all__ = ["AnswerCache", "CacheMetrics", "Counts", "MemoryAnswers", "QuestionKey", "RedisAnswers", "open_cache"]

_HOMES = {
    "AnswerCache": "answers",
    "CacheMetrics": "metrics",
    "Counts": "answers",
    "MemoryAnswers": "memory",
    "QuestionKey": "question",
    "RedisAnswers": "shared",
    "open_cache": "opening",
}

__getattr__ = names_of(__name__, _HOMES)
