"""Group commit by itself: who waits is always answered, whatever happens to the writing."""

from __future__ import annotations

import signal
import threading
from types import FrameType

import pytest

from plimsoll.errors import Broken, Unavailable
from plimsoll.store.events.group import GroupCommit


def in_threads(work: list[threading.Thread]) -> None:
    for thread in work:
        thread.start()
    for thread in work:
        thread.join(timeout=10)
    assert not any(thread.is_alive() for thread in work)


def test_those_who_wait_share_one_write() -> None:
    """While the first write runs, the others gather; the second write has all of theirs, in order."""
    writes: list[bytes] = []
    gathered, begun = threading.Event(), threading.Event()

    def write(data: bytes) -> None:
        writes.append(data)
        begun.set()
        assert gathered.wait(10)

    group = GroupCommit(write)
    first = threading.Thread(target=group.commit, args=(b"a",))
    first.start()
    begun.wait(10)
    others = [threading.Thread(target=group.commit, args=(b"b",)) for _ in range(5)]
    for thread in others:
        thread.start()
    while len(group._pending) < len(others):
        continue
    gathered.set()
    for thread in [first, *others]:
        thread.join(timeout=10)
    assert writes == [b"a", b"bbbbb"]


def test_an_error_reaches_everybody_and_the_next_succeeds() -> None:
    """A full disk is told to each; a bug of ours too, as a bug."""
    errors: list[Exception] = [Unavailable("full", hint="free some space"), ZeroDivisionError("bug")]

    def write(data: bytes) -> None:
        if errors:
            raise errors.pop(0)

    group = GroupCommit(write)
    with pytest.raises(Unavailable, match="full"):
        group.commit(b"a")
    with pytest.raises(Broken, match="bug"):
        group.commit(b"a")
    group.commit(b"a")


def test_an_interrupted_writer_passes_the_lead_on() -> None:
    """Ctrl-C in one thread: those in its batch are refused, the others go on."""
    begun, go = threading.Event(), threading.Event()
    outcomes: list[str] = []

    def write(data: bytes) -> None:
        if data == b"interrupted":
            begun.set()
            go.wait(10)
            raise KeyboardInterrupt

    group = GroupCommit(write)

    def commit(data: bytes) -> None:
        try:
            group.commit(data)
            outcomes.append("done")
        except KeyboardInterrupt:
            outcomes.append("interrupted")

    first = threading.Thread(target=commit, args=(b"interrupted",))
    first.start()
    begun.wait(10)
    second = threading.Thread(target=commit, args=(b"b",))
    second.start()
    while not group._pending:
        continue
    go.set()
    first.join(10)
    second.join(10)
    assert sorted(outcomes) == ["done", "interrupted"]


def test_many_threads_are_all_answered() -> None:
    """No wake-up is lost between one leader and the next."""
    written: list[bytes] = []
    group = GroupCommit(written.append)
    work = [threading.Thread(target=lambda: [group.commit(b"x") for _ in range(200)]) for _ in range(16)]
    in_threads(work)
    assert len(b"".join(written)) == 16 * 200


def test_an_interrupted_sleeper_leaves_nobody_asleep() -> None:
    """Ctrl-C while its batch is written: it is in the log all the same, and those who are woken after it are."""
    writes: list[bytes] = []
    begun, gathered, heard = threading.Event(), threading.Event(), threading.Event()

    def write(data: bytes) -> None:
        writes.append(data)
        if len(writes) == 1:
            begun.set()
            assert gathered.wait(10)
        else:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            assert heard.wait(10)

    def interrupt(sig: int, frame: FrameType | None) -> None:
        heard.set()
        raise KeyboardInterrupt

    group = GroupCommit(write)
    first, before, after = (threading.Thread(target=group.commit, args=(b,)) for b in (b"a", b"b", b"d"))

    def surround_the_main_thread() -> None:
        while len(group._pending) < 2:
            continue
        after.start()
        while len(group._pending) < 3:
            continue
        gathered.set()

    first.start()
    assert begun.wait(10)
    before.start()
    while not group._pending:
        continue
    surrounding, usual = threading.Thread(target=surround_the_main_thread), signal.signal(signal.SIGINT, interrupt)
    try:
        surrounding.start()
        with pytest.raises(KeyboardInterrupt):
            group.commit(b"c")
    finally:
        signal.signal(signal.SIGINT, usual)
    for thread in (first, before, after, surrounding):
        thread.join(timeout=10)
        assert not thread.is_alive()
    assert writes == [b"a", b"bcd"]
