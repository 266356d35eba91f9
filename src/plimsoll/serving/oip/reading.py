"""The body of an inference request over REST: JSON, and after it the binary tensors, if there are any."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from plimsoll.errors import UsageError
from plimsoll.serving.form import Form
from plimsoll.serving.oip.asking import InferRequest, asked, spoken
from plimsoll.serving.oip.tensors import Tensor

Parameters = dict[str, Any]


class InputTensor(msgspec.Struct, frozen=True):
    """A tensor of the request; without ``data`` its parameter ``binary_data_size`` says how many bytes it has."""

    name: str
    shape: tuple[int, ...]
    datatype: str
    data: list[Any] | msgspec.UnsetType = msgspec.UNSET
    parameters: Parameters = {}


class RequestedOutput(msgspec.Struct, frozen=True):
    """An output that is wanted; its parameter ``binary_data``: as raw bytes."""

    name: str
    parameters: Parameters = {}


class InferBody(msgspec.Struct, frozen=True):
    """The JSON of an inference request; its parameter ``binary_data_output``: every output as raw bytes."""

    inputs: tuple[InputTensor, ...]
    id: str = ""
    parameters: Parameters = {}
    outputs: tuple[RequestedOutput, ...] = ()


_decoder = msgspec.json.Decoder(InferBody)
_MOST_DIGITS = 18
"""Of a length: Python refuses to read an integer of thousands."""


def read_request(body: bytes, form: Form, task: str, header_length: str | None = None) -> InferRequest:
    """The questions in an inference request. Raises UsageError naming the tensor and what is wrong with it.

    ``header_length``: what the header Inference-Header-Content-Length says, which is where the JSON ends.
    """
    end = len(body) if header_length is None else _json_bytes(header_length, len(body))
    try:
        request = _decoder.decode(memoryview(body)[:end])
    except msgspec.ValidationError as error:
        raise UsageError(f"this is no inference request: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"the body is not valid JSON: {error}") from error
    return asked(
        _tensors(request, body, end),
        form,
        task,
        id=request.id,
        parameters=request.parameters,
        outputs=[(output.name, output.parameters) for output in request.outputs],
    )


def _json_bytes(header_length: str, size: int) -> int:
    digits = header_length.isascii() and header_length.isdecimal() and len(header_length) <= _MOST_DIGITS
    if not digits or int(header_length) > size:
        raise UsageError(
            f"Inference-Header-Content-Length is {header_length!r:.40}, and the body has {size} bytes",
            hint="it is the length of the JSON in bytes; the binary tensors follow it",
        )
    return int(header_length)


def _tensors(request: InferBody, body: bytes, at: int) -> list[Tensor]:
    """The tensors with their data: their own, or the next bytes behind the JSON."""
    found = []
    for tensor in request.inputs:
        spoken(tensor.parameters)
        data: list[Any] | bytes
        if tensor.data is msgspec.UNSET:
            size = _binary_size(tensor.name, tensor.parameters)
            if size > len(body) - at:
                raise UsageError(
                    f"the input tensor {tensor.name!r} has the binary_data_size {size}, and {len(body) - at} bytes "
                    "of the body are left for it"
                )
            data, at = body[at : at + size], at + size
        elif "binary_data_size" in tensor.parameters:
            raise UsageError(f"the input tensor {tensor.name!r} has both data and binary_data_size")
        else:
            data = tensor.data
        found.append(Tensor(tensor.name, tensor.datatype, tensor.shape, data))
    if at != len(body):
        raise UsageError(f"{len(body) - at} bytes of binary data belong to no input tensor")
    return found


def _binary_size(name: str, parameters: Mapping[str, Any]) -> int:
    size = parameters.get("binary_data_size")
    if size is None:
        raise UsageError(f"the input tensor {name!r} has neither data nor the parameter binary_data_size")
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise UsageError(f"the input tensor {name!r} has the binary_data_size {size!r:.40}; it is a number of bytes")
    return size
