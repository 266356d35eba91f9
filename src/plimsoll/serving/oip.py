"""The Open Inference Protocol, version 2 (REST): its JSON, read into questions and written from replies.

Pure: bytes in, values out. Field names and the shape of errors are the protocol's
(https://github.com/kserve/open-inference-protocol, ``specification/protocol/inference_rest.md``). Inputs are a
question's columns as tensors of shape [n] or [n, 1]; null is accepted for a missing value, beyond the protocol.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from plimsoll.errors import UsageError, nearest
from plimsoll.serving.form import Entry, Form, value_of
from plimsoll.serving.pipeline import Reply

_INTEGERS = {
    **{f"INT{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)},
}
_FLOATS = ("FP16", "FP32", "FP64")
DATATYPES = ("BOOL", *_INTEGERS, *_FLOATS, "BYTES")
_OF_KIND = {"text": "BYTES", "number": "FP64", "integer": "INT64", "boolean": "BOOL", "time": "BYTES"}
_ACCEPTED = {
    "text": ("BYTES",),
    "time": ("BYTES",),
    "boolean": ("BOOL",),
    "integer": tuple(_INTEGERS),
    "number": (*_FLOATS, *_INTEGERS),
}
MOST_QUESTIONS = 10_000
"""In one request; a larger one would hold up everybody else's."""


class _Tensor(msgspec.Struct, frozen=True):
    name: str
    shape: tuple[int, ...]
    datatype: str
    data: list[Any]
    parameters: dict[str, Any] = {}


class _Wanted(msgspec.Struct, frozen=True):
    name: str
    parameters: dict[str, Any] = {}


class _Request(msgspec.Struct, frozen=True):
    inputs: tuple[_Tensor, ...]
    id: str = ""
    parameters: dict[str, Any] = {}
    outputs: tuple[_Wanted, ...] = ()


class InferRequest(msgspec.Struct, frozen=True):
    """What a caller asked: one dictionary of columns a question, and the outputs that are wanted (all if none)."""

    id: str
    questions: list[dict[str, Any]]
    outputs: tuple[str, ...]


_decoder = msgspec.json.Decoder(_Request)
_encoder = msgspec.json.Encoder()


