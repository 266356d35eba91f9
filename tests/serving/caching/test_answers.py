"""What is kept, for how long, and what is asked once: in memory and in Redis, one suite."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.capability import Caching
from plimsoll.errors import InvalidDeclaration
from plimsoll.kernel.records import Answer
from plimsoll.sections import Cache
from plimsoll.serving.caching import AnswerCache, MemoryAnswers, RedisAnswers, open_cache
from plimsoll.serving.caching.kept import Kept

from ..admission.conftest import RedisServer, redis_server  # noqa: F401 - a fixture
from ..conftest import live, toy


def answer(score: float = 0.5, latency_ms: float = 10.0) -> Answer:
    return Answer(release="r", role="live", score=score, latency_ms=latency_ms, features=b"\x00\xff")


@pytest.fixture(params=["memory", "redis"])
def cache(request: pytest.FixtureRequest) -> Iterator[AnswerCache]:
    if request.param == "memory":
        made = AnswerCache(MemoryAnswers(1 << 20), ttl_s=0.3, wait_s=5)
    else:
        server: RedisServer = request.getfixturevalue("redis_server")
        made = AnswerCache(RedisAnswers(server.url, timeout_ms=1000), ttl_s=0.3, wait_s=5)
    yield made
    made.close()


def test_an_answer_is_given_again_until_it_is_too_old(cache: AnswerCache) -> None:
    """As it was, to the byte; the other key has nothing."""
    assert cache.find([b"a", b"b"]) == [None, None]
    cache.keep([b"a"], [answer()])
    cache.give_up([b"b"])
    assert cache.find([b"a", b"b"]) == [answer(), None]
    assert until(lambda: cache.find([b"a"]) == [None])


def test_what_was_saved_is_counted(cache: AnswerCache) -> None:
    """The share of the batch that a question was."""
    cache.find([b"a", b"b"])
    cache.keep([b"a", b"b"], [answer(0.1, 10.0), answer(0.2, 10.0)])
    cache.find([b"a", b"b"])
    assert cache.counts[:3] == (2, 0, 2) and cache.counts.saved_s == pytest.approx(0.01)


def test_the_same_question_at_once_is_asked_once(cache: AnswerCache) -> None:
    """The others wait for the first one's answer."""
    asked = many_ask(cache, lambda: answer(0.7))
    assert asked == 1 and cache.counts.waited + cache.counts.hits >= 7


def test_a_failure_of_the_first_is_nobody_elses(cache: AnswerCache) -> None:
    """Each of the others then asks by itself."""
    assert many_ask(cache, lambda: None) >= 2


def many_ask(cache: AnswerCache, make: Callable[[], Answer | None], threads: int = 8) -> int:
    """How many of them asked the model."""
    asked: list[int] = []
    together = threading.Barrier(threads)

    def ask() -> None:
        together.wait()
        (found,) = cache.find([b"k"])
        if found is not None:
            return
        asked.append(1)
        time.sleep(0.05)
        made = make()
        if made is None:
            cache.give_up([b"k"])
        else:
            cache.keep([b"k"], [made])

    workers = [threading.Thread(target=ask) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(20)
    assert not any(worker.is_alive() for worker in workers) and len(cache._flights) == 0
    return len(asked)


def test_a_wait_is_bounded() -> None:
    """A first one that never comes back holds nobody for longer."""
    cache = AnswerCache(MemoryAnswers(1 << 20), ttl_s=60, wait_s=0.05)
    cache.find([b"k"])
    assert cache.find([b"k"]) == [None]


def test_two_that_wait_for_each_other_do_not() -> None:
    """Who has a question in flight waits for nobody."""
    cache = AnswerCache(MemoryAnswers(1 << 20), ttl_s=60, wait_s=60)
    cache.find([b"a"])
    assert cache.find([b"a", b"b"]) == [None, None]
    cache.keep([b"a", b"b"], [answer(), answer()])
    assert cache.find([b"b"]) == [answer()]


def test_nobody_waits_on_an_event_loop() -> None:
    """It would hold up everybody else's answers."""
    cache = AnswerCache(MemoryAnswers(1 << 20), ttl_s=60, wait_s=60)
    cache.find([b"k"])

    async def find() -> list[Answer | None]:
        return cache.find([b"k"])

    assert asyncio.run(find()) == [None]


def sized(features_bytes: int) -> Kept:
    return Kept(Answer(release="r", role="live", score=0.5, features=bytes(features_bytes)), 0.01)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 400)), max_size=120))
