"""Today so far and the last seven whole days, where days are a place's own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from plimsoll.features import View, compile, view, windows

from .oracle import micros

Write = Callable[..., Path]


def in_zone(timezone: str) -> View:
    @view(source="rows", entity="e", values=windows.day_and_week_values("v"))
    def delays(t: Any) -> Any:
        return windows.day_and_week(t, entity="e", known_at="at", value="v", timezone=timezone)

    return delays


def rows_of(view: View, path: Path) -> list[tuple[int, list[float]]]:
    timeline = compile(view, [path])
    return list(zip(timeline.known_at_us.tolist(), timeline.values.tolist(), strict=True))


@pytest.mark.parametrize("timezone", ["UTC", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"])
@pytest.mark.parametrize("day", ["2013-03-09", "2013-11-02", "2013-04-06", "2013-10-05"])
def test_an_event_counts_today_and_then_for_seven_days(write: Write, timezone: str, day: str) -> None:
    """The rows after it stand at the next eight local midnights, whatever the clocks do in between."""
    zone = ZoneInfo(timezone)
    noon = datetime.fromisoformat(day).replace(hour=12, tzinfo=zone)
    at = noon.astimezone(UTC).replace(tzinfo=None)
    rows = rows_of(in_zone(timezone), write([{"e": "x", "at": at, "v": 4.0}]))
    midnights = [noon.replace(hour=0) + timedelta(days=d) for d in range(1, 9)]  # wall-clock arithmetic
    assert [t for t, _ in rows] == [micros(at)] + [micros(m.astimezone(UTC).replace(tzinfo=None)) for m in midnights]
    assert [values[1::2] for _, values in rows] == [[1, 0]] + [[0, 1]] * 7 + [[0, 0]]


def test_a_midnight_that_does_not_exist_is_the_first_moment_of_the_day(write: Write) -> None:
    """São Paulo's clocks went from 24:00 to 01:00 on 21 October 2012."""
    at = datetime(2012, 10, 20, 15)
    rows = rows_of(in_zone("America/Sao_Paulo"), write([{"e": "x", "at": at, "v": 1.0}]))
    assert rows[1][0] == micros(datetime(2012, 10, 21, 3))


def test_an_event_at_midnight_belongs_to_the_new_day(write: Write) -> None:
    """And it is one row with the midnight: the day before is in the week, the event in today."""
    before, midnight = datetime(2013, 1, 1, 12), datetime(2013, 1, 2)
    rows = rows_of(in_zone("UTC"), write([{"e": "x", "at": before, "v": 2.0}, {"e": "x", "at": midnight, "v": 8.0}]))
    assert rows[1] == (micros(midnight), [8.0, 1.0, 2.0, 1.0])
    assert len(rows) == 1 + 9


def test_events_of_one_moment_are_one_row(write: Write) -> None:
    """Nobody can have known the first without the second."""
    at = datetime(2013, 1, 1, 12)
    rows = rows_of(in_zone("UTC"), write([{"e": "x", "at": at, "v": v} for v in (1.0, 2.0, 6.0)]))
    assert rows[0] == (micros(at), [3.0, 3.0, pytest.approx(float("nan"), nan_ok=True), 0.0])


def test_a_time_with_a_zone_is_the_same_time(write: Write) -> None:
    """Rows whose times are stored with a zone give the same timeline as rows in plain UTC."""
    at = datetime(2013, 7, 1, 12, 0, 0, 123456)
    plain = write([{"e": "x", "at": at, "v": 4.0}])
    aware = write([{"e": "x", "at": at.replace(tzinfo=UTC).astimezone(ZoneInfo("Asia/Tokyo")), "v": 4.0}], "z.parquet")
    one = in_zone("America/New_York")
    assert compile(one, [plain]).digest == compile(one, [aware]).digest
