"""Records come back from the log as they were written, each told from the others."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.kernel.records import Answer, Beside, Event, Outcome, Record

times = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)).map(lambda t: t.replace(tzinfo=UTC))
numbers = st.floats(allow_nan=False, allow_infinity=False)
roles = st.sampled_from(["live", "canary", "shadow", "beside", "fallback"])
answers = st.builds(
    Answer,
    release=st.text(),
    role=roles,
    score=st.none() | numbers | st.lists(numbers, min_size=1, max_size=3).map(tuple),
    latency_ms=numbers,
    error=st.text(max_size=5),
    features=st.binary(max_size=12),
)
plain = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | numbers | st.text(max_size=5)
events = st.builds(
    Event,
    id=st.text(),
    capability=st.text(),
    at=times,
    block=st.text(),
    unit=st.text(),
    inputs=st.dictionaries(st.text(max_size=3), plain, max_size=3),
    served=answers,
    action=st.sampled_from(["answer", "abstain", "fallback"]),
    tenant=st.text(max_size=3),
    rollout=st.text(max_size=3),
)
records = (
    events
    | st.builds(Beside, event=st.text(), answers=st.lists(answers, max_size=3).map(tuple))
    | st.builds(Outcome, event=st.text(), label=numbers, at=times)
)


@given(records)
def test_a_record_comes_back_as_it_was(record: Record) -> None:
    """One codec, and the kind is in the record."""
    again = msgspec.json.decode(msgspec.json.encode(record), type=Record)
    assert type(again) is type(record) and again == record


def test_what_is_usual_is_not_written() -> None:
    """An event is written for every answer: defaults cost no bytes."""
    event = Event(
        id="e1",
        capability="late",
        at=datetime(2013, 2, 1, tzinfo=UTC),
        block="b",
        unit="u",
        inputs={},
        served=Answer(release="r", role="live", score=0.25),
    )
    written = msgspec.json.decode(msgspec.json.encode(event))
    assert set(written) == {"type", "id", "capability", "at", "block", "unit", "inputs", "served"}
    assert written["served"] == {"release": "r", "role": "live", "score": 0.25}
