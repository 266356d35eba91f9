"""A contract compiled to SQL: for each row check an expression that is true where a row breaks it.

A value is first read as its declared type: text from a CSV, or a whole number that was stored as a float (as it is
out of pandas when some are missing). What cannot be read so is a broken row, not an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from plimsoll.data import odcs
from plimsoll.data.contract import Column, Contract, Limit
from plimsoll.data.rows import ROW, Source, literal, quoted

_INTEGERS = {f"{sign}{size}INT" for sign in ("", "U") for size in ("TINY", "SMALL", "BIG", "HUGE")}
_INTEGERS |= {"INTEGER", "UINTEGER"}
_FLOATS = {"FLOAT", "DOUBLE"}
_TIMESTAMPS = {"TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE"}
_STORED_AS: dict[str, set[str]] = {
    "string": {"VARCHAR"},
    "integer": _INTEGERS,
    "number": _INTEGERS | _FLOATS,
    "boolean": {"BOOLEAN"},
    "date": {"DATE"},
    "timestamp": _TIMESTAMPS,
    "time": {"TIME"},
}
"""What a declared type may be stored as, to be taken as it is. A DECIMAL is a number as well."""

_READABLE_FROM: dict[str, set[str]] = {
    "integer": _FLOATS,
    "date": _TIMESTAMPS,
    "timestamp": {"DATE"},
}
"""What else it may be stored as, to be converted value by value. Text, and columns of nothing but NULL, always."""

_TEXT = {"VARCHAR", "NULL", '"NULL"'}
_SQL_TYPE = {
    "string": "VARCHAR",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "time": "TIME",
}


class RowCheck(NamedTuple):
    """``broken`` is an SQL expression over one typed row; true means the row breaks the contract for ``reason``."""

    reason: str
    broken: str


def mismatches(contract: Contract, source: Source) -> Iterator[str]:
    """A sentence for each declared column that the source lacks, or keeps in a type it cannot be read from."""
    for column in contract.columns:
        stored = source.types.get(column.name)
        if stored is None:
            yield f"the column {column.name!r} is missing"
        elif not (_as_it_is(column, stored) or stored in _READABLE_FROM.get(column.type, ()) or stored in _TEXT):
            yield f"the column {column.name!r} is stored as {stored}, which is no {column.type}"


def converted(contract: Contract, source: Source) -> list[Column]:
    """The columns that are not stored as what they are declared."""
    return [c for c in contract.columns if not _as_it_is(c, source.types[c.name])]


def typed_view(contract: Contract, source: Source) -> str:
    """SELECT of the declared columns, typed, under their names; what they were read from, under ``_raw_<name>``."""
    conversions = {c.name: c for c in converted(contract, source)}
    parts = [ROW]
    for name in source.types:
        if name in conversions:
            parts.append(f"{_read(conversions[name], source)} AS {quoted(name)}")
            parts.append(f"{quoted(name)} AS {_raw(name)}")
        elif any(name == c.name for c in contract.columns):
            parts.append(quoted(name))
    return f"SELECT {', '.join(parts)} FROM {source.relation}"


def row_checks(contract: Contract, source: Source) -> list[RowCheck]:
    """Every check that a row can pass or break alone, in the contract's order, over the typed view."""
    checks = [check for column in contract.columns for check in _of_column(column, source.types[column.name])]
    return checks + [RowCheck(c.name, f"NOT ({c.sql})") for c in contract.conditions]


def counted(limit: Limit, types: dict[str, odcs.LogicalType]) -> str:
    """An aggregate over the typed view: the number of rows that ``limit`` counts."""
    names = [quoted(c) for c in limit.columns]
    if limit.metric == "rowCount":
        return "count(*)"
    if limit.metric == "duplicateValues":
        key = names[0] if len(names) == 1 else f"({', '.join(names)})"
        complete = " AND ".join(f"{n} IS NOT NULL" for n in names)
        return f"count(*) FILTER ({complete}) - count(DISTINCT {key}) FILTER ({complete})"
    return f"count_if({' OR '.join(_counts(limit, c, types[c]) for c in limit.columns)})"


def _counts(limit: Limit, column: str, kind: odcs.LogicalType) -> str:
    """True, never NULL, for a row that ``limit`` counts at ``column``."""
    name = quoted(column)
    if limit.metric == "nullValues":
        return f"{name} IS NULL"
    if limit.metric == "missingValues":
        values = [v for v in limit.arguments.missing_values if v is not None]
        null = [f"{name} IS NULL"] if None in limit.arguments.missing_values else []
        among = [f"coalesce({name} IN ({_values(values, kind)}), false)"] if values else []
        return " OR ".join(null + among)
    return " OR ".join(f"coalesce({check.broken}, false)" for check in _validity(column, kind, limit.arguments))


def _as_it_is(column: Column, stored: str) -> bool:
    decimal = column.type == "number" and stored.startswith("DECIMAL")
    return stored in _STORED_AS[column.type] or decimal


def _raw(name: str) -> str:
    return quoted(f"_raw_{name}")


