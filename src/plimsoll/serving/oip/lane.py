"""The fast lane: what most requests look like, read and written in a few microseconds.

It takes what the general codec takes and nothing else: whatever it does not know for certain, it leaves to that. Its
responses are cut from what the general codec wrote: the pieces between the values that differ from reply to reply.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from keyword import iskeyword
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec.structs import asdict, astuple

from plimsoll.kernel.records import Answer, Event
from plimsoll.serving.conduct import all_answered
from plimsoll.serving.form import MATRIX, Form
from plimsoll.serving.oip.asking import InferRequest, Wanted
from plimsoll.serving.oip.outputs import ON_REQUEST, output_names
from plimsoll.serving.oip.reading import read_request
from plimsoll.serving.oip.writing import Written, write_reply
from plimsoll.serving.reply import Reply, reply_of

_MOST_TEMPLATES = 256


_Integer: TypeAlias = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""Beyond it an integer may be none that an event can hold: the general codec looks closer."""


class _Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    unit: str | None = None


def _row_of(names: Sequence[str]) -> type[msgspec.Struct]:
    """A row of the matrix: an array of as many numbers, which become the columns of a question in one step. Looking each
    name up, and letting a dictionary grow, would cost as much as reading the body."""
    fields = names if all(name.isidentifier() and not iskeyword(name) for name in names) else _numbered(names)
    return msgspec.defstruct(
        "Row",
        [(field, _Integer | float) for field in fields],
        frozen=True,
        forbid_unknown_fields=True,
        array_like=True,
        gc=False,
    )


def _numbered(names: Sequence[str]) -> list[str]:
    return [f"c{place}" for place in range(len(names))]


def _body_of(row: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """The usual body: one row of the matrix, and perhaps whom it is about."""
    matrix = msgspec.defstruct(
        "Matrix",
        [
            ("name", Literal["features"]),
            ("shape", tuple[int, int]),
            ("datatype", Literal["FP32", "FP64"]),
            ("data", row),
        ],
        frozen=True,
        forbid_unknown_fields=True,
        gc=False,
    )
    return msgspec.defstruct(
        "Body",
        [("inputs", tuple[matrix]), ("id", str, ""), ("parameters", _Parameters, _Parameters())],  # type: ignore[valid-type]
        frozen=True,
        forbid_unknown_fields=True,
        gc=False,
    )


assert MATRIX == "features"


class Lane:
    """Reads and writes the inference requests of one capability; safe for one thread."""

    def __init__(self, model: str, form: Form, task: str) -> None:
        self._model, self._form, self._task = model, form, task
        self._names, self._unit = form.matrix, form.unit
        self._shape = (1, len(form.matrix))
        self._pack = struct.Struct(f"<{len(form.matrix)}f").pack
        self.takes = bool(form.matrix) and form.entries[form.unit].kind == "text" and form.only_numbers
        row = _row_of(form.matrix)
        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(_body_of(row)).decode
        self._columns = asdict if row.__struct_fields__ == form.matrix else self._renamed
        self._text = msgspec.json.Encoder().encode
        self.all = tuple(Wanted(name) for name in output_names(task) if name != ON_REQUEST)
        self._templates: dict[tuple[Any, ...], _Template | None] = {}

    def read(self, body: bytes) -> InferRequest:
        """As ``read_request``: the same questions, or the same error; with its numbers packed, where they came so."""
        if self.takes:
            try:
                asked = self._decode(body)
                tensor = asked.inputs[0]
                if tensor.shape == self._shape:
                    question = self._columns(tensor.data)
                    packed = self._pack(*question.values())
                    if _LARGEST not in packed:  # it may have been rounded down to that
                        return self._about(question, packed, asked.id, asked.parameters.unit)
            except _NOT_TAKEN:
                pass  # the general codec says what is wrong with it, if anything is
        return read_request(body, self._form, self._task)

    def row(self, values: Sequence[float], packed: bytes, id: str, unit: str | None = None) -> InferRequest:
        """The request that asks one row of the form's matrix: as many numbers as that has, which are ``packed``, too."""
        return self._about(dict(zip(self._names, values)), packed, id, unit)  # noqa: B905 - packing has counted them

    def _renamed(self, row: msgspec.Struct) -> dict[str, Any]:
        return dict(zip(self._names, astuple(row), strict=True))

    def _about(self, question: dict[str, Any], packed: bytes, id: str, unit: str | None) -> InferRequest:
        if unit is None and not id:
            return InferRequest(id, [question], self.all, True, packed)
        question[self._unit] = id if unit is None else unit
        return InferRequest(id, [question], self.all, False, packed)

    def write(self, request: InferRequest, replies: Sequence[Reply]) -> Written:
        """As ``write_reply``: the same bytes. Raises Unavailable where one of them is no answer."""
        if len(replies) == 1 and request.outputs is self.all and type(replies[0].given.score) is float:
            reply, given = replies[0], replies[0].given
            key = (given.release, reply.action, reply.reason, given.role, reply.cached)
            template = self._templates.get(key, _UNKNOWN)
            if template is _UNKNOWN:
                template = self._learn(key, reply)
            if template is not None:
                score, id = self._text(given.score), reply.id.encode()
                return Written(
                    template.named % (score, id, self._text(request.id)) if request.id else template.form % (score, id)
                )
        return write_reply(self._model, request, all_answered(replies), self._task)

    def _learn(self, key: tuple[Any, ...], reply: Reply) -> _Template | None:
        if len(self._templates) >= _MOST_TEMPLATES:  # releases come and go
            self._templates.clear()
        made = self._templates[key] = self._cut(reply)
        return made

    def _cut(self, reply: Reply) -> _Template | None:
        """The template of replies like this one; None where more than score and id differ between two of them."""
        request = InferRequest("", [], self.all)
        cut = []
        for score, id, confidence in ((0.1234567, "⚓one⚓", 0.5), (0.7654321, "⚓two⚓", 0.25)):
            text = write_reply(self._model, request, [marked(reply, score, id, confidence)], self._task).body
            pieces = text.partition(self._text(score))
            cut.append((pieces[0], *pieces[2].partition(id.encode())[::2], text.count(id.encode())))
        first, second = cut
        if first != second or first[3] != 1:
            return None
        return _Template(*first[:3])


class _Template:
    """A response in three pieces: between them stand a score and an event id, and behind them the id of a request that
    has one."""

    __slots__ = ("form", "named")

    def __init__(self, before: bytes, between: bytes, behind: bytes) -> None:
        self.form = b"%b".join(piece.replace(b"%", b"%%") for piece in (before, between, behind))
        self.named = self.form[:-1] + b',"id":%b}'


_NOT_TAKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, struct.error, OverflowError)
"""No such body; or another number of elements, or one that is beyond float32."""
_UNKNOWN: Any = object()
_LARGEST = b"\xff\xff\x7f"
"""The upper three bytes of float32's largest number, of either sign, but for the sign."""


def marked(reply: Reply, score: float, id: str, confidence: float) -> Reply:
    """A reply that differs from ``reply`` in everything that a template does not hold fixed."""
    given: Answer = msgspec.structs.replace(reply.given, score=score, latency_ms=confidence, features=b"")
    event: Event = msgspec.structs.replace(
        reply.event,
        id=id,
        unit=id,
        block=id,
        inputs={},
        tenant=id,
        principal=id,
        trace_id=id,
        rollout=id,
        confidence=confidence,
        cost_usd=confidence,
        stages_us=(),
        at=datetime.fromtimestamp(confidence * 1e9, UTC),
        served=given,
    )
    return reply_of(event, given)
