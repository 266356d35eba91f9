"""Contracts: what the standard's file says, and what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from open_data_contract_standard.model import OpenDataContractStandard
from tests.data.conftest import column, custom, document

from plimsoll.data import ASKED_AT, Contract, KnownAt
from plimsoll.data.contract import Freshness, Limit, Reference
from plimsoll.data.yaml_tree import parse
from plimsoll.errors import InvalidDeclaration

Declare = Callable[..., Contract]
OURS = sorted(Path(__file__).parents[2].glob("examples/**/*.odcs.yaml"))
FULL = """\
apiVersion: v3.2.0
kind: DataContract
id: orders
version: 1.2.0
status: active
name: orders
schema:
  - name: orders
    physicalType: table
    customProperties:
      - {property: tolerance, value: 0.01}
      - {property: knownAt, value: published}
    quality:
      - {metric: rowCount, mustBeBetween: [1, 1000]}
      - {metric: duplicateValues, mustBe: 0, arguments: {properties: [shop, day]}}
      - {type: custom, engine: plimsoll, name: paid_after_order, implementation: paid_at >= ordered_at}
      - {type: text, description: looks right}
    relationships:
      - {from: [orders.shop, orders.day], to: [shops.id, shops.day]}
    properties:
      - name: id
        logicalType: string
        primaryKey: true
        primaryKeyPosition: 1
      - name: shop
        logicalType: string
        required: true
        enum: [{value: NO}, {value: SE, label: Sweden}]
        relationships: [{to: shops.id}]
      - {name: day, logicalType: date, logicalTypeOptions: {minimum: 2013-01-01}}
      - name: price
        logicalType: number
        logicalTypeOptions: {exclusiveMinimum: 0, maximum: 1e6, format: f64}
        quality:
          - {metric: nullValues, mustBeLessThan: 5, unit: percent}
          - {metric: nullValues, mustBe: 0, severity: warning}
        customProperties: [{property: knownAt, value: {column: ordered_at, offset: PT5M}}]
      - {name: ordered_at, logicalType: timestamp, customProperties: [{property: knownAt, value: asked_at}]}
      - name: paid_at
        logicalType: timestamp
        customProperties: [{property: knownAt, value: paid_at}]
slaProperties:
  - {property: latency, value: 2, unit: h, element: orders.ordered_at}
  - {property: retention, value: 3, unit: y}
"""


@pytest.fixture
def full(tmp_path: Path) -> Contract:
    """A contract that uses every part."""
    path = tmp_path / "orders.odcs.yaml"
    path.write_text(FULL, encoding="utf-8")
    return Contract.load(path)


def test_every_part_of_a_file_is_understood(full: Contract) -> None:
    """Keys, references, conditions, limits, freshness and tolerance come out of one file."""
    assert (full.name, full.version, full.tolerance) == ("orders", "1.2.0", 0.01)
    assert full.keys == (("id",), ("shop", "day"))
    assert full.references == (
        Reference(columns=("shop",), table="shops", to=("id",)),
        Reference(columns=("shop", "day"), table="shops", to=("id", "day")),
    )
    assert [c.name for c in full.conditions] == ["paid_after_order"]
    assert full.freshness == (Freshness("ordered_at", timedelta(hours=2)),)
    assert full.limits == (
        Limit(metric="nullValues", columns=("price",), operator="<", bounds=(5.0,), percent=True),
        Limit(metric="rowCount", columns=(), operator="between", bounds=(1.0, 1000.0)),
    )
    assert full.column("shop").enum == ("NO", "SE")
    assert full.column("id").required


def test_what_nobody_checks_is_listed(full: Contract) -> None:
    """Rules of text, warnings, formats and other service levels are not passed over in silence."""
    said = " · ".join(full.unenforced)
    for part in ("looks right", "warning", "format 'f64'", "retention"):
        assert part in said
    assert len(full.unenforced) == 4


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("shop", KnownAt()),
        ("price", KnownAt("ordered_at", timedelta(minutes=5))),
        ("ordered_at", KnownAt(ASKED_AT)),
        ("paid_at", KnownAt("paid_at")),
    ],
)
def test_a_column_is_known_when_the_contract_says(full: Contract, name: str, known: KnownAt) -> None:
    """A column's own known time, else the table's."""
    assert full.known_at(name) == known


def test_the_full_contract_is_valid_by_the_standard(full: Contract) -> None:
    """What we read is what the standard's own schema and model accept."""
    _valid(parse(Path(full.path).read_text(encoding="utf-8")).plain)


@pytest.mark.parametrize("path", OURS, ids=lambda p: p.name)
def test_the_contracts_of_the_examples_are_valid_by_the_standard_and_by_us(path: Path) -> None:
    """Every example's contract loads here, and under the standard's own schema and model; all of it is enforced."""
    _valid(parse(path.read_text(encoding="utf-8")).plain)
    contract = Contract.load(path)
    assert contract.unenforced == ()
    assert all(c.known_at is not None for c in contract.columns)


