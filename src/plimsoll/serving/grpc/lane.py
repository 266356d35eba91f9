"""The fast lane over gRPC: one row of float32 numbers in one tensor, in a few microseconds each way.

It takes what the general codec takes and nothing else: whatever it does not know for certain, it leaves to that. Its
responses are cut from what the general writer wrote: in protobuf's encoding the bytes around a double and around a text
of the same length are the same every time, and the fields of a message may come in any order.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

from plimsoll.serving import oip
from plimsoll.serving.form import MATRIX, Form
from plimsoll.serving.grpc.tensors import Writer
from plimsoll.serving.reply import Reply

_MOST_TEMPLATES = 256
_DOUBLE = struct.Struct("<d")
_ID = b"\x1a"
"""The tag of ``ModelInferResponse.id``: field 3, with its length behind it."""
_ONE_BYTE = 128
"""Lengths below it are one byte."""


class Template(NamedTuple):
    """A response in three pieces, with a score and an event id between them; the request's id comes last."""

    before: bytes
    between: bytes
    behind: bytes


class GrpcLane:
    """Reads and writes the inferences of one capability. Any thread may write; reading is the loop's."""

    def __init__(self, model: str, form: Form, task: str) -> None:
        self._model, self._task = model, task
        self._lane = oip.Lane(model, form, task)
        self._shape = [1, len(form.matrix)]
        self._row = struct.Struct(f"<{len(form.matrix)}f")
        self._writer = Writer()
        self._templates: dict[tuple[Any, ...], Template | None] = {}

    def read(self, message: Any) -> oip.InferRequest | None:
        """What ``message`` asks, with its numbers as they came; None where the general codec must look at it."""
        if not self._lane.takes or len(message.inputs) != 1 or len(message.outputs) or len(message.parameters):
            return None
        tensor = message.inputs[0]
        if tensor.name != MATRIX or tensor.datatype != "FP32" or list(tensor.shape) != self._shape:
            return None
        found = self._numbers(tensor, message.raw_input_contents)
        if found is None or not math.isfinite(sum(found[0])):  # each of them is, then
            return None
        return self._lane.row(*found, message.id)

    def _numbers(self, tensor: Any, raw: Sequence[bytes]) -> tuple[Sequence[float], bytes] | None:
        """The values, and their bytes: sent so, or in contents of their own."""
        row = self._row
        if len(raw) == 1 and not tensor.HasField("contents"):
            return (row.unpack(raw[0]), raw[0]) if len(raw[0]) == row.size else None
        if raw:
            return None
        values = tensor.contents.fp32_contents
        return (list(values), row.pack(*values)) if len(values) == self._shape[1] else None

    def write(self, request: oip.InferRequest, replies: Sequence[Reply], *, raw: bool) -> bytes | None:
        """The response's bytes; None where the general writer must write them."""
        if len(replies) != 1 or request.outputs is not self._lane.all:
            return None
        reply, given = replies[0], replies[0].given
        score, id = given.score, request.id.encode()
        if type(score) is not float or len(id) >= _ONE_BYTE:
            return None
        event_id = reply.id.encode()
        key = (raw, given.release, reply.action, reply.reason, len(event_id))
        template = self._templates.get(key, _UNKNOWN)
        if template is _UNKNOWN:
            template = self._learn(key, reply, raw=raw)
        if template is None:
            return None
        before, between, behind = template
        named = b"%b%c%b" % (_ID, len(id), id) if id else b""
        return b"".join((before, _DOUBLE.pack(score), between, event_id, behind, named))

    def _learn(self, key: tuple[Any, ...], reply: Reply, *, raw: bool) -> Template | None:
        if len(self._templates) >= _MOST_TEMPLATES:  # releases come and go
            self._templates.clear()
        made = self._templates[key] = self._cut(reply, raw=raw)
        return made

    def _cut(self, reply: Reply, *, raw: bool) -> Template | None:
        """The template of replies like this one; None where more than score and id differ between two of them."""
        cut = []
        for score, letter, confidence in ((0.1234567, "<", 0.5), (0.7654321, ">", 0.25)):
            id = letter * len(reply.id.encode())
            made = oip.outputs_of([oip.marked(reply, score, id, confidence)], self._task)
            text = self._writer.write(self._model, "", [made[wanted.name] for wanted in self._lane.all], raw=raw)
            said = _DOUBLE.pack(score)
            pieces = text.partition(said)
            cut.append((pieces[0], *pieces[2].partition(id.encode())[::2], text.count(said), text.count(id.encode())))
        first, second = cut
        return Template(*first[:3]) if first == second and first[3:] == (1, 1) else None


_UNKNOWN: Any = object()
