"""Rows against their contract: all row checks in one scan, each key and each relationship in one pass of its own.

Good rows go on, bad rows are put into quarantine with their reasons, and nothing is lost: good + bad = all. A set
is *refused* when more of its rows are bad than the contract tolerates, when a limit on the table is broken, when it
is stale, or when a declared column is missing. Equal inputs give equal results: rows keep the order of the source.

References are judged before keys, and keys among otherwise good rows only, so that a broken row never pushes out
the whole one that has its key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from plimsoll.data import compile
from plimsoll.data.contract import Contract, Reference
from plimsoll.data.rows import REASONS, ROW, Paths, Source, connection, first_line, literal, opened, quoted, written
from plimsoll.errors import InvalidDeclaration, Refused, UsageError, nearest

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_TYPED, _BROKEN, _BAD = "_typed", "_broken", "_bad"
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a set of rows. ``refused`` says why the set may not be used; empty: it may."""

    contract: str
    rows: int
    bad_rows: int
    tolerance: float
    reasons: dict[str, int] = {}  # reason → rows that have it (a row may have several), most frequent first
    good: tuple[Path, ...] = ()  # Parquet; the source itself where nothing had to be taken out; () when refused
    quarantined: Path | None = None  # Parquet: the rows as they came, and ``_reasons``; None when there are none
    undeclared: tuple[str, ...] = ()  # columns that the contract does not know; the good rows do not have them
    refused: str = ""

    @property
    def bad_share(self) -> float:
        """The share of bad rows, in [0, 1]."""
        return self.bad_rows / self.rows if self.rows else 0.0


def check(
    contract: Contract,
    rows: Paths,
    *,
    out_folder: str | Path,
    related: Mapping[str, Paths] | None = None,
    now: datetime | None = None,
) -> CheckResult:
    """Judge ``rows`` (Parquet or CSV; several files are read in the order given) by ``contract``.

    ``related`` has the rows of the tables that relationships lead to, by name. Freshness is judged only when ``now``
    is given. Writes ``<name>.good.parquet`` (when needed) and ``<name>.quarantined.parquet`` to ``out_folder``.
    Raises UsageError where files are missing or unreadable, InvalidDeclaration where a condition is no SQL.
    """
    folder = Path(out_folder)
    folder.mkdir(parents=True, exist_ok=True)
    with connection() as db:
        source = opened(db, contract.name, rows)
        total = _number(db, f"SELECT count(*) FROM {source.relation}")
        unusable = list(compile.mismatches(contract, source))
        if unusable:
            return _unusable(contract, total, unusable)
        db.execute(f"CREATE TEMP VIEW {_TYPED} AS {compile.typed_view(contract, source)}")
        _judge(db, contract, source, related or {})
        bad = _number(db, f"SELECT count(*) FROM {_BAD}")
        refused = [*_tolerated(contract, bad, total), *_broken_limits(db, contract, total, now)]
        return CheckResult(
            contract=contract.name,
            rows=total,
            bad_rows=bad,
            tolerance=contract.tolerance,
            reasons=_reasons(db),
            good=() if refused else _good(db, contract, source, bad, folder),
            quarantined=_quarantined(db, contract, source, bad, folder),
            undeclared=_undeclared(contract, source),
            refused="; ".join(refused),
        )


def enforce(result: CheckResult) -> CheckResult:
    """``result``, if its rows may be used. Raises Refused with the counts and the reasons otherwise."""
    if not result.refused:
        return result
    hint = f"look at the rows and their reasons in {result.quarantined}" if result.quarantined else ""
    details = {"rows": result.rows, "bad_rows": result.bad_rows, "reasons": result.reasons}
    raise Refused(f"the rows break the contract {result.contract!r}: {result.refused}", hint=hint, details=details)


def _unusable(contract: Contract, total: int, sentences: list[str]) -> CheckResult:
    return CheckResult(
        contract=contract.name,
        rows=total,
        bad_rows=total,
        tolerance=contract.tolerance,
        refused="; ".join(sentences),
    )


def _judge(db: DuckDBPyConnection, contract: Contract, source: Source, related: Mapping[str, Paths]) -> None:
    """Fill ``_bad`` with (row, reasons)."""
    db.execute(f"CREATE TEMP TABLE {_BROKEN} ({ROW} BIGINT, pass INTEGER, reasons VARCHAR[])")
    _judge_rows(db, contract, source)
    for place, reference in enumerate(contract.references, start=1):
        _judge_reference(db, contract, reference, place, related)
    for place, key in enumerate(contract.keys, start=1 + len(contract.references)):
        _judge_key(db, key, place)
    db.execute(
        f"CREATE TEMP TABLE {_BAD} AS SELECT {ROW}, flatten(list(reasons ORDER BY pass)) AS {REASONS} "
        f"FROM {_BROKEN} GROUP BY {ROW}"
    )


