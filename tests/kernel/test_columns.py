"""Records in columns are the records they were made from: one by one, through the codec, in any mixture."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plimsoll.kernel.columns import (
    MOST_ROWS,
    Answers,
    Besides,
    Columns,
    Events,
    Outcomes,
    Written,
    column,
    in_columns,
    one_by_one,
    rows_in,
    spread,
)
from plimsoll.kernel.records import Answer, Beside, Event, Outcome, Record

NOON = datetime(2013, 2, 1, 12, tzinfo=UTC)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Written]).decode

times = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)).map(lambda t: t.replace(tzinfo=UTC)) | st.just(NOON)
numbers = st.sampled_from([0.0, 0.25]) | st.floats(allow_nan=False)
texts = st.sampled_from(["", "a", "ünï"])
scores = st.none() | numbers | st.lists(numbers, max_size=3).map(tuple)
answers = st.builds(
    Answer,
    release=texts,
    role=st.sampled_from(["live", "shadow"]),
    score=numbers | scores,
    latency_ms=numbers,
    error=texts,
    features=st.sampled_from([b"", b"\0\0\x80?"]) | st.binary(max_size=8),
)
plain = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | numbers | st.text(max_size=3) | st.just(NOON)
events = st.builds(
    Event,
    id=st.text(max_size=3),
    capability=st.sampled_from(["late", "risk"]),
    at=times,
    block=texts,
    unit=texts,
    inputs=st.dictionaries(st.sampled_from(["a", "b", "c"]), plain, max_size=3),
    served=answers,
    action=st.sampled_from(["answer", "abstain"]),
    tenant=texts,
    rollout=texts,
    principal=texts,
    confidence=st.none() | numbers,
    reason=texts,
    stages_us=st.sampled_from([(), (1, 2, 3)]),
    feature_ages_s=st.sampled_from([{}, {"weather": 1.5}]),
    cost_usd=numbers,
    trace_id=texts,
    cached=st.booleans(),
    payload=st.booleans(),
)
besides = st.builds(Beside, event=texts, answers=st.lists(answers, max_size=2).map(tuple))
outcomes = st.builds(
    Outcome, event=texts, label=numbers, at=times, values=st.dictionaries(st.sampled_from(["paid", "items"]), numbers)
)
alike = st.lists(events, max_size=2) | st.lists(besides, max_size=3) | st.lists(outcomes, max_size=3)


def event(id: str = "e1", **changes: Any) -> Event:
    served = Answer(release="r1", role="live", score=0.25)
    plain = Event(id=id, capability="late", at=NOON, block="b", unit=id, inputs={"items": 2}, served=served)
    return msgspec.structs.replace(plain, **changes)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(alike, max_size=3))
def test_columns_are_the_records_that_they_were_made_from(groups: list[list[Record]]) -> None:
    """Whatever is missing, is of another release or failed; before the codec and behind it."""
    records = [record for group in groups for record in group]
    made = in_columns(records)
    assert all(isinstance(each, Columns) for each in made) and sum(map(rows_in, made)) == len(records)
    assert list(one_by_one(made)) == records
    assert list(one_by_one(_decode(_encode(made)))) == records


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(alike, max_size=3), st.randoms())
def test_what_is_written_may_be_a_mixture(groups: list[list[Record]], dice: Any) -> None:
    """Some groups in columns, some one by one: the order is kept either way, and so is what is in columns already."""
    written: list[Written] = []
    for group in groups:
        written += in_columns(group) if dice.random() < 0.5 else group
    records = [record for group in groups for record in group]
    again = _decode(_encode(written))
    assert list(one_by_one(again)) == records == list(one_by_one(in_columns(again)))


def test_a_turn_says_once_what_its_events_have_in_common() -> None:
    """A turn of sixteen takes less than half of what its events take one by one."""
    turn = [event(f"0193a0b0-0000-7000-8000-00000000000{i:x}", stages_us=(1,) * 7, confidence=0.5) for i in range(16)]
    [made] = in_columns(turn)
    assert isinstance(made, Events) and made.served.releases == ["r1"] and made.blocks == ["b"]
    assert len(_encode(made)) < len(_encode(turn)) / 2


def test_units_and_inputs_are_decoded_by_whoever_asks() -> None:
    """The loop asks for neither, mostly."""
    [again] = _decode(_encode(in_columns([event("e1"), event("e2")])))
    assert isinstance(again, Events) and isinstance(again.inputs, msgspec.Raw)
    assert [e.inputs for e in again.each()] == [{"items": 2}] * 2


def test_exposures_lost_are_besides_without_answers() -> None:
    """They are counted by their number."""
    [made] = in_columns([Beside(event="e1", answers=()), Beside(event="e2", answers=())])
    assert isinstance(made, Besides) and (len(made), made.answers) == (2, [])


def test_a_record_holds_a_bounded_number_of_rows() -> None:
    """Whoever wants one of them decodes all of them."""
    made = in_columns([event(str(i)) for i in range(MOST_ROWS + 1)])
    assert [len(each) for each in made] == [MOST_ROWS, 1]


@pytest.mark.parametrize(("values", "written"), [(["x", "x"], ["x"]), (["", ""], []), (["x", ""], ["x", ""])])
def test_a_column_is_as_short_as_its_values_let_it(values: list[str], written: list[str]) -> None:
    """Nothing for the default, one value for all, or each."""
    assert column(values, "") == written
    assert list(spread(written, 2, "")) == values


def test_times_keep_their_microseconds_in_every_zone() -> None:
    """The same instant, in UTC."""
    at = NOON.astimezone() + timedelta(microseconds=1)
    [made] = in_columns([event(at=at)])
    assert isinstance(made, Events) and struct.unpack("<q", made.at_us) == (1_359_720_000_000_001,)
    assert [e.at for e in made.each()] == [at]


@pytest.mark.parametrize(("one", "many"), [(Event, Events), (Answer, Answers), (Outcome, Outcomes)])
def test_every_field_has_its_column(one: type[msgspec.Struct], many: type[msgspec.Struct]) -> None:
    """Whoever adds a field to a record is told here that columns would lose it."""
    assert len(one.__struct_fields__) == len(many.__struct_fields__)
