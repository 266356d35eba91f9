"""Checking: what is bad, why, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.data.conftest import column, custom, rows

from plimsoll.data import Contract, check, enforce
from plimsoll.errors import InvalidDeclaration, Refused, UsageError

Declare = Callable[..., Contract]
Table = Callable[..., Path]
ANY = [custom("tolerance", 1)]
"""Tolerates anything, so that a test can look at the good rows too."""


def test_sound_rows_are_passed_on_as_they_are(contract: Declare, table: Table, tmp_path: Path) -> None:
    """Nothing bad, nothing to convert: the source's own file is the good one, and nothing is written."""
    source = table("SELECT range AS a FROM range(10)")
    result = enforce(check(contract(column("a", required=True)), source, out_folder=tmp_path / "out"))
    assert (result.rows, result.bad_rows, result.reasons) == (10, 0, {})
    assert (result.good, result.quarantined) == ((source,), None)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("declared", "values", "bad", "reason"),
    [
        (column("a", required=True), "(1), (NULL), (3)", [None], "a: missing"),
        (column("a", logicalTypeOptions={"minimum": 1}), "(0), (1), (NULL)", [0], "a: below 1"),
        (column("a", logicalTypeOptions={"maximum": 9}), "(9), (10)", [10], "a: above 9"),
        (column("a", logicalTypeOptions={"exclusiveMinimum": 0}), "(0), (1)", [0], "a: not above 0"),
        (column("a", logicalTypeOptions={"exclusiveMaximum": 9}), "(8), (9)", [9], "a: not below 9"),
        (column("a", logicalTypeOptions={"multipleOf": 5}), "(5), (-10), (7)", [7], "a: no multiple of 5"),
        (column("a", enum=[{"value": 1}, {"value": 2}]), "(1), (3), (NULL)", [3], "a: not one of 1, 2"),
        (column("a", "number"), "(1.5::DOUBLE), ('nan'::DOUBLE)", "nan", "a: not a number"),
        (column("a", "number"), "(1.5::FLOAT), ('inf'::FLOAT)", "inf", "a: not a number"),
        (column("a"), "(1.0::DOUBLE), (1.5::DOUBLE), (NULL)", [1.5], "a: not an integer"),
        (column("a", "string", logicalTypeOptions={"minLength": 2}), "('xy'), ('x')", ["x"], "a: shorter than 2"),
        (column("a", "string", logicalTypeOptions={"maxLength": 2}), "('äö'), ('xyz')", ["xyz"], "a: longer than 2"),
        (column("a", "string", logicalTypeOptions={"pattern": "^[A-Z]+$"}), "('X'), ('x')", ["x"], "a: does not match"),
        (column("a", "string", enum=[{"value": "it's"}]), "('it''s'), ('its')", ["its"], "a: not one of it's"),
        (
            column("a", "date", logicalTypeOptions={"minimum": "2013-01-01"}),
            "(DATE '2013-01-01'), (DATE '2012-12-31')",
            [datetime(2012, 12, 31).date()],
            "a: below 2013-01-01",
        ),
        (
            column("a", "timestamp", logicalTypeOptions={"maximum": "2013-01-01T02:00:00+02:00"}),
            "(TIMESTAMP '2013-01-01'), (TIMESTAMP '2013-01-01 00:00:01')",
            [datetime(2013, 1, 1, 0, 0, 1)],
            "a: above 2013-01-01T02:00:00+02:00",
        ),
        (
            column("a", quality=[{"metric": "invalidValues", "mustBe": 0, "arguments": {"validValues": [1]}}]),
            "(1), (2)",
            [2],
            "a: not one of 1",
        ),
        (
            column("a", quality=[{"metric": "missingValues", "mustBe": 0, "arguments": {"missingValues": [-9]}}]),
            "(1), (-9)",
            [-9],
            "a: stands for a missing value",
        ),
        (column("a", quality=[{"metric": "nullValues", "mustBe": 0}]), "(1), (NULL)", [None], "a: missing"),
        (column("a", unique=True), "(1), (2), (1), (NULL), (NULL)", [1], "a: a duplicate"),
        (column("a", quality=[{"metric": "duplicateValues", "mustBe": 0}]), "(1), (1)", [1], "a: a duplicate"),
    ],
)
def test_a_rule_finds_the_rows_that_break_it(
    contract: Declare, table: Table, tmp_path: Path, declared: dict[str, Any], values: str, bad: Any, reason: str
) -> None:
    """Each kind of rule on a handful of values: those and only those go, with that reason; NULL is fine if allowed."""
    source = table(f"SELECT a FROM (VALUES {values}) t(a)")
    result = check(contract(declared, customProperties=ANY), source, out_folder=tmp_path)
    quarantined = rows(result.quarantined)
    found = [row[0] for row in quarantined]
    assert (str(found[0]) == bad) if isinstance(bad, str) else (found == bad)
    assert [r.startswith(reason) for _, reasons in quarantined for r in reasons] == [True] * len(quarantined)
    assert len(rows(result.good)) + len(quarantined) == result.rows