def _valid(plain: Any) -> None:
    schema = json.loads(files("open_data_contract_standard").joinpath("schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft201909Validator(schema).validate(plain)
    OpenDataContractStandard.model_validate(plain)


@pytest.mark.parametrize(
    ("old", "new", "said", "hint"),
    [
        ("kind: DataContract", "kind: DataContact", ":2: 'DataContact' cannot be here", "'DataContract'"),
        ("v3.2.0", "v3.0.0", ":1: 'v3.0.0' cannot be here", "'v3.2.0'"),
        ("status: active\n", "stats: active\n", ":5: unknown key 'stats'", "'status'"),
        ("required: true", "requird: true", ":27: unknown key 'requird'", "'required'"),
        ("logicalType: date", "logicalType: datum", ":30: 'datum' cannot be here", "'date'"),
        ("logicalType: date", "logicalType: object", ":30: 'object' cannot be here", ""),
        ("metric: rowCount", "metric: rowcount", ":14: 'rowcount' cannot be here", "'rowCount'"),
        ("value: 0.01}", "value: 2}", "tolerance is 2", "[0, 1]"),
        ("{column: ordered_at, offset: PT5M}", "{column: orderd_at}", "names the column 'orderd_at'", "'ordered_at'"),
        ("{column: ordered_at, offset: PT5M}", "{column: shop}", "not a timestamp", ""),
        ("offset: PT5M", "offset: 5 minutes", "not an ISO 8601 duration", "PT5M"),
        ("properties: [shop, day]", "properties: [shopp, day]", "names the column 'shopp'", "'shop'"),
        ("{to: shops.id}", "{to: shops}", "cannot be read", "table.column"),
        ("from: [orders.shop, orders.day]", "from: [orders.shop]", "from 1 columns to 2", ""),
        ("from: [orders.shop, orders.day]", "from: [order.shop, order.day]", "starts at 'order.shop'", "orders"),
        ("minimum: 2013-01-01", "minimum: 2013-13-01", "'2013-13-01' is no date", ""),
        ("exclusiveMinimum: 0", "exclusiveMinimum: none", "'none' is no number", ""),
        ("mustBeLessThan: 5", "mustBeLessThan: 5, mustBe: 0", "exactly one operator, it has 2", ""),
        ("name: paid_at\n", "name: shop\n", "declared twice: shop", ""),
        ("element: orders.ordered_at", "element: orders.ordered", "names the column 'ordered'", "'ordered_at'"),
        ("value: {column: ordered_at, offset: PT5M}", "value: 5", "knownAt cannot be 5", "published"),
    ],
)
def test_a_wrong_line_is_named_with_the_nearest_right_one(
    tmp_path: Path, old: str, new: str, said: str, hint: str
) -> None:
    """One wrong word, one error that says the file, the line where it stands, and what was probably meant."""
    assert old in FULL
    path = tmp_path / "orders.odcs.yaml"
    path.write_text(FULL.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InvalidDeclaration) as caught:
        Contract.load(path)
    assert str(path) in caught.value.message
    assert said in caught.value.message
    assert hint in caught.value.hint


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """So that a typing mistake is seen at once."""
    with pytest.raises(InvalidDeclaration, match=r"nowhere\.yaml: there is no such file"):
        Contract.load(tmp_path / "nowhere.yaml")


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    """A Parquet file given as a contract is said to be none."""
    path = tmp_path / "t.yaml"
    path.write_bytes(b"PAR1\xff\xfe")
    with pytest.raises(InvalidDeclaration, match="UTF-8"):
        Contract.load(path)


def test_two_tables_in_one_file_are_refused(contract: Declare) -> None:
    """One contract, one table."""
    tables = document(column("a"))["schema"] * 2
    with pytest.raises(InvalidDeclaration, match="one schema object is wanted, here are 2"):
        contract(column("a"), top={"schema": tables})


def test_a_column_without_a_known_time_cannot_be_asked_for_one(contract: Declare) -> None:
    """Silence about the known time is an error at the feature, not a leak."""
    with pytest.raises(InvalidDeclaration, match="does not say when 'a' becomes known"):
        contract(column("a")).known_at("a")


def test_an_unknown_column_is_answered_with_the_nearest(contract: Declare) -> None:
    """A requirement on a column that is not there is found by name."""
    with pytest.raises(InvalidDeclaration, match="has no column 'carier'") as caught:
        contract(column("carrier")).column("carier")
    assert "'carrier'" in caught.value.hint


def test_the_digest_is_of_the_files_bytes(contract: Declare) -> None:
    """Another file is another digest; the same file, the same."""
    one, same = contract(column("a")), contract(column("a"))
    assert one.digest == same.digest != contract(column("a"), customProperties=[custom("tolerance", 0.5)]).digest


@pytest.mark.parametrize("operator", ["=", "<>", ">", ">=", "<", "<=", "between", "not between"])
def test_a_limit_holds_as_its_operator_says(operator: Any) -> None:
    """Counts on both sides of the bounds 2 and 4, against Python's own comparison."""
    limit = Limit(metric="rowCount", columns=(), operator=operator, bounds=(2.0, 4.0))
    expected = {
        "=": [2], "<>": [0, 1, 3, 4, 5], ">": [3, 4, 5], ">=": [2, 3, 4, 5], "<": [0, 1], "<=": [0, 1, 2],
        "between": [2, 3, 4], "not between": [0, 1, 5],
    }  # fmt: skip
    assert [n for n in range(6) if limit.holds(n, 10)] == expected[operator]