def _read(column: Column, source: Source) -> str:
    """``column`` as its type; NULL where it cannot be. Blank text is a missing value."""
    name = quoted(column.name)
    if source.types[column.name] in _TEXT:
        name = f"nullif(trim({name}), '')"
    if column.type == "timestamp" and source.types[column.name] in _TEXT:
        # a cast straight to TIMESTAMP would drop an offset such as +02:00 without a word
        return f"timezone('UTC', TRY_CAST({name} AS TIMESTAMPTZ))"
    return f"TRY_CAST({name} AS {_SQL_TYPE[column.type]})"


def _of_column(column: Column, stored: str) -> Iterator[RowCheck]:
    name, label = quoted(column.name), column.name
    if column.required:
        blank = f" AND coalesce(trim({_raw(label)}), '') = ''" if _from_text(column, stored) else ""
        blank = f" AND {_raw(label)} IS NULL" if not blank and not _as_it_is(column, stored) else blank
        yield RowCheck(f"{label}: missing", f"{name} IS NULL{blank}")
    yield from _readability(column, stored)
    if column.enum:
        yield _among(label, column.type, column.enum)
    if column.missing:
        yield RowCheck(f"{label}: stands for a missing value", f"{name} IN ({_values(column.missing, column.type)})")
    for arguments in column.valid:
        yield from _validity(label, column.type, arguments)
    yield from _limits(column)


def _from_text(column: Column, stored: str) -> bool:
    return stored in _TEXT and not _as_it_is(column, stored)


def _readability(column: Column, stored: str) -> Iterator[RowCheck]:
    """A value that is there but cannot be read, or not without loss, as what it is declared."""
    name, raw, reason = quoted(column.name), _raw(column.name), f"{column.name}: not {_article(column.type)}"
    if column.type == "number" and (stored in _FLOATS or stored in _TEXT):
        unread = f" OR ({name} IS NULL AND trim({raw}) <> '')" if stored in _TEXT else ""
        yield RowCheck(reason, f"NOT isfinite({name}){unread}")
        return
    if _as_it_is(column, stored):
        return
    if not _from_text(column, stored):
        yield RowCheck(reason, f"{raw} IS NOT NULL AND {name} IS DISTINCT FROM {raw}")
        return
    broken = f"({name} IS NULL AND trim({raw}) <> '')"
    if column.type == "integer":  # TRY_CAST rounds '1.5' to 2
        broken += f" OR TRY_CAST({raw} AS DOUBLE) <> trunc(TRY_CAST({raw} AS DOUBLE))"
    if column.type == "date":  # and cuts the hours off '2013-01-01 10:00'
        broken += f" OR TRY_CAST({raw} AS TIMESTAMP) <> {name}"
    yield RowCheck(reason, broken)


def _article(kind: str) -> str:
    return f"an {kind}" if kind == "integer" else f"a {kind}"


def _among(label: str, kind: odcs.LogicalType, values: Sequence[Any]) -> RowCheck:
    said = ", ".join(str(v) for v in values) if len(values) <= 5 else f"the {len(values)} allowed values"
    return RowCheck(f"{label}: not one of {said}", f"{quoted(label)} NOT IN ({_values(values, kind)})")


def _validity(label: str, kind: odcs.LogicalType, arguments: odcs.Arguments) -> Iterator[RowCheck]:
    if arguments.valid_values:
        yield _among(label, kind, arguments.valid_values)
    if arguments.pattern is not None:
        yield _matching(label, arguments.pattern)


def _matching(label: str, pattern: str) -> RowCheck:
    broken = f"NOT regexp_matches(CAST({quoted(label)} AS VARCHAR), {literal(pattern)})"
    return RowCheck(f"{label}: does not match {pattern}", broken)


def _limits(column: Column) -> Iterator[RowCheck]:
    name, label, options = quoted(column.name), column.name, column.options
    if options.min_length is not None:
        yield RowCheck(f"{label}: shorter than {options.min_length}", f"length({name}) < {options.min_length}")
    if options.max_length is not None:
        yield RowCheck(f"{label}: longer than {options.max_length}", f"length({name}) > {options.max_length}")
    if options.pattern is not None:
        yield _matching(label, options.pattern)
    for bound, word, operator in (
        (options.minimum, "below", "<"),
        (options.maximum, "above", ">"),
        (options.exclusive_minimum, "not above", "<="),
        (options.exclusive_maximum, "not below", ">="),
    ):
        if bound is not None:
            yield RowCheck(f"{label}: {word} {bound}", f"{name} {operator} {value_of(bound, column.type)}")
    if options.multiple_of is not None:
        step = literal(options.multiple_of)
        yield RowCheck(f"{label}: no multiple of {step}", f"{name} / {step} <> round({name} / {step})")


def _values(values: Sequence[Any], kind: odcs.LogicalType) -> str:
    return ", ".join(value_of(v, kind) for v in values)


def value_of(value: Any, kind: odcs.LogicalType) -> str:
    """A declared value as an SQL literal of the column's type. Times with an offset are turned to UTC."""
    if kind == "timestamp":
        moment = datetime.fromisoformat(value)
        naive = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
        return f"TIMESTAMP '{naive.isoformat(sep=' ')}'"
    if kind == "date":
        return f"DATE '{date.fromisoformat(value).isoformat()}'"
    if kind == "time":
        return f"TIME {literal(value)}"
    return literal(value)
