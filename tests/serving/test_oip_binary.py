from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.errors import UsageError
from plimsoll.serving.form import Form
from plimsoll.serving.oip import read_request
from plimsoll.serving.oip.datatypes import pack, unpack

from .conftest import live, make_yard, toy
from .running import Running, running, two_parcels

PATH = "/v2/models/parcel-late/infer"


@pytest.fixture(scope="module")
def up(tmp_path_factory: Any) -> Iterator[Running]:
    yard = make_yard(tmp_path_factory.mktemp("binary"), toy())
    row = yard.release()
    with running(yard, live(row.digest), rows=[row]) as made:
        yield made
    yard.log.close()


def as_binary(tensors: list[dict[str, Any]], **more: Any) -> tuple[bytes, int]:
    """The body of a request whose tensors are all binary, and the length of its JSON."""
    raw = [pack(t["datatype"], t["data"]) for t in tensors]
    described = [
        {k: v for k, v in t.items() if k != "data"} | {"parameters": {"binary_data_size": len(r)}}
        for t, r in zip(tensors, raw, strict=True)
    ]
    text = msgspec.json.encode({"inputs": described, **more})
    return b"".join((text, *raw)), len(text)


def read_binary(said: bytes, headers: Any) -> dict[str, Any]:
    """The outputs of a response, whether they are JSON or binary."""
    end = int(headers["inference-header-content-length"] or len(said))
    outputs = {}
    for output in msgspec.json.decode(said[:end])["outputs"]:
        if "data" in output:
            outputs[output["name"]] = output["data"]
            continue
        size = output["parameters"]["binary_data_size"]
        count = 1
        for width in output["shape"]:
            count *= width
        outputs[output["name"]] = unpack(output["datatype"], said[end : end + size], count)
        end += size
    assert end == len(said)
    return outputs


def infer(up: Running, body: bytes, length: int | str) -> tuple[int, bytes, Any]:
    return up.call_raw("POST", PATH, body, inference_header_content_length=str(length))


def test_binary_in_binary_out(up: Running) -> None:
    """Everything raw, and equal to what the same tensors say as JSON."""
    body, length = as_binary(two_parcels(), id="mine", parameters={"binary_data_output": True})
    status, said, headers = infer(up, body, length)
    assert (status, headers["content-type"]) == (200, "application/octet-stream")
    found = read_binary(said, headers)
    plain = {o["name"]: o["data"] for o in up.infer(*two_parcels())[1]["outputs"]}
    assert {n: found[n] for n in ("probability", "release", "action")} == {
        n: plain[n] for n in ("probability", "release", "action")
    }


def test_an_output_may_differ_from_the_rest(up: Running) -> None:
    """``binary_data`` on an output wins over the request's default, and the order is the one asked for."""
    outputs = [{"name": "event_id"}, {"name": "probability", "parameters": {"binary_data": False}}]
    body, length = as_binary(two_parcels(), outputs=outputs, parameters={"binary_data_output": True})
    _, said, headers = infer(up, body, length)
    described = msgspec.json.decode(said[: int(headers["inference-header-content-length"])])["outputs"]
    assert [(o["name"], "data" in o) for o in described] == [("event_id", False), ("probability", True)]
    assert len(read_binary(said, headers)["event_id"]) == 2


def test_json_and_binary_may_be_mixed(up: Running) -> None:
    """One tensor raw among tensors in JSON; without a wish the answer is JSON."""
    parcel, weight, depot = two_parcels()
    raw = pack("FP64", weight.pop("data"))
    text = msgspec.json.encode({"inputs": [parcel, weight | {"parameters": {"binary_data_size": len(raw)}}, depot]})
    status, said, headers = infer(up, text + raw, len(text))
    assert (status, headers["content-type"]) == (200, "application/json")
    assert len(msgspec.json.decode(said)["outputs"]) == 5


def test_the_header_may_be_all_of_the_body(up: Running) -> None:
    """A client that always sends the header, with JSON alone behind it."""
    text = msgspec.json.encode({"inputs": two_parcels()})
    assert infer(up, text, len(text))[0] == 200


