"""SQL over the event log: what was compacted, and what is still in frames, as views of one read-only database.

DuckDB may read the files that are there now and nothing else: its access to the outside is shut before a query comes,
its configuration is locked, and only a single SELECT is taken. Memory is bounded; what is larger spills to a folder
that is gone afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from plimsoll.errors import PlimsollError, Unavailable, UsageError, nearest
from plimsoll.store.events.columns import COLUMNS, sql_of, write_rows
from plimsoll.store.events.reading import framed_records
from plimsoll.store.events.segments import listing

if TYPE_CHECKING:
    import duckdb

VIEWS = ("events", "answers", "outcomes")
"""One row an answered request; one row a release's answer (served or beside); one row an outcome."""
MEMORY = "1GB"
_SPILL = "8GB"
_TYPES = {
    "string": "VARCHAR",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "time": "TIME",
}
"""A contract's logical types in SQL."""
_ANSWER = ("release", "role", "score", "scores", "latency_ms", "error")
_EVENT = tuple(name for name in COLUMNS if name not in ("kind", "at", "label", "frame_end", "record", "inputs"))

_OLDER = {"cached": "coalesce(cached, false) AS cached", "payload": "coalesce(payload, true) AS payload"}
"""What events meant that were written before there was a word for it."""


class EventQuery:
    """A database with the views of a folder of segments, as of when it was opened. ``columns`` names a result."""

    def __init__(self, engine: duckdb.DuckDBPyConnection, skipped: Sequence[str]) -> None:
        self._engine = engine
        self.skipped = tuple(skipped)  # segments that are damaged, one sentence each
        self.columns: list[str] = []

    def rows(self, sql: str) -> Iterator[tuple[Any, ...]]:
        """The rows of one SELECT, a batch at a time. Raises UsageError for anything else, with what was meant."""
        with _explained():
            self._only_select(sql)
            found = self._engine.execute(sql)
            self.columns = [name for name, *_ in found.description or ()]
            while batch := found.fetchmany(1_000):
                yield from batch

    def write(self, sql: str, target: Path) -> None:
        """The rows of one SELECT into ``target``, the Parquet file that was announced at opening."""
        with _explained():
            self._only_select(sql)
            self._engine.execute(f"COPY (\n{sql.rstrip().rstrip(';')}\n) TO {_quoted(target)} (FORMAT parquet)")

    def _only_select(self, sql: str) -> None:
        import duckdb

        statements = self._engine.extract_statements(sql)
        kinds = [statement.type for statement in statements]
        if kinds != [duckdb.StatementType.SELECT]:
            named = ", ".join(str(kind).rpartition(".")[2] for kind in kinds) or "nothing"
            raise UsageError(f"one SELECT is wanted, this is {named}", hint="the event log is read, never changed")


@contextmanager
def open_query(
    folder: Path, *, since: datetime | None = None, inputs: Mapping[str, str] | None = None, target: Path | None = None
) -> Iterator[EventQuery]:
    """The views over the segments in ``folder``: see VIEWS.

    ``since``: only what is of then and later (outcomes by when they became known). ``inputs``: the columns of the
    questions and their logical types; with them ``inputs`` is a STRUCT, without them JSON. ``target``: the one file
    that may be written. Frames are decoded first: a few seconds for a full open segment.
    """
    with ExitStack() as stack:
        aside = Path(stack.enter_context(TemporaryDirectory(prefix="plimsoll-events-")))
        files, skipped = _files(folder, aside)
        engine = stack.enter_context(_engine(aside, files, target))
        for statement in _views(files, since, inputs):
            engine.execute(statement)
        engine.execute("SET lock_configuration = true")
        yield EventQuery(engine, skipped)


class _Files:
    def __init__(self) -> None:
        self.parquet: list[Path] = []
        self.rows: list[Path] = []
        self.longest = 0


def _files(folder: Path, aside: Path) -> tuple[_Files, list[str]]:
    """The compacted files, and the frames of every other segment as rows of JSON; what is damaged is skipped, and said."""
    found, skipped = _Files(), []
    for segment in listing(folder):
        if segment.state == "parquet":
            found.parquet.append(segment.path)
            continue
        try:
            rows = aside / f"{segment.name}.jsonl"
            found.longest = max(found.longest, write_rows(framed_records(segment, 0), rows))
            found.rows.append(rows)
        except FileNotFoundError:  # it was sealed or compacted since the listing
            return _files(folder, aside)
        except PlimsollError as error:
            skipped.append(error.message)
    return found, skipped


