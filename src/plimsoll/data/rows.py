"""Rows on disk as one numbered DuckDB relation: Parquet or CSV, one file or several, in their order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from uuid import uuid4

import msgspec

from plimsoll.errors import UsageError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Paths = str | Path | Sequence[str | Path]
ROW = "_row"
"""The name of a row's number in source order, from 0; no source column may be called so."""

REASONS = "_reasons"
"""The name of the column of a quarantined row that says why it is there."""


class Source(msgspec.Struct, frozen=True):
    """A readable relation in a connection: its name in SQL, and its columns with DuckDB's types, in order.

    ``text`` says that every value came as text (CSV) and is still to be read as its declared type.
    """

    relation: str
    types: dict[str, str]
    paths: tuple[Path, ...]
    text: bool = False


@contextmanager
def connection(*, threads: int | None = None) -> Iterator[DuckDBPyConnection]:
    """An in-memory DuckDB in UTC that installs nothing and keeps the order of rows."""
    import duckdb

    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "preserve_insertion_order": "true",
    }
    if threads is not None:
        config["threads"] = str(threads)
    db = duckdb.connect(":memory:", config=config)
    try:
        db.execute("SET TimeZone = 'UTC'")
        yield db
    finally:
        db.close()


def opened(db: DuckDBPyConnection, name: str, paths: Paths) -> Source:
    """The rows of ``paths`` as the relation ``name``, with their number in ``_row``.

    Raises UsageError for a path that is not there, is of no known format, or cannot be read.
    """
    import duckdb

    files = listed(paths)
    kinds = {_format(file) for file in files}
    if len(kinds) != 1:
        raise UsageError(f"rows come in one format at a time, not {' and '.join(sorted(kinds)) or 'none'}")
    text = kinds == {"csv"}
    try:
        _create(db, name, files, text=text)
        described = db.execute(f"DESCRIBE {quoted(name)}").fetchall()
    except (duckdb.InvalidInputException, duckdb.IOException, duckdb.BinderException) as error:
        listing = ", ".join(str(f) for f in files)
        raise UsageError(f"the rows in {listing} cannot be read: {first_line(error)}") from error
    types = {row[0]: row[1] for row in described if row[0] != ROW}
    if REASONS in types or len(types) < len(described) - 1 or f"{ROW}_1" in types:
        raise UsageError(f"a column of {files[0]} is called {ROW} or {REASONS}: these names are ours; rename it")
    return Source(relation=quoted(name), types=types, paths=files, text=text)


def opened_typed(db: DuckDBPyConnection, name: str, paths: Paths) -> Source:
    """As ``opened``, for rows whose columns have types. Raises UsageError for text (CSV)."""
    source = opened(db, name, paths)
    if source.text:
        raise UsageError(
            f"{source.paths[0]} is text: its columns have no types yet",
            hint="check it against its contract first, and use the good rows",
        )
    return source


def _create(db: DuckDBPyConnection, name: str, files: Sequence[Path], *, text: bool) -> None:
    if text:  # a CSV has no row numbers of its own and is slow to read twice: it is kept
        read = f"read_csv([{', '.join(literal(str(f)) for f in files)}], all_varchar=true, header=true)"
        db.execute(f"CREATE TEMP TABLE {quoted(name)} AS SELECT row_number() OVER () - 1 AS {ROW}, * FROM {read}")
        return
    parts, offset = [], 0
    for file in files:
        read = f"read_parquet({literal(str(file))}, file_row_number=true)"
        parts.append(f"SELECT file_row_number + {offset} AS {ROW}, * EXCLUDE (file_row_number) FROM {read}")
        offset += parquet_rows(db, file)
    db.execute(f"CREATE TEMP VIEW {quoted(name)} AS {' UNION ALL BY NAME '.join(parts)}")


def parquet_rows(db: DuckDBPyConnection, file: Path) -> int:
    """How many rows the Parquet file's footer promises."""
    row = db.execute(f"SELECT num_rows FROM parquet_file_metadata({literal(str(file))})").fetchone()
    return int(row[0]) if row else 0


def listed(paths: Paths) -> tuple[Path, ...]:
    """``paths`` as existing files. Raises UsageError naming the first that is not there."""
    files = tuple(Path(p) for p in ([paths] if isinstance(paths, str | Path) else paths))
    if not files:
        raise UsageError("no file of rows was given")
    for file in files:
        if not file.is_file():
            raise UsageError(f"there are no rows at {file}: no such file", hint="check the path")
    return files


def _format(file: Path) -> Literal["parquet", "csv"]:
    name = file.name.lower()
    if name.endswith((".parquet", ".pq")):
        return "parquet"
    if name.endswith((".csv", ".csv.gz", ".tsv")):
        return "csv"
    raise UsageError(f"{file} is neither Parquet nor CSV", hint="name it .parquet, .csv, .csv.gz or .tsv")


def quoted(name: str) -> str:
    """``name`` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: object) -> str:
    """``value`` as an SQL literal: text, a number or a boolean."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    return "'" + str(value).replace("'", "''") + "'"


def first_line(error: Exception) -> str:
    """What DuckDB said, without its hints and its echo of the statement."""
    return str(error).strip().splitlines()[0]


def written(db: DuckDBPyConnection, select: str, path: Path) -> int:
    """Write the rows of ``select`` to Parquet at ``path``, all or nothing, and return how many there are.

    Row groups and compression are fixed, so that one thread writes equal rows as equal bytes.
    """
    partial = path.with_name(f".{path.name}.{uuid4().hex}.partial")
    options = "FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880, PARQUET_VERSION v1"
    try:
        counted = db.execute(f"COPY ({select}) TO {literal(str(partial))} ({options})").fetchone()
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return int(counted[0]) if counted else 0
