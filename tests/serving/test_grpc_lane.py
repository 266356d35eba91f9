"""The fast lane over gRPC against the general codec: the same questions, and messages that say the same."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from plimsoll.kernel.records import Answer, Event
from plimsoll.serving import oip
from plimsoll.serving.grpc.lane import GrpcLane
from plimsoll.serving.grpc.messages import request_of, response_of
from plimsoll.serving.grpc.tensors import Writer, parameters_of
from plimsoll.serving.grpc.tensors import read as read_tensors
from plimsoll.serving.reply import Reply, reply_of

from .test_lane import FORM, read

floats = st.floats(width=32)


@st.composite
def messages(draw: Any) -> Any:
    """One row or nearly so: wrong shapes, other datatypes, no numbers, contents in two places."""
    message = request_of("ModelInfer")(model_name="m", id=draw(st.text(max_size=2)))
    values = draw(st.lists(floats, min_size=2, max_size=4) | st.lists(floats, min_size=3, max_size=3))
    for _ in range(draw(st.sampled_from([1, 1, 1, 2]))):
        name, datatype = (
            draw(st.sampled_from(["features", "features", "a"])),
            draw(st.sampled_from(["FP32", "FP32", "FP64"])),
        )
        shape = draw(st.sampled_from([[1, 3], [1, 3], [3], [1, 2], [3, 1]]))
        tensor = message.inputs.add(name=name, datatype=datatype, shape=shape)
        if raw := draw(st.booleans()):
            message.raw_input_contents.append(struct.pack(f"<{len(values)}f", *values))
        if not raw or draw(st.sampled_from([False, False, True])):
            tensor.contents.fp32_contents.extend(values)
    if draw(st.sampled_from([False, False, True])):
        message.parameters["unit"].string_param = "u"
    return message


@given(messages())
def test_it_reads_what_the_general_codec_reads(message: Any) -> None:
    """Questions and unit, or nothing; the numbers as float32 beside them."""
    parameters = parameters_of(message.parameters)
    found = GrpcLane("m", FORM, "binary").read(message)
    general = read(
        lambda: oip.asked(read_tensors(message), FORM, "binary", id=message.id, parameters=parameters, outputs=[])
    )
    if found is not None:
        assert replace(found, packed=None) == general and repr(found.questions) == repr(general.questions)
        assert found.packed == struct.pack("<3f", *(found.questions[0][name] for name in FORM.matrix))


def test_a_plain_row_takes_the_lane() -> None:
    """Raw and typed; one whose number is none does not."""
    for raw in (True, False):
        for value, taken in ((0.5, True), (float("nan"), False)):
            message = request_of("ModelInfer")(model_name="m", id="u")
            tensor = message.inputs.add(name="features", datatype="FP32", shape=[1, 3])
            if raw:
                message.raw_input_contents.append(struct.pack("<3f", value, 1.0, 2.0))
            else:
                tensor.contents.fp32_contents.extend([value, 1.0, 2.0])
            assert (GrpcLane("m", FORM, "binary").read(message) is not None) is taken


@given(
    score=st.floats(),
    id=st.text(max_size=140),
    raw=st.booleans(),
    reason=st.sampled_from(["", "unsure"]),
    release=st.sampled_from(["d" * 64, "fallback", "<" * 36, "é"]),
)
def test_it_writes_what_the_general_writer_says(score: float, id: str, raw: bool, reason: str, release: str) -> None:
    """Whatever the score is, however odd the request's id, and with a release that looks like a mark."""
    lane, kind = GrpcLane("m", FORM, "binary"), response_of("ModelInfer")
    message = request_of("ModelInfer")(model_name="m", id=id)
    message.inputs.add(name="features", datatype="FP32", shape=[1, 3]).contents.fp32_contents.extend([1.0, 2.0, 3.0])
    request = lane.read(message)
    for number in range(2):  # the first cuts the template, the second uses it
        reply = said(score / (1 + number), f"0190-{number}", reason, release)
        made = oip.outputs_of([reply], "binary")
        general = Writer().write("m", id, [made[wanted.name] for wanted in request.outputs], raw=raw)
        written = lane.write(request, [reply], raw=raw)
        assert written is None or _sorted(kind, written) == _sorted(kind, general)
        assert written is not None or len(id.encode()) >= 128 or release == "<" * 36


def said(score: float, id: str, reason: str, release: str) -> Reply:
    answer = Answer(release=release, role="live", score=score, latency_ms=1.0)
    event = Event(
        id=id,
        capability="m",
        at=datetime(2026, 3, 1, tzinfo=UTC),
        block="b",
        unit="u",
        inputs={},
        served=answer,
        action="answer",
        reason=reason,
    )
    return reply_of(event, answer)


def _sorted(kind: Any, written: bytes) -> bytes:
    """The message's fields in their own order."""
    made: bytes = kind.FromString(written).SerializeToString(deterministic=True)
    return made