def test_good_and_quarantined_rows_keep_the_order_of_the_source(
    contract: Declare, table: Table, tmp_path: Path
) -> None:
    """Over several files and row groups, at every run."""
    size = ", ROW_GROUP_SIZE 2048"
    files = [
        table(f"SELECT (range * 7919) % 10007 AS a FROM range({n}, {n} + 20000)", f"r{n}", size) for n in (0, 20_000)
    ]
    declared = contract(column("a", logicalTypeOptions={"minimum": 100}), customProperties=ANY)
    result = check(declared, files, out_folder=tmp_path / "out")
    everything = [(n * 7919) % 10007 for n in range(40_000)]
    assert [row[0] for row in rows(result.good)] == [a for a in everything if a >= 100]
    assert [row[0] for row in rows(result.quarantined)] == [a for a in everything if a < 100]


def test_a_row_carries_all_its_reasons_in_the_contracts_order(contract: Declare, table: Table, tmp_path: Path) -> None:
    """Row rules first, references after them; each is counted."""
    declared = contract(
        column("a", logicalTypeOptions={"minimum": 0}),
        column("b", "string", required=True, relationships=[]),
        relationships=[{"from": "t.a", "to": "other.a"}],
        customProperties=ANY,
    )
    related = {"other": table("SELECT 1 AS a", "other")}
    source = table("SELECT * FROM (VALUES (-1, NULL), (1, 'x'), (2, 'x')) t(a, b)")
    result = check(declared, source, related=related, out_folder=tmp_path)
    assert [r[-1] for r in rows(result.quarantined)] == [
        ["a: below 0", "b: missing", "a: not in other.a"],
        ["a: not in other.a"],
    ]
    assert result.reasons == {"a: not in other.a": 2, "a: below 0": 1, "b: missing": 1}


def test_the_first_whole_row_of_a_key_stays(contract: Declare, table: Table, tmp_path: Path) -> None:
    """Twins after it go; a row that is bad for another reason does not push out its twin."""
    declared = contract(
        *(column("k", primaryKey=True, primaryKeyPosition=1), column("j", primaryKey=True, primaryKeyPosition=2)),
        column("v", required=True),
        customProperties=ANY,
    )
    source = table("SELECT * FROM (VALUES (1, 1, NULL), (1, 1, 5), (1, 2, 6), (1, 1, 7)) t(k, j, v)")
    result = check(declared, source, out_folder=tmp_path)
    assert rows(result.good) == [(1, 1, 5), (1, 2, 6)]
    assert [(r[2], r[3]) for r in rows(result.quarantined)] == [(None, ["v: missing"]), (7, ["k, j: a duplicate"])]


def test_a_reference_with_a_null_refers_to_nothing(contract: Declare, table: Table, tmp_path: Path) -> None:
    """As SQL's MATCH SIMPLE: a composite key with a NULL in it is fine."""
    declared = contract(
        *(column("a"), column("b")),
        relationships=[{"from": ["t.a", "t.b"], "to": ["other.x", "other.y"]}],
        customProperties=ANY,
    )
    related = {"other": table("SELECT 1 AS x, 2 AS y", "other")}
    source = table("SELECT * FROM (VALUES (1, 2), (1, NULL), (2, 1)) t(a, b)")
    result = check(declared, source, related=related, out_folder=tmp_path)
    assert [r[:2] for r in rows(result.quarantined)] == [(2, 1)]
    assert result.reasons == {"a, b: not in other.x, other.y": 1}