def _judge_rows(db: DuckDBPyConnection, contract: Contract, source: Source) -> None:
    """Count what breaks each check in one scan; fetch the rows of those checks only that some row breaks.

    Counting first halves the cost of sound rows: as a filter, forty checks joined by OR take twice as long.
    """
    checks = compile.row_checks(contract, source)
    counts = _counts(db, contract, source, checks)
    broken = [check for check, count in zip(checks, counts, strict=True) if count]
    if not broken:
        return
    cases = ", ".join(f"CASE WHEN {c.broken} THEN {literal(c.reason)} END" for c in broken)
    anywhere = " OR ".join(f"({c.broken})" for c in broken)
    db.execute(
        f"INSERT INTO {_BROKEN} SELECT {ROW}, 0, list_filter([{cases}], lambda reason: reason IS NOT NULL) "
        f"FROM {_TYPED} WHERE {anywhere}"
    )


def _counts(db: DuckDBPyConnection, contract: Contract, source: Source, checks: list[compile.RowCheck]) -> list[int]:
    """How many rows break each of ``checks``: the one scan over all columns."""
    import duckdb

    if not checks:
        return []
    try:
        row = db.execute(f"SELECT {', '.join(f'count_if({c.broken})' for c in checks)} FROM {_TYPED}").fetchone()
    except duckdb.Error as error:
        _blame_condition(db, contract, source)
        raise UsageError(f"the rows for {contract.name!r} cannot be read: {first_line(error)}") from error
    return [int(n or 0) for n in row or ()]  # over no rows a count_if is NULL


def _blame_condition(db: DuckDBPyConnection, contract: Contract, source: Source) -> None:
    """Raise InvalidDeclaration for the first check that DuckDB cannot evaluate, if one is to blame."""
    import duckdb

    for check in compile.row_checks(contract, source):
        try:
            db.execute(f"SELECT count_if({check.broken}) FROM {_TYPED}")
        except duckdb.Error as error:
            raise InvalidDeclaration(
                f"{contract.path or contract.name}: the rule {check.reason!r} cannot be evaluated: {first_line(error)}",
                hint="an implementation is a DuckDB expression over the columns of one row",
            ) from error


def _judge_reference(
    db: DuckDBPyConnection, contract: Contract, reference: Reference, place: int, related: Mapping[str, Paths]
) -> None:
    target = _TYPED if reference.table == contract.name else _related(db, reference, place, related)
    columns, to = ([quoted(c) for c in names] for names in (reference.columns, reference.to))
    whole = " AND ".join(f"own.{c} IS NOT NULL" for c in columns)
    equal = " AND ".join(f"own.{c} = other.{t}" for c, t in zip(columns, to, strict=True))
    names = ", ".join(f"{reference.table}.{t}" for t in reference.to)
    reason = f"{', '.join(reference.columns)}: not in {names}"
    db.execute(
        f"INSERT INTO {_BROKEN} SELECT {ROW}, {place}, [{literal(reason)}] FROM {_TYPED} AS own WHERE {whole} "
        f"AND NOT EXISTS (SELECT 1 FROM {target} AS other WHERE {equal})"
    )


def _related(db: DuckDBPyConnection, reference: Reference, place: int, related: Mapping[str, Paths]) -> str:
    """The relation that ``reference`` leads to. Raises UsageError if its rows, or its columns, are not there."""
    if reference.table not in related:
        hint = f"pass related={{{reference.table!r}: path}}; {nearest(reference.table, related)}"
        raise UsageError(f"a relationship leads to {reference.table!r}, whose rows were not given", hint=hint)
    source = opened(db, f"_related_{place}", related[reference.table])
    for name in reference.to:
        if name not in source.types:
            hint = nearest(name, source.types)
            raise UsageError(f"the rows of {reference.table!r} have no column {name!r}", hint=hint)
    return source.relation


