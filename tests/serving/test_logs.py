"""Lines for machines and for people: what they carry, and what never gets into them."""

from __future__ import annotations

import io
import json
import logging
import random
from collections.abc import Iterator
from typing import Any

import pytest

from plimsoll.kernel.records import Answer, Event
from plimsoll.serving.logs import RequestLog, configure_logs
from plimsoll.serving.reply import Reply, reply_of

from .conftest import T0, live, parcel
from .running import running


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    """Where the lines go; the root logger is as it was afterwards."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield io.StringIO()
    for handler in root.handlers[:]:
        root.removeHandler(handler)
    for handler in before:
        root.addHandler(handler)
    root.setLevel(level)


def reply(**changes: Any) -> Reply:
    served = Answer(release="0123456789abcdef", role="live", score=0.25)
    event = Event(
        id="e1", capability="late", at=T0, block="b", unit="u1", inputs={"name": "Ada"}, served=served, **changes
    )
    return reply_of(event, served)


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_slow_request_has_a_line_with_its_ids(out: io.StringIO) -> None:
    """Ids, release, stages; no input, no unit, no score."""
    configure_logs("json", "warning", out=out)
    log = RequestLog(slow_ms=5.0)
    log.turn([reply(stages_us=(0, 10, 0, 0, 100, 200, 5), trace_id="t" * 32)], 100.0)
    log.turn([reply(stages_us=(0, 10, 0, 0, 100, 9_000, 5), trace_id="t" * 32, tenant="acme")], 100.0)
    (line,) = lines(out)
    assert (line["event_id"], line["trace_id"], line["release"]) == ("e1", "t" * 32, "0123456789ab")
    assert (line["capability"], line["tenant"], line["duration_ms"]) == ("late", "acme", 9.215)
    assert line["stages_us"]["engine"] == 9_000 and line["level"] == "warning"
    assert "Ada" not in out.getvalue() and "u1" not in out.getvalue() and "0.25" not in out.getvalue()


def test_a_slow_turn_is_a_few_lines(out: io.StringIO) -> None:
    """A thousand who waited together say the same thing."""
    configure_logs("json", "warning", out=out)
    RequestLog(slow_ms=1.0).turn([reply(stages_us=(5_000,))] * 1_000, 0.0)
    assert len(lines(out)) == RequestLog.MOST


def test_a_share_of_the_requests_is_logged(out: io.StringIO) -> None:
    """Off by default, whatever the level; else about that share, at any level."""
    configure_logs("json", "error", out=out)
    RequestLog().turn([reply(stages_us=(1,))], 0.0)
    log = RequestLog(share=0.1, draw=random.Random(5).random)
    for _ in range(2_000):
        log.turn([reply(stages_us=(1,))], 0.0)
    assert 150 < len(lines(out)) < 250
    assert {line["message"] for line in lines(out)} == {"request"}


@pytest.mark.parametrize("form", ["text", "json"])
def test_an_exception_is_its_type_and_place(out: io.StringIO, form: Any) -> None:
    """Its text may repeat what a caller sent."""
    configure_logs(form, "error", out=out)
    try:
        try:
            raise KeyError("4111-1111-1111-1111")
        except KeyError as error:
            raise ValueError("could not read 'Ada'") from error
    except ValueError:
        logging.getLogger("plimsoll.x").exception("a turn failed")
    said = out.getvalue()
    assert "a turn failed" in said and "ValueError" in said and "KeyError" in said and "test_logs.py" in said
    assert "Ada" not in said and "4111" not in said


def test_a_server_logs_what_was_slow(yard: Any, out: io.StringIO) -> None:
    """Over HTTP, with the event's own id; everything is slower than a nanosecond."""
    configure_logs("json", "warning", out=out)
    row = yard.release()
    with running(yard, live(row.digest), rows=[row], requests=RequestLog(slow_ms=1e-6)) as up:
        answer = up.call("POST", "/v1/capabilities/parcel-late/ask", {"inputs": parcel(1)})[1]
    (line,) = [line for line in lines(out) if line["logger"] == "plimsoll.requests"]
    assert line["event_id"] == answer["event_id"]
    assert "north" not in out.getvalue()