@contextmanager
def _engine(aside: Path, files: _Files, target: Path | None) -> Iterator[duckdb.DuckDBPyConnection]:
    import duckdb

    allowed = [*files.parquet, *files.rows, *([target] if target else [])]
    config: dict[str, Any] = {"memory_limit": MEMORY, "temp_directory": str(aside / "spill"), "threads": 2}
    with duckdb.connect(config=config) as engine:
        engine.execute(f"SET max_temp_directory_size = '{_SPILL}'")
        engine.execute("SET TimeZone = 'UTC'")
        engine.execute(f"SET allowed_paths = [{', '.join(_quoted(path) for path in allowed)}]")
        engine.execute("SET enable_external_access = false")
        yield engine


def _views(files: _Files, since: datetime | None, inputs: Mapping[str, str] | None) -> Iterator[str]:
    parts = []
    if files.parquet:
        parts.append(f"SELECT * FROM read_parquet({_list(files.parquet)}, union_by_name = true)")
    if files.rows:
        parts.append(sql_of(files.rows, files.longest))
    typed = COLUMNS | {"at": "TIMESTAMP", "record": "BLOB"}
    empty = ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in typed.items())
    parts.append(f"SELECT {empty} WHERE false")  # every column is there, whatever the files have
    yield "CREATE VIEW records AS " + " UNION ALL BY NAME ".join(parts)
    later = f"AND \"at\" >= TIMESTAMP '{since.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}'" if since else ""
    event = ", ".join(_OLDER.get(name, f'"{name}"') for name in _EVENT)
    yield (
        f'CREATE VIEW events AS SELECT "at" AS asked_at, {event}, {_inputs(inputs)} AS inputs FROM records '
        f"WHERE kind = 'event' {later}"
    )
    answer = ", ".join(f'r."{name}"' for name in _ANSWER)
    yield (
        f"CREATE VIEW answers AS SELECT r.id, e.asked_at, e.block, e.unit, "
        f"r.kind = 'event' AND r.role <> 'asked' AS served, {answer} "
        "FROM records r JOIN events e USING (id) WHERE r.kind IN ('event', 'beside') AND r.release IS NOT NULL"
    )
    yield (
        'CREATE VIEW outcomes AS SELECT id, label, "at" AS known_at, numbers::JSON AS numbers FROM records '
        f"WHERE kind = 'outcome' {later}"
    )


def _inputs(inputs: Mapping[str, str] | None) -> str:
    if not inputs:
        return "inputs::JSON"
    shape = ", ".join(f'"{_json(name)}": "{_TYPES[kind]}"' for name, kind in inputs.items())
    return f"json_transform(inputs, '{{{shape}}}')"


def _json(name: str) -> str:
    return name.replace("\\", "\\\\").replace('"', '\\"').replace("'", "''")


def _list(paths: Sequence[Path]) -> str:
    return f"[{', '.join(_quoted(path) for path in paths)}]"


def _quoted(path: Path) -> str:
    text = str(path).replace("'", "''")
    return f"'{text}'"


@contextmanager
def _explained() -> Iterator[None]:
    """DuckDB's errors as ours: what was wrong, and what there is instead."""
    import duckdb

    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise Unavailable(
            f"the query needs more than {MEMORY} of memory and {_SPILL} of disk",
            hint="ask for less: --since, fewer columns, or an aggregate",
        ) from error
    except duckdb.CatalogException as error:
        wanted = str(error).partition("Table with name ")[2].partition(" ")[0]
        hint = nearest(wanted, VIEWS) if wanted else f"the views are {', '.join(VIEWS)}"
        raise UsageError(_first(error), hint=hint) from error
    except duckdb.PermissionException as error:
        raise UsageError(_first(error), hint=f"a query sees {', '.join(VIEWS)} and no file") from error
    except duckdb.IOException as error:
        raise Unavailable(_first(error), hint="a segment was compacted or deleted meanwhile: ask again") from error
    except duckdb.Error as error:
        raise UsageError(_first(error), hint=f"DESCRIBE events lists its columns; views: {', '.join(VIEWS)}") from error


def _first(error: Exception) -> str:
    """What DuckDB says, without the picture of where."""
    return str(error).partition("\n\n")[0].strip()
