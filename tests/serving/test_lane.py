"""The fast lane against the general codec: the same questions, the same bytes, the same errors."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.errors import UsageError
from plimsoll.kernel.records import Answer, Event
from plimsoll.serving.form import Entry, Form
from plimsoll.serving.oip import Lane, read_request, write_reply
from plimsoll.serving.reply import reply_of

NAMES = ("a", "b", "c")
FORM = Form({"who": Entry("who", "text", True), **{name: Entry(name, "number", True) for name in NAMES}}, "who", NAMES)

numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(10**40), 10**40),
    st.sampled_from([0.0, -0.0, 3.4028234663852886e38, -3.4028234663852886e38, 3.4028235e38, 1e39, 1e-46, None, "1"]),
    st.booleans(),
)
bodies = st.fixed_dictionaries(
    {
        "inputs": st.lists(
            st.fixed_dictionaries(
                {
                    "name": st.sampled_from(["features", "a"]),
                    "shape": st.sampled_from([[1, 3], [2, 3], [1, 2], [3], [3, 1], [-1, 3]]),
                    "datatype": st.sampled_from(["FP32", "FP64", "INT64", "FP16", "BYTES"]),
                    "data": st.lists(numbers, min_size=2, max_size=6),
                },
                optional={"parameters": st.dictionaries(st.sampled_from(["binary_data_size"]), st.integers(0, 9))},
            ),
            min_size=1,
            max_size=2,
        )
    },
    optional={
        "id": st.text(max_size=3),
        "parameters": st.dictionaries(st.sampled_from(["unit", "binary_data_output"]), st.text(max_size=2), max_size=2),
        "outputs": st.lists(st.fixed_dictionaries({"name": st.sampled_from(["release", "nobody"])}), max_size=1),
    },
)


def read(how: Any) -> Any:
    try:
        return how()
    except UsageError as error:
        return error.message


@given(bodies)
def test_it_reads_what_the_general_codec_reads(body: Any) -> None:
    """Questions, unit and outputs; or the same words about what is wrong."""
    sent = msgspec.json.encode(body)
    lane = Lane("m", FORM, "binary")
    fast, general = read(lambda: lane.read(sent)), read(lambda: read_request(sent, FORM, "binary"))
    if isinstance(fast, str):
        assert fast == general
    else:
        assert msgspec.structs.replace(fast, packed=None) == general
        assert repr(fast.questions) == repr(general.questions)


@given(
    st.lists(
        st.one_of(st.floats(width=32, allow_nan=False), st.floats(-1e38, 1e38), st.integers(-(2**60), 2**60)),
        min_size=3,
        max_size=3,
    )
)
def test_packed_rows_are_float32_of_the_numbers(data: list[Any]) -> None:
    """To the bit; beyond float32 there is none."""
    if any(isinstance(value, float) and value in (float("inf"), float("-inf")) for value in data):
        return
    tensor = {"name": "features", "shape": [1, 3], "datatype": "FP64", "data": data}
    packed = Lane("m", FORM, "binary").read(msgspec.json.encode({"inputs": [tensor]})).packed
    assert packed is None or packed == struct.pack("<3f", *data)


@pytest.mark.parametrize(
    "names", [("a b", "class"), ("self", "__len__"), ("f", "é"), ("c1", "c0"), tuple("x" * n for n in range(1, 400))]
)
def test_a_column_may_have_any_name(names: tuple[str, ...]) -> None:
    """Also one that no field of a Python class can have."""
    form = Form({"who": Entry("who", "text", True), **{n: Entry(n, "number", True) for n in names}}, "who", names)
    tensor = {
        "name": "features",
        "shape": [1, len(names)],
        "datatype": "FP32",
        "data": [1, 2.5] * (len(names) // 2) + [3] * (len(names) % 2),
    }
    sent = msgspec.json.encode({"id": "u", "inputs": [tensor]})
    fast, general = Lane("m", form, "binary").read(sent), read_request(sent, form, "binary")
    assert fast.packed is not None
    assert repr(fast.questions) == repr(general.questions)


@pytest.mark.parametrize("body", [b"\x80", b"[", b'{"inputs": []}', b"[" * 5_000])
def test_what_is_no_request_is_told_alike(body: bytes) -> None:
    """The lane has no errors of its own."""
    assert read(lambda: Lane("m", FORM, "binary").read(body)) == read(lambda: read_request(body, FORM, "binary"))


@given(
    score=st.floats(0, 1),
    id=st.text(max_size=4),
    action=st.sampled_from(["answer", "abstain", "person", "fallback"]),
    reason=st.sampled_from(["", "unsure", "100%", '"quoted"']),
    release=st.sampled_from(["d" * 64, "fallback", "%b", "é"]),
)
def test_it_writes_the_bytes_that_the_general_codec_writes(
    score: float, id: str, action: Any, reason: str, release: str
) -> None:
    """Whatever the score, the action and the reason are, and however odd the request's id."""
    lane = Lane("m%", FORM, "binary")
    tensor = {"name": "features", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}
    request = lane.read(msgspec.json.encode({"id": id, "inputs": [tensor]}))
    for number in range(2):  # the first cuts the template, the second uses it
        given_answer = Answer(release=release, role="live", score=score / (1 + number), latency_ms=1.0)
        event = Event(
            id=f"0190-{number}",
            capability="m",
            at=datetime(2026, 3, 1, tzinfo=UTC),
            block="b",
            unit=id,
            inputs={},
            served=given_answer,
            action=action,
            reason=reason,
        )
        reply = reply_of(event, given_answer)
        assert lane.write(request, [reply]) == write_reply("m%", request, [reply], "binary")