def described(**parameters: Any) -> bytes:
    parcel, weight, depot = two_parcels()
    del weight["data"]
    return msgspec.json.encode({"inputs": [parcel, weight | {"parameters": parameters}, depot]})


SIXTEEN = pack("FP64", [2.0, -1.5])
WRONG: dict[str, tuple[bytes, bytes, str]] = {
    "no data": (described(), b"", "'weight' has neither data nor the parameter binary_data_size"),
    "too few bytes": (described(binary_data_size=16), b"1234", "'weight' has the binary_data_size 16, and 4 bytes"),
    "too many bytes": (described(binary_data_size=16), SIXTEEN + b"more", "4 bytes of binary data belong to no"),
    "another size": (described(binary_data_size=8), SIXTEEN[:8], "'weight': it has 8 bytes of data"),
    "no size": (described(binary_data_size=-1), b"", "'weight' has the binary_data_size -1"),
    "a size that is none": (described(binary_data_size=True), b"", "'weight' has the binary_data_size True"),
    "shared memory": (described(shared_memory_region="r"), b"", "'shared_memory_region' belongs to an extension"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_binary_tensor_is_named(up: Running, case: str) -> None:
    """400, with the sizes."""
    text, raw, expected = WRONG[case]
    status, said, _ = infer(up, text + raw, len(text))
    assert (status, expected in msgspec.json.decode(said)["error"]) == (400, True)


def test_both_data_and_size_is_an_error(up: Running) -> None:
    """Which of the two would count?"""
    tensors = [t | {"parameters": {"binary_data_size": 4}} for t in two_parcels()]
    status, said = up.infer(*tensors)
    assert (status, "'parcel' has both" in said["error"]) == (400, True)


@pytest.mark.parametrize("length", ["-1", "x", "1e3", "999999", "٣", "", "9" * 5000])
def test_a_wrong_header_length_is_said(up: Running, length: str) -> None:
    """It must be a number of bytes within the body."""
    text = msgspec.json.encode({"inputs": two_parcels()})
    status, said, _ = up.call_raw("POST", PATH, text, inference_header_content_length=length.encode())
    assert (status, b"Inference-Header-Content-Length" in said) == (400, True)


def test_classification_is_not_spoken(up: Running) -> None:
    """Rather an error than an answer to another question."""
    outputs = [{"name": "probability", "parameters": {"classification": 2}}]
    status, said = up.infer(*two_parcels(), outputs=outputs)
    assert (status, "'classification'" in said["error"]) == (400, True)


def test_bf16_has_no_json(up: Running) -> None:
    """Only raw bytes have a form for it, and those are read."""
    parcel, weight, depot = two_parcels()
    status, said = up.infer(parcel, weight | {"datatype": "BF16"}, depot)
    assert (status, "send it as binary data" in said["error"]) == (400, True)
    raw = b"\x00\x40\xc0\xbf"  # 2.0, -1.5
    plain = msgspec.json.encode(
        {
            "inputs": [
                parcel,
                {"name": "weight", "datatype": "BF16", "shape": [2], "parameters": {"binary_data_size": 4}},
                depot,
            ]
        }
    )
    _, said, _ = infer(up, plain + raw, len(plain))
    assert msgspec.json.decode(said)["outputs"][0]["data"] == up.infer(*two_parcels())[1]["outputs"][0]["data"]


@given(st.binary(max_size=60), st.integers(0, 40))
def test_no_bytes_behind_the_json_break_the_reader(raw: bytes, size: int) -> None:
    """Any bytes for a tensor of texts: read, or refused."""
    inputs = [
        {"name": name, "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": size}}
        for name in ("depot", "parcel")
    ]
    weight = {"name": "weight", "datatype": "FP32", "shape": [1], "data": [1]}
    text = msgspec.json.encode({"inputs": [*inputs, weight]})
    try:
        assert len(read_request(text + raw, Form.of(toy(), None), "binary", str(len(text))).questions) == 1
    except UsageError:
        return