def _judge_key(db: DuckDBPyConnection, key: tuple[str, ...], place: int) -> None:
    """Rows whose key an earlier row has. A key with a NULL in it is nobody's twin."""
    names = ", ".join(quoted(c) for c in key)
    whole = " AND ".join(f"{quoted(c)} IS NOT NULL" for c in key)
    if _number(db, f"SELECT count(*) FROM {_BROKEN}"):
        whole += f" AND {ROW} NOT IN (SELECT {ROW} FROM {_BROKEN})"
    rows = f"(SELECT {ROW}, {names} FROM {_TYPED} WHERE {whole})"
    if not _number(db, f"SELECT count(*) - count(DISTINCT hash({names})) FROM {rows}"):
        return  # as many hashes as rows: no two keys are equal. Half the cost of grouping by text
    twins = f"SELECT {names}, min({ROW}) AS first FROM {rows} GROUP BY {names} HAVING count(*) > 1"
    db.execute(
        f"INSERT INTO {_BROKEN} SELECT {ROW}, {place}, [{literal(', '.join(key) + ': a duplicate')}] "
        f"FROM {rows} JOIN ({twins}) USING ({names}) WHERE {ROW} > first"
    )


def _tolerated(contract: Contract, bad: int, total: int) -> Iterable[str]:
    if bad and bad / total > contract.tolerance:
        yield f"{bad:,} of {total:,} rows are bad ({bad / total:.3%}); the contract tolerates {contract.tolerance:.3%}"


def _broken_limits(db: DuckDBPyConnection, contract: Contract, total: int, now: datetime | None) -> Iterable[str]:
    """A sentence for each broken limit on the table, freshness included: one pass for all of them."""
    types = {c.name: c.type for c in contract.columns}
    fresh = contract.freshness if now is not None else ()
    wanted = [compile.counted(limit, types) for limit in contract.limits]
    wanted += [f"epoch_us(max({quoted(f.column)}))" for f in fresh]
    if not wanted:
        return
    values = db.execute(f"SELECT {', '.join(wanted)} FROM {_TYPED}").fetchone() or ()
    for limit, counted in zip(contract.limits, values, strict=False):
        count = int(counted or 0)
        if not limit.holds(count, total):
            yield f"{limit.text} does not hold: it is {count:,} of {total:,} rows"
    for promise, newest_us in zip(fresh, values[len(contract.limits) :], strict=True):
        newest = None if newest_us is None else _EPOCH + timedelta(microseconds=newest_us)
        if now is not None and (newest is None or now - newest > promise.max_age):
            when = "never" if newest is None else f"{newest:%Y-%m-%d %H:%M} UTC"
            yield f"the newest {promise.column} is {when}, more than {promise.max_age} before {now:%Y-%m-%d %H:%M}"


def _reasons(db: DuckDBPyConnection) -> dict[str, int]:
    counts = db.execute(
        f"SELECT reason, count(*) AS n FROM (SELECT unnest({REASONS}) AS reason FROM {_BAD}) "
        "GROUP BY reason ORDER BY n DESC, reason"
    )
    return {str(reason): int(n) for reason, n in counts.fetchall()}


def _undeclared(contract: Contract, source: Source) -> tuple[str, ...]:
    declared = {c.name for c in contract.columns}
    return tuple(name for name in source.types if name not in declared)


def _good(db: DuckDBPyConnection, contract: Contract, source: Source, bad: int, folder: Path) -> tuple[Path, ...]:
    """The good rows: the source's own files where there is nothing to take out or to convert."""
    path = folder / f"{contract.name}.good.parquet"
    untouched = not (bad or source.text or _undeclared(contract, source) or compile.converted(contract, source))
    if untouched:
        path.unlink(missing_ok=True)
        return source.paths
    declared = {c.name for c in contract.columns}
    names = ", ".join(quoted(name) for name in source.types if name in declared)
    without = f" WHERE {ROW} NOT IN (SELECT {ROW} FROM {_BAD})" if bad else ""
    written(db, f"SELECT {names} FROM {_TYPED}{without} ORDER BY {ROW}", path)
    return (path,)


def _quarantined(db: DuckDBPyConnection, contract: Contract, source: Source, bad: int, folder: Path) -> Path | None:
    """The bad rows as they came, with their reasons."""
    path = folder / f"{contract.name}.quarantined.parquet"
    if not bad:
        path.unlink(missing_ok=True)
        return None
    names = ", ".join(quoted(name) for name in source.types)
    rows = f"SELECT {names}, {REASONS} FROM {source.relation} JOIN {_BAD} USING ({ROW}) ORDER BY {ROW}"
    written(db, rows, path)
    return path


def _number(db: DuckDBPyConnection, query: str) -> int:
    row = db.execute(query).fetchone()
    return int(row[0]) if row else 0