def test_a_reference_into_the_same_table_needs_no_other(contract: Declare, table: Table, tmp_path: Path) -> None:
    """A row's parent is a row of the same set."""
    declared = contract(column("id"), column("parent", relationships=[{"to": "t.id"}]), customProperties=ANY)
    source = table("SELECT * FROM (VALUES (1, NULL), (2, 1), (3, 9)) t(id, parent)")
    assert check(declared, source, out_folder=tmp_path).reasons == {"parent: not in t.id": 1}


def test_the_rows_of_a_relationship_must_be_given(contract: Declare, table: Table, tmp_path: Path) -> None:
    """Nothing is assumed about a table that was not given, or that lacks the column."""
    declared = contract(column("a", relationships=[{"to": "weather.a"}]))
    source = table("SELECT 1 AS a")
    with pytest.raises(UsageError, match="leads to 'weather', whose rows were not given"):
        check(declared, source, out_folder=tmp_path)
    with pytest.raises(UsageError, match="'weather' have no column 'a'"):
        check(declared, source, related={"weather": table("SELECT 1 AS b", "w")}, out_folder=tmp_path)


def test_a_condition_judges_several_columns_of_a_row(contract: Declare, table: Table, tmp_path: Path) -> None:
    """NULL counts as fulfilled, as in a check constraint of SQL."""
    rule = {"type": "custom", "engine": "plimsoll", "name": "ordered", "implementation": "a <= b"}
    declared = contract(column("a"), column("b"), quality=[rule], customProperties=ANY)
    source = table("SELECT * FROM (VALUES (1, 2), (2, 1), (1, NULL)) t(a, b)")
    result = check(declared, source, out_folder=tmp_path)
    assert [r[:2] for r in rows(result.quarantined)] == [(2, 1)]
    assert result.reasons == {"ordered": 1}


@pytest.mark.parametrize("condition", ["a <= c", "a <=", "a + 1", "count(*) > 1", "true) FROM x; DROP TABLE x; --"])
def test_a_condition_that_is_none_is_named(contract: Declare, table: Table, tmp_path: Path, condition: str) -> None:
    """A wrong column, half an expression, an aggregate: the declaration is at fault, and is named."""
    rule = {"type": "custom", "engine": "plimsoll", "name": "odd", "implementation": condition}
    declared = contract(column("a", "string"), quality=[rule])
    with pytest.raises(InvalidDeclaration, match="the rule 'odd' cannot be evaluated"):
        check(declared, table("SELECT 'x' AS a"), out_folder=tmp_path)


def test_over_the_tolerance_the_set_is_refused_with_its_evidence(
    contract: Declare, table: Table, tmp_path: Path
) -> None:
    """At the tolerance it passes; above it Refused carries counts, reasons and where the rows lie."""
    source = table("SELECT range AS a FROM range(10)")
    low = column("a", logicalTypeOptions={"minimum": 2})
    enforce(check(contract(low, customProperties=[custom("tolerance", 0.2)]), source, out_folder=tmp_path))
    result = check(contract(low, customProperties=[custom("tolerance", 0.19)]), source, out_folder=tmp_path)
    assert result.good == ()
    with pytest.raises(Refused, match=r"2 of 10 rows are bad \(20.000%\); the contract tolerates 19.000%") as caught:
        enforce(result)
    assert caught.value.details == {"rows": 10, "bad_rows": 2, "reasons": {"a: below 2": 2}}
    assert str(result.quarantined) in caught.value.hint


def test_a_missing_column_or_another_type_refuses_the_set(contract: Declare, table: Table, tmp_path: Path) -> None:
    """A changed source is not checked row by row: it is said what changed."""
    declared = contract(column("a"), column("b", "timestamp"))
    result = check(declared, table("SELECT true AS b"), out_folder=tmp_path)
    assert "'a' is missing" in result.refused
    assert "'b' is stored as BOOLEAN, which is no timestamp" in result.refused


