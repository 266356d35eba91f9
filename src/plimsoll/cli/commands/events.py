"""``plimsoll events``: SQL over what was asked, answered and turned out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from plimsoll.cli.options import Options, Shared

if TYPE_CHECKING:
    from plimsoll.store import EventQuery

Format = Literal["table", "json", "csv", "parquet"]
USUAL = "SELECT asked_at, id, release, role, action, score, latency_ms FROM events ORDER BY asked_at DESC LIMIT 20"
SHOWN = 200
"""Rows of a table; the other formats have all of them."""


def events(
    path: Annotated[Path, Parameter(help="The capability's folder; its contract gives inputs their types.")] = Path(),
    *,
    sql: Annotated[str, Parameter(help="One SELECT over the views events, answers and outcomes.")] = USUAL,
    since: Annotated[
        str | None, Parameter(help="Only what is of then and later (UTC unless it says otherwise).")
    ] = None,
    format: Annotated[Format, Parameter(help="How rows are written; parquet needs --out.")] = "table",
    out: Annotated[Path | None, Parameter(help="A file for the rows, instead of the terminal.")] = None,
    shared: Shared = Options(),  # noqa: B008 - frozen
) -> int:
    """Ask the recorded events with SQL (DuckDB's), the open segments included. Nothing is changed.

    `events`: a row for each answered request. `answers`: a row for each release's answer, served or beside.
    `outcomes`: what turned out. They join by `id`. In a capability's folder `inputs` has typed fields:
    `inputs.carrier`; elsewhere it is JSON: `inputs->>'carrier'`.

    Example: plimsoll events --sql "SELECT release, avg(score) FROM answers GROUP BY ALL" --since 2013-03-01
    """
    from plimsoll.cli.reading import moment
    from plimsoll.errors import UsageError
    from plimsoll.store import open_query

    settings = shared.settings(path)
    chosen: Format = "json" if shared.json and format == "table" else format
    if chosen == "parquet" and out is None:
        raise UsageError("Parquet is no text for a terminal", hint="name a file: --out rows.parquet")
    if not settings.segments.is_dir():
        raise UsageError(f"nothing has been recorded in {settings.home}", hint="run this in a capability's folder")
    target = out.absolute() if out else None
    earliest = moment(since, "--since") if since else None
    with open_query(settings.segments, since=earliest, inputs=_types(path), target=target) as query:
        _warn(query.skipped)
        if chosen == "parquet" and target is not None:
            query.write(sql, target)
        else:
            _write(query, sql, chosen, out)
    return 0


def _types(path: Path) -> Mapping[str, str] | None:
    """The questions' columns and their types, if ``path`` holds a capability. What is recorded as a hash is text."""
    if not (path / "capability.py").is_file():
        return None
    from plimsoll.capability import load
    from plimsoll.data import Contract

    capability = load(path)
    contract = Contract.load(capability.folder / capability.source.contract)
    return {c.name: "string" if c.recorded == "hash" else c.type for c in contract.columns if c.recorded != "drop"}


def _warn(skipped: Sequence[str]) -> None:
    import sys

    sys.stderr.writelines(f"left out: {sentence}\n" for sentence in skipped)


def _write(query: EventQuery, sql: str, chosen: Format, out: Path | None) -> None:
    import sys

    rows = query.rows(sql)
    first = list(islice(rows, 1))  # from now on the columns are known, and a wrong query has been said
    everything = _chained(first, rows)
    if out is None:
        _WRITE[chosen](query.columns, everything, sys.stdout)
        return
    with out.open("w", encoding="utf-8", newline="") as file:
        _WRITE[chosen](query.columns, everything, file)


def _chained(first: list[tuple[Any, ...]], rest: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    yield from first
    yield from rest


def _table(columns: Sequence[str], rows: Iterator[tuple[Any, ...]], file: Any) -> None:
    from rich.console import Console

    from plimsoll.cli.page import table

    console = Console(file=file, highlight=False, emoji=False)
    shown = [tuple("" if value is None else value for value in row) for row in islice(rows, SHOWN)]
    if not shown:
        console.print("no rows")
        return
    table(console, columns, shown)
    if next(rows, None) is not None:
        console.print(f"the first {SHOWN} rows; all of them: --format csv", style="dim")


def _json(columns: Sequence[str], rows: Iterator[tuple[Any, ...]], file: Any) -> None:
    """An array of objects, one a line, written as they come."""
    import msgspec

    file.write("[")
    for n, row in enumerate(rows):
        document = dict(zip(columns, row, strict=True))
        file.write((",\n" if n else "\n") + msgspec.json.encode(document, enc_hook=str).decode())
    file.write("\n]\n")


def _csv(columns: Sequence[str], rows: Iterator[tuple[Any, ...]], file: Any) -> None:
    """RFC 4180, with a header; nested values as JSON."""
    import csv

    writer = csv.writer(file)
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in row] for row in rows)


def _cell(value: Any) -> Any:
    import msgspec

    return msgspec.json.encode(value, enc_hook=str).decode() if isinstance(value, dict | list) else value


_WRITE = {"table": _table, "json": _json, "csv": _csv}