def test_memory_is_bounded_and_the_least_recent_go_first(steps: list[tuple[int, int]]) -> None:
    """The count of bytes is right at every step, and what was just kept is there."""
    kept = MemoryAnswers(4000, now=lambda: 0.0)
    for name, size in steps:
        kept.put([b"%d" % name], [one := sized(size)], 10.0)
        assert kept.used_bytes == sum(each.size_bytes + 250 for *_, each in kept._kept.values()) <= 4000
        assert kept.get([b"%d" % name]) == [one]


def test_one_that_is_larger_than_the_memory_is_not_kept() -> None:
    """And pushes nobody out."""
    kept = MemoryAnswers(1024)
    kept.put([b"a", b"b"], [sized(1), sized(5000)], 10.0)
    assert kept.get([b"a", b"b"]) == [sized(1), None] and len(kept) == 1


@pytest.mark.parametrize("how", ["stop", "freeze"])
def test_while_redis_is_away_the_model_is_asked(redis_server: RedisServer, how: str) -> None:  # noqa: F811
    """Within the deadline, and most of the time at once; when it is back, answers are kept again."""
    cache = AnswerCache(RedisAnswers(redis_server.url, timeout_ms=100), ttl_s=60)
    cache.keep([b"a"], [answer()])
    assert until(lambda: cache.find([b"a"]) == [answer()])
    getattr(redis_server, how)()
    began = time.process_time()
    for _ in range(100):
        assert cache.find([b"a"]) == [None]
        cache.keep([b"a"], [answer()])
    assert time.process_time() - began < 5 and cache._answers.link.failures < 10  # type: ignore[attr-defined]
    redis_server.start() if how == "stop" else redis_server.thaw()

    def back() -> bool:
        cache.keep([b"b"], [answer()])
        return cache.find([b"b"]) == [answer()]

    assert until(back)
    cache.close()


def test_what_another_hand_wrote_is_no_answer(redis_server: RedisServer) -> None:  # noqa: F811
    """Garbage is a miss."""
    import redis

    cache = AnswerCache(RedisAnswers(redis_server.url, timeout_ms=1000), ttl_s=60)
    client = redis.Redis.from_url(redis_server.url)
    for value in (b"", b"garbage", b"\x92\x01\x02", b"\xc1"):
        client.set(b"plimsoll:answer:k", value)
        assert cache.find([b"k"]) == [None]
        cache.give_up([b"k"])
    client.close()
    cache.close()


def test_it_is_off_until_somebody_asks_for_it() -> None:
    """The capability, or the settings; the capability's word counts."""
    declared = toy(caching=Caching(ttl=timedelta(minutes=5)))
    assert open_cache(toy(), Cache()) is None
    for capability, cache in ((declared, Cache()), (toy(), Cache(ttl_s=3))):
        made = open_cache(capability, cache)
        assert made is not None and made.inline
        made.close()
    with pytest.raises(InvalidDeclaration, match="never be given again"):
        Caching(ttl=timedelta(0))


def test_in_the_pipeline_no_tenant_and_no_release_sees_anothers_answer(yard: Any) -> None:
    """The same question by two tenants, then after a new release; each asked anew, and each event says which."""
    from msgspec.structs import replace

    first, second = yard.release(1.0), yard.release(-1.0)
    yard.fleet.ensure([first, second])
    cache = AnswerCache(MemoryAnswers(1 << 20), ttl_s=60)
    pipeline = yard.pipeline(cache=cache)
    (question,) = yard.questions(1)
    asked = [
        pipeline.answer([replace(question, id=f"e{n}", tenant=tenant)], live(release.digest))[0]
        for n, (tenant, release) in enumerate(
            [("a", first), ("b", first), ("a", first), ("a", second), ("b", second), ("a", second)]
        )
    ]
    assert [event.cached for event in asked] == [False, False, True, False, False, True]
    assert [event.served.release for event in asked] == [first.digest] * 3 + [second.digest] * 3
    assert asked[2].served.score == asked[0].served.score != asked[3].served.score == asked[5].served.score


def until(holds: Callable[[], bool]) -> bool:
    waited = threading.Event()
    return any(holds() or waited.wait(0.02) for _ in range(500))
