"""The body of an inference response over REST: JSON, and after it what was asked for as binary data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from plimsoll.serving.oip.asking import InferRequest
from plimsoll.serving.oip.datatypes import pack
from plimsoll.serving.oip.outputs import Output, outputs_of
from plimsoll.serving.reply import Reply

_encoder = msgspec.json.Encoder()


class Written(msgspec.Struct, frozen=True, gc=False):
    """A response's body. ``json_bytes``: how much of it is JSON, where binary data follows; 0 where it is all JSON."""

    body: bytes
    json_bytes: int = 0

    @property
    def headers(self) -> dict[str, str]:
        """What the body is; where binary data follows its JSON, the protocol's header says where it begins."""
        if not self.json_bytes:
            return {"content-type": "application/json"}
        return {
            "content-type": "application/octet-stream",
            "inference-header-content-length": str(self.json_bytes),
        }


def write_reply(model: str, request: InferRequest, replies: Sequence[Reply], task: str) -> Written:
    """The response: the outputs that are wanted, in the order in which they were asked for."""
    made = outputs_of(replies, task)
    outputs, raw = [], []
    for wanted in request.outputs:
        output = made[wanted.name]
        if wanted.binary:
            raw.append(pack(output.datatype, output.data))
            outputs.append(_described(output) | {"parameters": {"binary_data_size": len(raw[-1])}})
        else:
            outputs.append(_described(output) | {"data": output.data})
    body: dict[str, Any] = {"model_name": model, "outputs": outputs}
    if request.id:
        body["id"] = request.id
    text = _encoder.encode(body)
    return Written(b"".join((text, *raw)), len(text)) if raw else Written(text)


def _described(output: Output) -> dict[str, Any]:
    return {"name": output.name, "shape": output.shape, "datatype": output.datatype}
