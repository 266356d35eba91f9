"""A tensor as it came, over whichever edge; and its elements, each checked against the datatype."""

from __future__ import annotations

from typing import Any, NamedTuple

from plimsoll.errors import UsageError, nearest
from plimsoll.serving.oip.datatypes import DATATYPES, ONLY_RAW, is_a, text, unpack


class Tensor(NamedTuple):
    """``data``: elements (flat, or nested like the shape), or the raw bytes of them."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: list[Any] | bytes


def wrong(tensor: Tensor, why: str, hint: str = "") -> UsageError:
    return UsageError(f"the input tensor {tensor.name!r} {why}", hint=hint)


def known_datatype(tensor: Tensor) -> None:
    if tensor.datatype not in DATATYPES:
        raise wrong(tensor, f"has the datatype {tensor.datatype!r:.80}", nearest(tensor.datatype, DATATYPES))


def elements(tensor: Tensor, count: int) -> list[Any]:
    """Its ``count`` elements, row after row; None is a missing value. Raises UsageError naming the tensor."""
    if isinstance(tensor.data, bytes):
        try:
            return unpack(tensor.datatype, tensor.data, count)
        except UsageError as error:
            raise UsageError(f"the input tensor {tensor.name!r}: {error.message}") from error
    if tensor.datatype in ONLY_RAW:
        raise wrong(tensor, f"is {tensor.datatype}, which has no form but the raw one", "send it as binary data")
    return [_element(tensor, value) for value in _flat(tensor, tensor.data, count)]


def _flat(tensor: Tensor, data: list[Any], count: int) -> list[Any]:
    """Data may come flat or nested like its shape."""
    if len(tensor.shape) == 2 and data and all(isinstance(i, list) and len(i) == tensor.shape[1] for i in data):
        data = [value for row in data for value in row]
    if len(data) != count:
        raise wrong(tensor, f"has {len(data)} elements, and its shape {list(tensor.shape)} says {count}")
    return data


def _element(tensor: Tensor, value: Any) -> Any:
    """One element of the tensor, which must be what its datatype says; over gRPC a text comes as its bytes."""
    if isinstance(value, bytes):
        try:
            value = text(value)
        except UsageError as error:
            raise UsageError(f"the input tensor {tensor.name!r}: {error.message}") from error
    if value is None or is_a(tensor.datatype, value):
        return value
    raise wrong(tensor, f"is {tensor.datatype}, and has the element {value!r:.80}")
