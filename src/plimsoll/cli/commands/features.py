"""``plimsoll features …``: rows into the tables that online features are made from."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from plimsoll.cli.help import layout
from plimsoll.cli.options import Options, Shared

if TYPE_CHECKING:
    from rich.console import Console

features = App(
    name="features",
    help="Push rows into the tables that online features are made from.\n\n"
    "Example: plimsoll features push weather new-observations.csv",
    help_format="plaintext",
    help_formatter=layout,
    version_flags=(),
    result_action="return_value",
)

CHUNK = 5_000
"""Rows that are checked, kept and counted together."""


@features.command
def push(
    source: Annotated[str, Parameter(help="The table, by its name in the capability.")],
    rows: Annotated[str, Parameter(help="A .csv, .tsv, .parquet or .jsonl file; - reads JSON lines.")] = "-",
    *,
    path: Annotated[Path, Parameter(help="The capability's folder.")] = Path(),
    id_column: Annotated[
        str, Parameter(help="Column that names a row; default: its contract's key, else all of it.")
    ] = "",
    shared: Shared = Options(),  # noqa: B008 - frozen
) -> int:
    """Check rows against their contract and keep the new ones, for good; a running server applies them within a second.

    A row that has been here is not taken again, so that a push may be repeated. Exit code 1: some were quarantined.

    Example: plimsoll features push weather new-observations.csv
    """
    from plimsoll.app import open_home
    from plimsoll.capability import load
    from plimsoll.cli.rowfiles import chunks_of
    from plimsoll.operations.feeding import Feed

    capability = load(path)
    counts, reasons, document = Counter[str](), Counter[str](), dict[str, Any](quarantine="", undeclared=[])
    with open_home(shared.settings(path)) as home:
        feed = Feed(capability, home.catalog, home.objects, home.clock, home.scratch)
        for chunk in chunks_of(rows, CHUNK):
            ids = [_id(row, id_column) for row in chunk] if id_column else None
            pushed = feed.push(source, chunk, ids)
            counts += Counter(accepted=pushed.accepted, duplicate=pushed.duplicate, quarantined=pushed.quarantined)
            reasons += Counter(pushed.reasons)
            document["quarantine"] = pushed.quarantine or document["quarantine"]
            document["undeclared"] = sorted({*document["undeclared"], *pushed.undeclared} - {id_column})
    document |= {name: counts[name] for name in ("accepted", "duplicate", "quarantined")}
    shared.answer(document | {"source": source, "reasons": dict(reasons)}, _page)
    return 1 if counts["quarantined"] else 0


def _id(row: dict[str, Any], column: str) -> str:
    from plimsoll.errors import UsageError, nearest

    if row.get(column) is None:
        raise UsageError(f"a row has no {column!r}, which --id-column says names it", hint=nearest(column, row))
    return str(row[column])


def _page(console: Console, document: dict[str, Any]) -> None:
    from plimsoll.cli.page import escaped

    console.print(
        f"{document['accepted']:,} rows of {document['source']} kept, {document['duplicate']:,} had been here, "
        f"{document['quarantined']:,} quarantined"
    )
    for reason, count in document["reasons"].items():
        console.print(f"  {count:,} {escaped(reason)}", soft_wrap=True)
    if document["quarantine"]:
        console.print(f"  they are in {escaped(document['quarantine'])}", soft_wrap=True)
    if document["undeclared"]:
        console.print(f"the contract knows no {', '.join(map(escaped, document['undeclared']))}: left out")