def test_undeclared_columns_stay_behind(contract: Declare, table: Table, tmp_path: Path) -> None:
    """Nobody promised them, and nobody knows when they are known; they are reported."""
    result = check(contract(column("a")), table("SELECT 1 AS a, 2 AS label"), out_folder=tmp_path)
    assert (result.undeclared, rows(result.good)) == (("label",), [(1,)])


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"metric": "rowCount", "mustBeGreaterThan": 9}, "rowCount > 9 does not hold: it is 4"),
        ({"metric": "nullValues", "mustBeLessThan": 25, "unit": "percent"}, "nullValues of a < 25 % does not hold"),
        ({"metric": "nullValues", "mustBeLessOrEqualTo": 1}, ""),
        ({"metric": "duplicateValues", "mustBe": 5}, "duplicateValues of a = 5 does not hold: it is 1"),
        ({"metric": "duplicateValues", "mustBeBetween": [1, 2]}, ""),
        ({"metric": "invalidValues", "mustBeLessThan": 2, "arguments": {"validValues": [1]}}, ""),
        ({"metric": "invalidValues", "mustBeLessThan": 1, "arguments": {"pattern": "^1$"}}, "it is 1 of 4 rows"),
        ({"metric": "missingValues", "mustBeLessThan": 2, "arguments": {"missingValues": [None, 2]}}, "it is 2 of"),
    ],
)
def test_a_limit_on_the_table_refuses_the_set_and_no_row(
    contract: Declare, table: Table, tmp_path: Path, rule: dict[str, Any], said: str
) -> None:
    """Counts over the whole table, by rows or percent."""
    place = {"quality": [rule]}
    declared = contract(column("a"), **place) if rule["metric"] == "rowCount" else contract(column("a", **place))
    result = check(declared, table("SELECT * FROM (VALUES (1), (1), (2), (NULL)) t(a)"), out_folder=tmp_path)
    assert result.bad_rows == 0
    assert (said in result.refused) if said else (result.refused == "")


def test_stale_rows_are_refused_when_the_time_is_given(contract: Declare, table: Table, tmp_path: Path) -> None:
    """Freshness is judged against the given now, in UTC, and not at all without one."""
    promise = {"property": "latency", "value": 2, "unit": "h", "element": "t.at"}
    declared = contract(column("at", "timestamp"), top={"slaProperties": [promise]})
    source = table("SELECT TIMESTAMPTZ '2013-02-01 12:00:00+02' AS at")

    def at(hour: int) -> str:
        return check(declared, source, out_folder=tmp_path, now=datetime(2013, 2, 1, hour, tzinfo=UTC)).refused

    assert at(12) == ""
    assert "the newest at is 2013-02-01 10:00 UTC, more than 2:00:00 before" in at(13)
    assert check(declared, source, out_folder=tmp_path).refused == ""
    empty = table("SELECT TIMESTAMP '2013-02-01' AS at LIMIT 0", "empty")
    assert "the newest at is never" in check(declared, empty, out_folder=tmp_path, now=datetime.now(UTC)).refused


def test_text_from_a_csv_is_read_as_its_declared_type(contract: Declare, tmp_path: Path) -> None:
    """Good values are typed, offsets turned to UTC; what cannot be read without loss goes as it came."""
    source = tmp_path / "t.csv"
    source.write_text(
        "n,x,at,d,s,extra\n1,1.5,2013-01-01T10:00:00+02:00,2013-01-01,NO,?\n"
        "1.5,x,never,2013-01-01 10:00,'x,?\n,,,,,?\n2,nan,2013-01-01T10:00:00Z,2013-02-30,a,?\n"
    )
    columns = [
        column("n"),
        column("x", "number"),
        column("at", "timestamp"),
        column("d", "date"),
        column("s", "string"),
    ]
    result = check(contract(*columns, customProperties=ANY), source, out_folder=tmp_path)
    assert rows(result.good) == [
        (1, 1.5, datetime(2013, 1, 1, 8), datetime(2013, 1, 1).date(), "NO"),
        (None, None, None, None, None),
    ]
    assert [r[-1] for r in rows(result.quarantined)] == [
        ["n: not an integer", "x: not a number", "at: not a timestamp", "d: not a date"],
        ["x: not a number", "d: not a date"],
    ]
    assert rows(result.quarantined)[0][:3] == ("1.5", "x", "never")


