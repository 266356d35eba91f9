"""The machine's clock jumps under a running server: it goes on, and what it records can still be told apart and told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from plimsoll.kernel.records import Event

from . import running as at
from .conftest import live, parcel

JUMPS = [timedelta(0), -timedelta(days=400), timedelta(days=4000), -timedelta(milliseconds=5), timedelta(hours=1)]


class Jumping:
    """Another time than the machine's."""

    def __init__(self) -> None:
        self.by = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.by


def test_a_clock_that_jumps_stops_nobody(yard: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Back or ahead, by milliseconds or years: every question is answered, with an id of its own, and its outcome is
    taken."""
    clock = Jumping()
    monkeypatch.setattr(at, "WallClock", lambda: clock)
    row = yard.release()
    with at.running(yard, live(row.digest), rows=[row]) as up, up.client(timeout_s=5.0) as client:
        answered = []
        for by in JUMPS:
            clock.by = by
            answered += [client.ask(**parcel(i)).event_id for i in range(3)]
            told = [client.tell(event, 1) for event in answered[-3:]]
            assert [each.accepted for each in told] == [1, 1, 1]
        assert sum(client.tell(event, 1).duplicate for event in answered) == len(answered)
    events = [r for r in yard.log.read()[0] if isinstance(r, Event)]
    assert [e.id for e in events] == answered and len(set(answered)) == len(answered)
    assert list(yard.log.verify()) == []
