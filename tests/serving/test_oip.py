from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.errors import UsageError
from plimsoll.models import OnnxEngine
from plimsoll.serving.form import Form
from plimsoll.serving.oip import read_request

from .conftest import live, make_yard, packed, toy
from .running import Running, running, tensor, two_parcels


@pytest.fixture(scope="module")
def up(tmp_path_factory: Any) -> Iterator[Running]:
    yard = make_yard(tmp_path_factory.mktemp("oip"), toy())
    row = yard.release()
    with running(yard, live(row.digest), rows=[row]) as made:
        yield made
    yard.log.close()


def test_tensors_in_tensors_out(up: Running) -> None:
    """One row a question, with the protocol's field names."""
    status, said = up.infer(*two_parcels(), id="mine")
    outputs = {o["name"]: o for o in said["outputs"]}
    assert (status, said["model_name"], said["id"]) == (200, "parcel-late", "mine")
    assert list(outputs) == ["probability", "release", "action", "event_id", "reason"]
    assert {(o["datatype"], tuple(o["shape"])) for o in outputs.values()} == {("FP64", (2,)), ("BYTES", (2,))}
    import numpy as np

    expected = OnnxEngine(packed().model).predict(np.array([[2.0, 0.0], [-1.5, 1.0]], dtype=np.float32))
    assert outputs["probability"]["data"] == pytest.approx(expected.tolist())


def test_columns_may_be_nested_and_outputs_chosen(up: Running) -> None:
    """Shape [n, 1], nested or flat, and only the outputs that are asked for."""
    parcel, weight, depot = two_parcels()
    nested = weight | {"shape": [2, 1], "data": [[2.0], [-1.5]]}
    flat = depot | {"shape": [2, 1]}
    status, said = up.infer(parcel, nested, flat, outputs=[{"name": "event_id"}])
    assert (status, [o["name"] for o in said["outputs"]]) == (200, ["event_id"])


def test_any_numeric_datatype_will_do(up: Running) -> None:
    """A number may come as any integer or float; other known columns are optional."""
    parcel, weight, depot = two_parcels()
    for datatype in ("INT8", "UINT16", "INT64", "FP16", "FP32"):
        more = [tensor("floor", [3, 4], "UINT8"), tensor("fragile", [True, False], "BOOL")]
        asked = tensor("asked", ["2026-03-01T12:00:00Z", "2026-03-01T13:00:00+01:00"])
        assert up.infer(parcel, weight | {"datatype": datatype, "data": [2, 1]}, depot, asked, *more)[0] == 200


def replaced(name: str, **changes: Any) -> list[dict[str, Any]]:
    return [t | changes if t["name"] == name else t for t in two_parcels()]


WRONG = {
    "wrong shape": (replaced("weight", shape=[3]), "'weight' has 2 elements"),
    "too many dimensions": (replaced("weight", shape=[1, 2]), "'weight' has the shape [1, 2]"),
    "no rows": (replaced("weight", shape=[0], data=[]), "'weight' has 0 rows"),
    "unequal rows": (replaced("weight", shape=[1], data=[1.0]), "'weight' has 1 rows"),
    "wrong datatype": (replaced("weight", datatype="BYTES", data=["1", "2"]), "'weight' has the datatype BYTES"),
    "unknown datatype": (replaced("weight", datatype="FLOAT64"), "'weight' has the datatype 'FLOAT64'"),
    "wrong element": (replaced("weight", data=["heavy", 1.0]), "'weight' is FP64, and has the element 'heavy'"),
    "out of range": (replaced("weight", datatype="UINT8", data=[300, 1]), "'weight' is UINT8"),
    "no bool": (replaced("depot", data=[True, "x"]), "'depot' is BYTES"),
    "no time": ([*two_parcels(), tensor("asked", ["noon", "later"])], "'asked': the column 'asked' must be a time"),
    "missing tensor": (two_parcels()[:2], "'depot' is missing"),
    "misspelt tensor": ([*two_parcels()[:2], tensor("depo", ["a", "b"])], "did you mean 'depot'?"),
    "the label": ([*two_parcels(), tensor("late", [True, False], "BOOL")], "no input tensor 'late'"),
    "twice": ([*two_parcels(), two_parcels()[0]], "'parcel' is there twice"),
    "no unit": (replaced("parcel", data=[None, "p2"]), "no 'parcel'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_tensor_is_named(up: Running, case: str) -> None:
    """400 in the protocol's shape, naming the tensor and what is wrong with it."""
    tensors, said = WRONG[case]
    status, body = up.infer(*tensors)
    assert (status, list(body)) == (400, ["error"])
    assert said in body["error"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"inputs": 3}', b'{"inputs": [{"name": "weight"}]}', b"\xff\xfe"])
def test_what_is_no_request_is_refused(up: Running, body: bytes) -> None:
    """Malformed JSON and JSON of another shape are the caller's mistake."""
    status, said = up.call("POST", "/v2/models/parcel-late/infer", body)
    assert (status, list(said)) == (400, ["error"])


def test_unknown_models_and_versions_are_404(up: Running) -> None:
    """With the nearest right name."""
    for path in ("/v2/models/parcel-lat", "/v2/models/parcel-lat/ready", "/v2/models/parcel-late/versions/7"):
        assert up.call("GET", path)[0] == 404
    status, said = up.call("POST", "/v2/models/parcel-lat/infer", {"inputs": two_parcels()})
    assert (status, "did you mean 'parcel-late'" in said["error"]) == (404, True)


def test_metadata_describes_the_tensors(up: Running) -> None:
    """What to send and what comes back, with datatypes from the contract."""
    assert up.call("GET", "/v2")[1]["name"] == "plimsoll"
    said = up.call("GET", "/v2/models/parcel-late/")[1]
    inputs = {t["name"]: (t["datatype"], t["parameters"]["optional"]) for t in said["inputs"]}
    assert inputs == {
        "parcel": ("BYTES", False),
        "weight": ("FP64", False),
        "depot": ("BYTES", False),
        "asked": ("BYTES", True),
        "floor": ("INT64", True),
        "fragile": ("BOOL", True),
    }
    assert [t["name"] for t in said["outputs"]] == ["probability", "release", "action", "event_id", "reason", "says"]
    assert up.call("GET", f"/v2/models/parcel-late/versions/{said['versions'][0]}/ready/")[0] == 200


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(body: bytes) -> None:
    """Whatever is sent is a request or a UsageError, never anything else."""
    with pytest.raises(UsageError):
        read_request(body, Form.of(toy(), None), "binary")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(json_values, max_size=3), st.lists(st.integers(-2, 4), max_size=3), st.sampled_from(["FP64", "BYTES"]))
def test_no_tensor_breaks_the_reader(data: list[Any], shape: list[int], datatype: str) -> None:
    """Any data under any shape: read as n values, or refused by name."""
    import msgspec

    tensors = [{"name": n, "shape": shape, "datatype": datatype, "data": data} for n in ("weight", "depot", "parcel")]
    try:
        request = read_request(msgspec.json.encode({"inputs": tensors}), Form.of(toy(), None), "binary")
    except UsageError:
        return
    assert len(request.questions) == shape[0] == len(data)