def test_required_and_blank_is_missing_not_malformed(contract: Declare, tmp_path: Path) -> None:
    """An empty cell has one reason: missing."""
    source = tmp_path / "t.csv"
    source.write_text("n,s\n ,x\nz,x\n")
    declared = contract(column("n", required=True), column("s", "string"), customProperties=ANY)
    assert check(declared, source, out_folder=tmp_path).reasons == {"n: missing": 1, "n: not an integer": 1}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.parquet", b"no parquet", "cannot be read"),
        ("t.txt", b"a\n1\n", "neither Parquet nor CSV"),
        ("t.csv", b'a,b\n"1\n', ""),
    ],
)
def test_files_that_are_no_rows_are_named(
    contract: Declare, tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    """Wrong bytes are wrong usage, with the file's name; never a traceback out of the engine."""
    (tmp_path / name).write_bytes(content)
    try:
        result = check(contract(column("a")), tmp_path / name, out_folder=tmp_path)
    except UsageError as error:
        assert said in error.message
        assert name in error.message
    else:
        assert not said
        assert result.rows <= 1


def test_a_path_without_a_file_is_named(contract: Declare, tmp_path: Path) -> None:
    """So is no path at all."""
    with pytest.raises(UsageError, match=r"nowhere\.parquet: no such file"):
        check(contract(column("a")), tmp_path / "nowhere.parquet", out_folder=tmp_path)
    with pytest.raises(UsageError, match="no file of rows"):
        check(contract(column("a")), [], out_folder=tmp_path)


@pytest.mark.parametrize("name", ["_row", "_reasons"])
def test_our_own_column_names_are_not_taken(contract: Declare, table: Table, tmp_path: Path, name: str) -> None:
    """Silently mixing up two columns would be worse."""
    with pytest.raises(UsageError, match="these names are ours"):
        check(contract(column("a")), table(f"SELECT 1 AS a, 2 AS {name}"), out_folder=tmp_path)


def test_no_rows_are_no_bad_rows(contract: Declare, table: Table, tmp_path: Path) -> None:
    """An empty set passes, unless the contract wants rows."""
    result = enforce(check(contract(column("a")), table("SELECT 1 AS a LIMIT 0"), out_folder=tmp_path))
    assert (result.rows, result.bad_share) == (0, 0.0)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(
        st.tuples(st.none() | st.integers(-3, 12), st.sampled_from([None, "UA", "AA", "ua", ""])), max_size=30
    )
)
def test_the_rows_are_those_that_plain_python_would_take(
    contract: Declare, table: Table, tmp_path: Path, values: list[tuple[int | None, str | None]]
) -> None:
    """Good + bad = all, in order, by the obvious loop over rows."""
    declared = contract(
        column("n", required=True, logicalTypeOptions={"minimum": 0, "maximum": 9}),
        column("s", "string", enum=[{"value": "UA"}, {"value": "AA"}]),
        quality=[{"metric": "duplicateValues", "mustBe": 0, "arguments": {"properties": ["n", "s"]}}],
        customProperties=ANY,
    )
    listed = ", ".join(f"({'NULL' if n is None else n}, {'NULL' if s is None else repr(s)})" for n, s in values)
    source = table(
        f"SELECT n::INTEGER AS n, s::VARCHAR AS s FROM (VALUES {listed or '(0, NULL)'}) t(n, s) {'' if values else 'LIMIT 0'}"
    )
    good, bad, seen = [], [], set()
    for n, s in values:
        broken = n is None or not 0 <= n <= 9 or s not in (None, "UA", "AA")
        if broken or (s is not None and (n, s) in seen):
            bad.append((n, s))
        else:
            good.append((n, s))
            seen.add((n, s))
    result = check(declared, source, out_folder=tmp_path)
    assert rows(result.good) == good
    assert [r[:2] for r in rows(result.quarantined)] == bad
