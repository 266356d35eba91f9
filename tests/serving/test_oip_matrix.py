from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from plimsoll.features import Inputs, number
from plimsoll.kernel.records import Event

from .conftest import live, make_yard, toy
from .running import Running, running, tensor

NUMBERS = [[2.0, 1.0], [-1.5, 0.0], [0.5, 3.0]]


@pytest.fixture(scope="module")
def up(tmp_path_factory: Any) -> Iterator[Running]:
    """A capability whose features are nothing but numbers."""
    yard = make_yard(tmp_path_factory.mktemp("matrix"), toy(features=[Inputs(number("weight"), number("floor"))]))
    row = yard.release()
    with running(yard, live(row.digest), rows=[row]) as made:
        made.yard = yard  # type: ignore[attr-defined]
        yield made
    yard.log.close()


def matrix(rows: list[list[float]] = NUMBERS, datatype: str = "FP32", **changes: Any) -> dict[str, Any]:
    flat = [value for row in rows for value in row]
    return tensor("features", flat, datatype, [len(rows), len(rows[0])]) | changes


def scores(said: dict[str, Any]) -> Any:
    return said["outputs"][0]["data"]


def units(up: Running, said: dict[str, Any]) -> list[str]:
    ids = next(o["data"] for o in said["outputs"] if o["name"] == "event_id")
    events = {r.id: r for r in up.yard.log.read()[0] if isinstance(r, Event)}  # type: ignore[attr-defined]
    return [events[i].unit for i in ids]


def test_numbers_may_come_as_one_matrix(up: Running) -> None:
    """The same answers as from a tensor for each column, in the order that the metadata says."""
    weights, floors = [r[0] for r in NUMBERS], [int(r[1]) for r in NUMBERS]
    columns = [tensor("parcel", ["a", "b", "c"]), tensor("weight", weights, "FP64"), tensor("floor", floors, "INT64")]
    status, said = up.infer(tensor("parcel", ["a", "b", "c"]), matrix())
    assert status == 200
    assert scores(said) == scores(up.infer(*columns)[1])
    assert units(up, said) == ["a", "b", "c"]
    described = up.call("GET", "/v2/models/parcel-late")[1]["inputs"][-1]
    assert (described["name"], described["shape"]) == ("features", [-1, 2])
    assert described["parameters"] == {"optional": True, "columns": ["weight", "floor"]}


@pytest.mark.parametrize("datatype", ["FP16", "FP32", "FP64", "INT8", "UINT64"])
def test_any_number_will_do_in_a_matrix(up: Running, datatype: str) -> None:
    """Flat, or nested like its shape."""
    flat = matrix([[2, 1], [1, 0]], datatype)
    nested = flat | {"data": [[2, 1], [1, 0]]}
    assert scores(up.infer(flat, parameters={"unit": "u"})[1]) == scores(up.infer(nested, id="u")[1])


def test_the_unit_is_named_by_parameter_or_by_id(up: Running) -> None:
    """A tensor's word goes first, then the parameter's, then the request's id."""
    assert units(up, up.infer(matrix(), parameters={"unit": "u7"}, id="r1")[1]) == ["u7"] * 3
    assert units(up, up.infer(matrix(), id="r1")[1]) == ["r1"] * 3
    named = tensor("parcel", ["a", "b", "c"])
    assert units(up, up.infer(named, matrix(), parameters={"unit": "u7"})[1]) == ["a", "b", "c"]


def test_without_a_name_each_question_is_a_unit_of_its_own(up: Running) -> None:
    """Its event id stands for it."""
    _, said = up.infer(matrix())
    ids = next(o["data"] for o in said["outputs"] if o["name"] == "event_id")
    assert units(up, said) == ids


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "another width": (matrix([[1.0], [2.0]]), "'features' has the shape [2, 1]; it must be [n, 2]"),
    "one dimension": (matrix(shape=[6]), "'features' has the shape [6]; it must be [n, 2]"),
    "too few": (matrix(data=[1.0]), "'features' has 1 elements, and its shape [3, 2] says 6"),
    "texts": (matrix(datatype="BYTES"), "'features' has the datatype BYTES; it must be a number"),
    "half a floor": (matrix([[1.0, 0.5]]), "'features': the column 'floor' must be a whole number, not 0.5"),
    "no rows": (matrix(shape=[0, 2], data=[]), "'features' has 0 rows"),
    "too many rows": (matrix(shape=[10_001, 2]), "'features' has 10001 rows"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_matrix_says_what_it_must_be(up: Running, case: str) -> None:
    """With the columns that it needs."""
    sent, expected = WRONG[case]
    status, said = up.infer(sent)
    assert (status, expected in said["error"]) == (400, True), said


def test_a_column_may_not_come_twice(up: Running) -> None:
    """In the matrix and on its own."""
    status, said = up.infer(matrix(), tensor("floor", [1, 2, 3], "INT8"))
    assert (status, "'floor' is there twice" in said["error"]) == (400, True)


def test_a_question_with_a_text_has_no_matrix(yard: Any) -> None:
    """A depot is no number: the tensor is unknown there."""
    with running(yard) as up:
        status, said = up.infer(matrix())
        assert (status, "no input tensor 'features'" in said["error"]) == (400, True)


@pytest.mark.parametrize("value", [2**64, 10**30, -(10**30), 2**63])
def test_a_number_beyond_64_bits_harms_nobody(up: Running, value: int) -> None:
    """As an integer no event could hold it: it is read as the float that it is."""
    status, said = up.infer(matrix([[value, 1]], "FP64"), id="u")
    assert (status, len(scores(said))) == (200, 1)
