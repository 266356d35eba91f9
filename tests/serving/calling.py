"""A plain gRPC client of the protocol, over our own messages."""

from __future__ import annotations

from typing import Any

import grpc

from plimsoll.serving.grpc.messages import SERVICE, request_of, response_of
from plimsoll.serving.grpc.tensors import _FIELD
from plimsoll.serving.oip.datatypes import pack


class Channel:
    """Calls by name; raises grpc.RpcError."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.insecure_channel(address)

    def call(self, name: str, request: Any = None, **options: Any) -> Any:
        sent = request_of(name)() if request is None else request
        return response_of(name).FromString(self.send(name, sent.SerializeToString(), **options))

    def send(self, name: str, body: bytes, *, timeout: float = 10.0, metadata: Any = None) -> bytes:
        answer: bytes = self._channel.unary_unary(f"/{SERVICE}/{name}")(body, timeout=timeout, metadata=metadata)
        return answer

    def refused(self, name: str, request: Any, **options: Any) -> tuple[str, str]:
        """(status code, details) of a call that must fail."""
        try:
            self.call(name, request, **options)
        except grpc.RpcError as error:
            return error.code().name, error.details()  # type: ignore[attr-defined]
        raise AssertionError(f"{name} was answered")

    def close(self) -> None:
        self._channel.close()


def infer_request(tensors: list[dict[str, Any]], *, raw: bool = False, **fields: Any) -> Any:
    """A ModelInferRequest of tensors as REST writes them."""
    request = request_of("ModelInfer")(**{"model_name": "parcel-late"} | fields)
    for tensor in tensors:
        made = request.inputs.add(name=tensor["name"], datatype=tensor["datatype"], shape=tensor["shape"])
        if raw:
            request.raw_input_contents.append(pack(tensor["datatype"], tensor["data"]))
        else:
            data = [v.encode() if isinstance(v, str) else v for v in tensor["data"]]
            getattr(made.contents, _FIELD[tensor["datatype"]]).extend(data)
    return request
