"""The answers of one turn: those that are kept, and the release's own to the other questions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from plimsoll.kernel.records import Answer, Role
from plimsoll.serving.answering import Said
from plimsoll.serving.seams import ResponseCache


def kept_or_asked(
    cache: ResponseCache, keys: Sequence[bytes], ask: Callable[[Sequence[int]], Said], role: Role
) -> tuple[Said, Sequence[bool]]:
    """What is said to each question, by its key, and whether it was said before. Each question is asked once, and its
    answer kept unless it failed; ``ask`` says what the release says to some rows."""
    distinct = list(dict.fromkeys(keys))
    kept = cache.find(distinct)
    if len(distinct) == len(keys) and not any(kept):  # nothing to put together
        said = ask(range(len(keys)))
        _keep(cache, keys, said.answers)
        return said, (False,) * len(keys)
    found = {key: answer for key, answer in zip(distinct, kept, strict=True) if answer is not None}
    first = {key: i for i, key in reversed(list(enumerate(keys))) if key not in found}
    said = Said([])
    if first:
        said = ask(list(first.values()))
        _keep(cache, list(first), said.answers)
        found |= zip(first, said.answers, strict=True)
    cached = [first.get(key) != i for i, key in enumerate(keys)]
    answers = [
        msgspec.structs.replace(found[key], role=role, latency_ms=0.0) if again else found[key]
        for key, again in zip(keys, cached, strict=True)
    ]
    looked_up = dict(zip(first, said.ages, strict=False))
    ages = [{} if again else looked_up.get(key, {}) for key, again in zip(keys, cached, strict=True)]
    return Said(answers, said.features_ms, said.engine_ms, ages), cached


def _keep(cache: ResponseCache, keys: Sequence[bytes], answers: Sequence[Answer]) -> None:
    """The good ones; of the others those who wait are told that there is none."""
    failed = [i for i, answer in enumerate(answers) if answer.error]
    if not failed:
        cache.keep(keys, answers)
        return
    good = [i for i, answer in enumerate(answers) if not answer.error]
    cache.keep([keys[i] for i in good], [answers[i] for i in good])
    cache.give_up([keys[i] for i in failed])