def read_request(body: bytes, form: Form, task: str) -> InferRequest:
    """The questions in an inference request. Raises UsageError naming the tensor and what is wrong with it."""
    try:
        request = _decoder.decode(body)
    except msgspec.ValidationError as error:
        raise UsageError(f"this is no inference request: {error}") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise UsageError(f"the body is not valid JSON: {error}") from error
    columns = _columns(request.inputs, form)
    names = tuple(columns)
    questions = [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    wanted = tuple(output.name for output in request.outputs)
    for name in wanted:
        if name not in output_names(task):
            raise UsageError(f"there is no output tensor {name!r}", hint=nearest(name, output_names(task)))
    return InferRequest(request.id, questions, wanted)


def _columns(tensors: Sequence[_Tensor], form: Form) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {}
    for tensor in tensors:
        if tensor.name not in form.entries:
            raise UsageError(f"there is no input tensor {tensor.name!r}", hint=nearest(tensor.name, form.entries))
        if tensor.name in columns:
            raise UsageError(f"the input tensor {tensor.name!r} is there twice")
        columns[tensor.name] = _values(tensor, form.entries[tensor.name])
    for name in form.needed:
        if name not in columns:
            raise UsageError(f"the input tensor {name!r} is missing", hint=f"needed: {', '.join(form.needed)}")
    rows = {name: len(values) for name, values in columns.items()}
    if len(set(rows.values())) > 1:
        few, many = min(rows, key=rows.__getitem__), max(rows, key=rows.__getitem__)
        raise UsageError(f"the input tensor {few!r} has {rows[few]} rows, and {many!r} has {rows[many]}")
    return columns


def _values(tensor: _Tensor, entry: Entry) -> list[Any]:
    """The tensor's data as one value a question."""
    if tensor.datatype not in DATATYPES:
        raise UsageError(
            f"the input tensor {tensor.name!r} has the datatype {tensor.datatype!r}",
            hint=nearest(tensor.datatype, DATATYPES),
        )
    if tensor.datatype not in _ACCEPTED[entry.kind]:
        raise UsageError(
            f"the input tensor {tensor.name!r} has the datatype {tensor.datatype}; it must be one of "
            f"{', '.join(_ACCEPTED[entry.kind])}"
        )
    rows = _rows(tensor)
    flat = _flat(tensor, rows)
    read = [_element(tensor, value) for value in flat]
    try:
        return [value_of(entry, value) for value in read]
    except UsageError as error:
        raise UsageError(f"the input tensor {tensor.name!r}: {error.message}") from error


def _rows(tensor: _Tensor) -> int:
    shape = tensor.shape
    if len(shape) not in (1, 2) or (len(shape) == 2 and shape[1] != 1) or any(size < 0 for size in shape):
        raise UsageError(f"the input tensor {tensor.name!r} has the shape {list(shape)}; it must be [n] or [n, 1]")
    if not 1 <= shape[0] <= MOST_QUESTIONS:
        raise UsageError(
            f"the input tensor {tensor.name!r} has {shape[0]} rows; a request has 1 to {MOST_QUESTIONS:,} questions"
        )
    return shape[0]


def _flat(tensor: _Tensor, rows: int) -> list[Any]:
    """Data may come flat or nested like its shape."""
    data = tensor.data
    if len(tensor.shape) == 2 and data and all(isinstance(item, list) and len(item) == 1 for item in data):
        data = [item[0] for item in data]
    if len(data) != rows:
        raise UsageError(
            f"the input tensor {tensor.name!r} has {len(data)} elements, and its shape {list(tensor.shape)} says {rows}"
        )
    return data


def _element(tensor: _Tensor, value: Any) -> Any:
    """One element of the tensor, which must be what its datatype says."""
    if value is None or _is_a(tensor.datatype, value):
        return value
    raise UsageError(f"the input tensor {tensor.name!r} is {tensor.datatype}, and has the element {value!r:.80}")


def _is_a(datatype: str, value: Any) -> bool:
    if datatype == "BOOL":
        return isinstance(value, bool)
    if datatype == "BYTES":
        return isinstance(value, str)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if datatype in _FLOATS:
        return math.isfinite(value)
    low, high = _INTEGERS[datatype]
    return isinstance(value, int) and low <= value <= high


# ── what goes back ──────────────────────────────────────────────────────────────────────────────────────────────────

_SCORE = {"binary": "probability", "multiclass": "probabilities", "regression": "value"}


def output_names(task: str) -> tuple[str, ...]:
    return (_SCORE[task], "release", "action", "event_id")


def write_reply(model: str, request: InferRequest, replies: Sequence[Reply], task: str) -> bytes:
    """The response: one row a question. The score is given with its action: a score to ``abstain`` on is no answer."""
    scores = [reply.given.score for reply in replies]
    rows = len(replies)
    width = len(scores[0]) if isinstance(scores[0], tuple) else 0
    flat = [p for score in scores for p in score] if width else scores  # type: ignore[union-attr]
    shape = [rows, width] if width else [rows]
    outputs = [
        _tensor(_SCORE[task], shape, "FP64", flat),
        _tensor("release", [rows], "BYTES", [r.given.release for r in replies]),
        _tensor("action", [rows], "BYTES", [r.event.action for r in replies]),
        _tensor("event_id", [rows], "BYTES", [r.event.id for r in replies]),
    ]
    body: dict[str, Any] = {"model_name": model, "outputs": _chosen(outputs, request.outputs)}
    if request.id:
        body["id"] = request.id
    return _encoder.encode(body)


def _chosen(outputs: list[dict[str, Any]], wanted: Sequence[str]) -> list[dict[str, Any]]:
    return [o for o in outputs if o["name"] in wanted] if wanted else outputs


def _tensor(name: str, shape: Sequence[int], datatype: str, data: Sequence[Any]) -> dict[str, Any]:
    return {"name": name, "shape": shape, "datatype": datatype, "data": data}


def server_metadata(version: str) -> dict[str, Any]:
    return {"name": "plimsoll", "version": version, "extensions": []}


def model_metadata(model: str, versions: Sequence[str], form: Form, task: str, classes: int) -> dict[str, Any]:
    """The model's tensors. ``versions`` are the releases that are loaded."""
    score: Mapping[str, Any] = {
        "name": _SCORE[task],
        "datatype": "FP64",
        "shape": [-1, classes] if task == "multiclass" else [-1],
    }
    return {
        "name": model,
        "versions": list(versions),
        "platform": "plimsoll",
        "inputs": [
            {"name": e.name, "datatype": _OF_KIND[e.kind], "shape": [-1], "parameters": {"optional": not e.needed}}
            for e in form.entries.values()
        ],
        "outputs": [score, *({"name": n, "datatype": "BYTES", "shape": [-1]} for n in output_names(task)[1:])],
    }
