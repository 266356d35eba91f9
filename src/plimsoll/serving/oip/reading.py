"""An inference request read into questions.

Inputs are a question's columns as tensors of shape [n] or [n, 1]; null is accepted for a missing value, beyond the
protocol.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from plimsoll.errors import UsageError, nearest
from plimsoll.serving.form import Entry, Form, value_of
from plimsoll.serving.oip.datatypes import ACCEPTED, DATATYPES, is_a
from plimsoll.serving.oip.writing import output_names

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
    if tensor.datatype not in ACCEPTED[entry.kind]:
        raise UsageError(
            f"the input tensor {tensor.name!r} has the datatype {tensor.datatype}; it must be one of "
            f"{', '.join(ACCEPTED[entry.kind])}"
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
    if value is None or is_a(tensor.datatype, value):
        return value
    raise UsageError(f"the input tensor {tensor.name!r} is {tensor.datatype}, and has the element {value!r:.80}")
