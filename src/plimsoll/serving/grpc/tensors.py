"""Tensors as gRPC carries them: raw, or in the field that their datatype has in ``InferTensorContents``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from plimsoll.errors import UsageError
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
    values = list(getattr(tensor.contents, field)) if field else []
    if datatype in ("FP32", "FP64"):
        values = [None if value != value else value for value in values]  # NaN is a missing value, as it is raw
    return Tensor(name, datatype, tuple(tensor.shape), values)


def write(response: Any, outputs: Sequence[Output], *, raw: bool) -> None:
    """Add ``outputs`` to a ModelInferResponse: all raw, or each in the field of its datatype."""
    for output in outputs:
        made = response.outputs.add(name=output.name, datatype=output.datatype, shape=output.shape)
        if raw:
            response.raw_output_contents.append(pack(output.datatype, output.data))
        else:
            data = [value.encode() for value in output.data] if output.datatype == "BYTES" else output.data
            getattr(made.contents, _FIELD[output.datatype]).extend(data)


def parameters_of(sent: Mapping[str, Any]) -> dict[str, Any]:
    """A map of InferParameter as plain values."""
    return {name: getattr(p, kind) for name, p in sent.items() if (kind := p.WhichOneof("parameter_choice"))}
