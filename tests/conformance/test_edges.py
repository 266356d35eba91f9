"""Every golden case over both edges, in both forms: the codec's parity, without anybody else's client."""

from __future__ import annotations

import json
import math
from typing import Any

import grpc
import pytest

from plimsoll.serving.oip.datatypes import pack, unpack
from serving.calling import Channel, infer_request
from serving.running import Running

from .conftest import CASES, Models, difference

KINDS = {400: "invalid", 404: "not_found", "INVALID_ARGUMENT": "invalid", "NOT_FOUND": "not_found"}
WAYS = ("rest-json", "rest-binary", "grpc-typed", "grpc-raw")


def packed(tensor: dict[str, Any]) -> bytes:
    """BF16 is written here by hand: nothing of ours writes it."""
    if tensor["datatype"] != "BF16":
        return pack(tensor["datatype"], [math.nan if v is None else v for v in tensor["data"]])
    import numpy as np

    return (np.array(tensor["data"], "<f4").view("<u4") >> 16).astype("<u2").tobytes()


def over_rest(up: Running, case: dict[str, Any], *, binary: bool) -> dict[str, Any]:
    raw = [packed(t) for t in case["inputs"]] if binary else []
    inputs = case["inputs"]
    if binary:
        inputs = [
            {k: v for k, v in t.items() if k != "data"} | {"parameters": {"binary_data_size": len(r)}}
            for t, r in zip(inputs, raw, strict=True)
        ]
    body = {"inputs": inputs, "parameters": {"binary_data_output": binary}, "id": case.get("id", "")}
    body |= {"outputs": [{"name": name} for name in case["outputs"]]} if "outputs" in case else {}
    text = json.dumps(body).encode()
    path = f"/v2/models/{case.get('model', 'echo')}/infer"
    status, said, headers = up.call_raw(
        "POST", path, b"".join((text, *raw)), inference_header_content_length=str(len(text))
    )
    if status != 200:
        return {"refused": KINDS[status], "says": json.loads(said)["error"]}
    end = int(headers["inference-header-content-length"] or len(said))
    document = json.loads(said[:end])
    outputs = {}
    for output in document["outputs"]:
        if binary:
            size = output["parameters"]["binary_data_size"]
            outputs[output["name"]] = unpack(output["datatype"], said[end : end + size], output["shape"][0])
            end += size
        else:
            outputs[output["name"]] = output["data"]
    return {"outputs": outputs, "id": document.get("id", "")}


def over_grpc(channel: Channel, case: dict[str, Any], *, raw: bool) -> dict[str, Any]:
    tensors = [t | {"data": [math.nan if v is None else v for v in t["data"]]} for t in case["inputs"]]
    fields = {"model_name": case.get("model", "echo"), "id": case.get("id", "")}
    request = infer_request([] if raw else tensors, **fields)
    for tensor in tensors if raw else ():
        request.inputs.add(name=tensor["name"], datatype=tensor["datatype"], shape=tensor["shape"])
        request.raw_input_contents.append(packed(tensor))
    for name in case.get("outputs", ()):
        request.outputs.add(name=name)
    try:
        said = channel.call("ModelInfer", request)
    except grpc.RpcError as error:
        return {"refused": KINDS[error.code().name], "says": error.details()}  # type: ignore[attr-defined]
    outputs: dict[str, Any] = {}
    for i, output in enumerate(said.outputs):
        if raw:
            outputs[output.name] = unpack(output.datatype, said.raw_output_contents[i], output.shape[0])
        elif output.datatype == "FP64":
            outputs[output.name] = list(output.contents.fp64_contents)
        else:
            outputs[output.name] = [value.decode() for value in output.contents.bytes_contents]
    return {"outputs": outputs, "id": said.id}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_case_has_its_answer(models: Models, channels: dict[str, Channel], case: dict[str, Any], way: str) -> None:
    """The same to the bit, or refused in the same words, whichever way it came."""
    if way in case.get("not_over", {}):
        pytest.skip(case["not_over"][way])
    if way.startswith("rest"):
        said = over_rest(models.of(case), case, binary=way == "rest-binary")
    else:
        channel = channels.get(case.get("model", "echo"), channels["echo"])
        said = over_grpc(channel, case, raw=way == "grpc-raw")
    assert not difference(case, said)
