"""Tensors as questions: a column each, or all the numbers in one.

A column is a tensor of shape [n] or [n, 1] with the column's name. Where everything that the features read is a
number, one tensor ``features`` of shape [n, k] will do instead, its columns in the order that the metadata names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from plimsoll.errors import UsageError, nearest
from plimsoll.serving.form import MATRIX, Entry, Form, value_of
from plimsoll.serving.oip.datatypes import ACCEPTED, FLOATS, INTEGERS
from plimsoll.serving.oip.outputs import ON_REQUEST, output_names
from plimsoll.serving.oip.tensors import Tensor, elements, known_datatype, wrong

MOST_QUESTIONS = 10_000
"""In one request; a larger one would hold up everybody else's."""
NOT_SPOKEN = ("classification", "shared_memory_region", "sequence_id")
"""Parameters that would change the answer's meaning if they were ignored."""


class Wanted(msgspec.Struct, frozen=True):
    """An output that the caller wants; ``binary``: as raw bytes."""

    name: str
    binary: bool = False


class InferRequest(msgspec.Struct, frozen=True):
    """What a caller asked: one dictionary of columns a question, and the outputs that are wanted.

    ``anonymous``: no unit was named, in a way in which none need be; each question is a unit of its own. ``packed``: a
    lone question's numbers as float32 bytes, in the order of the form's matrix, where they came so.
    """

    id: str
    questions: list[dict[str, Any]]
    outputs: tuple[Wanted, ...]
    anonymous: bool = False
    packed: bytes | None = None


def asked(
    tensors: Sequence[Tensor],
    form: Form,
    task: str,
    *,
    id: str,
    parameters: Mapping[str, Any],
    outputs: Sequence[tuple[str, Mapping[str, Any]]],
) -> InferRequest:
    """The questions that ``tensors`` ask. Raises UsageError naming the tensor and what is wrong with it."""
    spoken(parameters)
    wanted = _wanted(outputs, task, bool(parameters.get("binary_data_output", False)))
    columns = _columns(tensors, form)
    anonymous = False
    if form.matrix and any(tensor.name == MATRIX for tensor in tensors):
        anonymous = not _named_unit(columns, form, parameters.get("unit"), id)
    _complete(columns, form, anonymous)
    names = tuple(columns)
    questions = [dict(zip(names, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return InferRequest(id, questions, wanted, anonymous)


def spoken(parameters: Mapping[str, Any]) -> None:
    for name in NOT_SPOKEN:
        if parameters.get(name):
            raise UsageError(f"the parameter {name!r} belongs to an extension that is not spoken here")


def _wanted(outputs: Sequence[tuple[str, Mapping[str, Any]]], task: str, binary: bool) -> tuple[Wanted, ...]:
    """Those that are asked for, or all of them but the one that must be."""
    names = output_names(task)
    for name, parameters in outputs:
        if name not in names:
            raise UsageError(f"there is no output tensor {name!r:.80}", hint=nearest(name, names))
        spoken(parameters)
    if not outputs:
        return tuple(Wanted(name, binary) for name in names if name != ON_REQUEST)
    return tuple(Wanted(name, bool(parameters.get("binary_data", binary))) for name, parameters in outputs)


def _columns(tensors: Sequence[Tensor], form: Form) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {}
    if len(tensors) == 1:
        return _of_tensor(tensors[0], form)
    for tensor in tensors:
        for name, values in _of_tensor(tensor, form).items():
            if name in columns:
                raise UsageError(f"the input tensor {name!r} is there twice")
            columns[name] = values
    rows = {name: len(values) for name, values in columns.items()}
    if len(set(rows.values())) > 1:
        few, many = min(rows, key=rows.__getitem__), max(rows, key=rows.__getitem__)
        raise UsageError(f"the input tensor {few!r} has {rows[few]} rows, and {many!r} has {rows[many]}")
    return columns


def _of_tensor(tensor: Tensor, form: Form) -> dict[str, list[Any]]:
    if tensor.name in form.entries:
        return {tensor.name: _column(tensor, form.entries[tensor.name])}
    if form.matrix and tensor.name == MATRIX:
        return _matrix(tensor, form)
    known = (*form.entries, MATRIX) if form.matrix else tuple(form.entries)
    raise UsageError(f"there is no input tensor {tensor.name!r:.80}", hint=nearest(tensor.name, known))


def _column(tensor: Tensor, entry: Entry) -> list[Any]:
    """The tensor's data as one value a question."""
    known_datatype(tensor)
    if tensor.datatype not in ACCEPTED[entry.kind]:
        raise wrong(tensor, f"has the datatype {tensor.datatype}; it must be one of {', '.join(ACCEPTED[entry.kind])}")
    shape = tensor.shape
    if len(shape) not in (1, 2) or (len(shape) == 2 and shape[1] != 1) or any(size < 0 for size in shape):
        raise wrong(tensor, f"has the shape {list(shape)}; it must be [n] or [n, 1]")
    return _values(tensor, entry, elements(tensor, _rows(tensor)))


def _rows(tensor: Tensor) -> int:
    rows = tensor.shape[0]
    if not 1 <= rows <= MOST_QUESTIONS:
        raise wrong(tensor, f"has {rows} rows; a request has 1 to {MOST_QUESTIONS:,} questions")
    return rows


def _matrix(tensor: Tensor, form: Form) -> dict[str, list[Any]]:
    known_datatype(tensor)
    if tensor.datatype not in FLOATS and tensor.datatype not in INTEGERS:
        raise wrong(tensor, f"has the datatype {tensor.datatype}; it must be a number")
    shape, width = tensor.shape, len(form.matrix)
    if len(shape) != 2 or shape[1] != width:
        raise wrong(tensor, f"has the shape {list(shape)}; it must be [n, {width}]", f"columns: {_listed(form.matrix)}")
    flat = elements(tensor, _rows(tensor) * width)
    if isinstance(tensor.data, bytes) and tensor.datatype in FLOATS and form.only_numbers:  # floats already
        return {name: flat[i::width] for i, name in enumerate(form.matrix)}
    return {name: _values(tensor, form.entries[name], flat[i::width]) for i, name in enumerate(form.matrix)}


def _values(tensor: Tensor, entry: Entry, read: list[Any]) -> list[Any]:
    try:
        return [value_of(entry, value) for value in read]
    except UsageError as error:
        raise UsageError(f"the input tensor {tensor.name!r}: {error.message}") from error


def _named_unit(columns: dict[str, list[Any]], form: Form, parameter: Any, id: str) -> bool:
    """Whose questions they are: what a tensor says, else the parameter ``unit``, else the request's id."""
    if form.unit in columns:
        return True
    entry, rows = form.entries[form.unit], len(next(iter(columns.values())))
    if parameter is not None:
        columns[form.unit] = [value_of(entry, parameter)] * rows
        return True
    if entry.kind != "text":
        raise UsageError(
            f"nothing names the unit {form.unit!r}",
            hint=f"send it as an input tensor, or as the request's parameter unit: {form.unit} is no text",
        )
    if id:
        columns[form.unit] = [id] * rows
    return bool(id)


def _complete(columns: Mapping[str, Any], form: Form, anonymous: bool) -> None:
    for name in form.needed:
        if name not in columns and not (anonymous and name == form.unit):
            raise UsageError(f"the input tensor {name!r} is missing", hint=f"needed: {_listed(form.needed)}")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
