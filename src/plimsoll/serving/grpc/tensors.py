"""Tensors as gRPC carries them: raw, or in the field that their datatype has in ``InferTensorContents``."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from plimsoll.errors import UsageError
from plimsoll.serving.grpc.messages import response_of
from plimsoll.serving.oip import Output, Tensor
from plimsoll.serving.oip.datatypes import pack

_FIELD = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
_LETTER = {"FP32": "f", "FP64": "d"}
_MOST_DESCRIBED = 64


def read(request: Any) -> list[Tensor]:
    """A ModelInferRequest's inputs. Raises UsageError naming a tensor whose data is not where it should be."""
    raw = request.raw_input_contents
    if raw and len(raw) != len(request.inputs):
        raise UsageError(f"there are {len(request.inputs)} inputs, and {len(raw)} raw_input_contents")
    return [_read(tensor, raw[i] if raw else None) for i, tensor in enumerate(request.inputs)]


def _read(tensor: Any, raw: bytes | None) -> Tensor:
    name, datatype = tensor.name, tensor.datatype
    if raw is not None:
        if tensor.HasField("contents"):
            raise UsageError(f"the input tensor {name!r} has contents beside raw_input_contents; one or the other")
        return Tensor(name, datatype, tuple(tensor.shape), raw)
    field = _FIELD.get(datatype)
    if field is None and datatype in ("FP16", "BF16"):
        raise UsageError(
            f"the input tensor {name!r} is {datatype}, which has no contents of its own",
            hint="send it in raw_input_contents",
        )
    shape = tuple(tensor.shape)
    values = list(getattr(tensor.contents, field)) if field else []
    if datatype in _LETTER and len(values) == prod(shape):  # one way to read floats, NaN among them: as raw bytes
        return Tensor(name, datatype, shape, struct.pack(f"<{len(values)}{_LETTER[datatype]}", *values))
    return Tensor(name, datatype, shape, values)


class Writer:
    """Writes the responses of one model.

    A message is what its parts say one after the other (protobuf's encoding: repeated fields add up). What describes
    the tensors of a raw response to one question is the same every time, and kept written.
    """

    def __init__(self) -> None:
        self._response = response_of("ModelInfer")
        self._described: dict[tuple[str, ...], bytes] = {}

    def write(self, model: str, id: str, outputs: Sequence[Output], *, raw: bool) -> bytes:
        """A ModelInferResponse: all of ``outputs`` raw, or each in the field of its datatype."""
        response = self._response(model_name=model, id=id)
        if raw:
            response.raw_output_contents.extend([pack(output.datatype, output.data) for output in outputs])
            return self._description(outputs) + _bytes(response)
        for output in outputs:
            made = response.outputs.add(name=output.name, datatype=output.datatype, shape=output.shape)
            data = [value.encode() for value in output.data] if output.datatype == "BYTES" else output.data
            getattr(made.contents, _FIELD[output.datatype]).extend(data)
        return _bytes(response)

    def _description(self, outputs: Sequence[Output]) -> bytes:
        names = tuple(output.name for output in outputs)
        one = outputs[0].shape[0] == 1
        if one and names in self._described:
            return self._described[names]
        response = self._response()
        for output in outputs:
            response.outputs.add(name=output.name, datatype=output.datatype, shape=output.shape)
        said = _bytes(response)
        if one:
            if len(self._described) >= _MOST_DESCRIBED:
                self._described.clear()
            self._described[names] = said
        return said


def _bytes(message: Any) -> bytes:
    written: bytes = message.SerializeToString()
    return written


def parameters_of(sent: Mapping[str, Any]) -> dict[str, Any]:
    """A map of InferParameter as plain values."""
    return {name: getattr(p, kind) for name, p in sent.items() if (kind := p.WhichOneof("parameter_choice"))}
