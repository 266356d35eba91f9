"""``plimsoll backup``: the home as one archive, while it serves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from plimsoll.cli.options import Options, Shared

if TYPE_CHECKING:
    from rich.console import Console


def backup(
    file: Annotated[Path, Parameter(help="The archive to make; never one that is there.")],
    *,
    with_secrets: Annotated[
        bool, Parameter(negative=(), help="The keys too: of the ledger's marks, of redaction, and the pepper.")
    ] = False,
    shared: Shared = Options(),  # noqa: B008 - frozen
) -> int:
    """Write the home into one archive with the digest of every file, while servers and the loop go on.

    A catalog in PostgreSQL is not in it: dump that first, with pg_dump.

    Example: plimsoll backup /backups/monday.tar
    """
    from datetime import UTC, datetime

    from plimsoll.store import REVISION, back_up

    settings = shared.settings()
    made = back_up(
        settings.home,
        file,
        at=datetime.now(UTC),
        revision=REVISION,
        secrets=with_secrets,
        elsewhere="postgresql" if settings.catalog and not settings.catalog.startswith("sqlite") else "",
    )
    document = {
        "file": str(file),
        "files": len(made.files),
        "size_bytes": sum(kept.size_bytes for kept in made.files.values()),
        "catalog": made.catalog,
        "secrets": made.secrets,
    }
    shared.answer(document, _page)
    return 0


def _page(console: Console, document: dict[str, Any]) -> None:
    console.print(f"{document['files']} files, {document['size_bytes'] / 1e6:,.1f} MB, in {document['file']}")
    if not document["secrets"]:
        console.print("keys and pepper are not in it; keep them elsewhere, or ask for --with-secrets", style="dim")
    if document["catalog"] != "sqlite":
        console.print("the catalog is in PostgreSQL, and not in it: pg_dump DATABASE > catalog.sql", style="yellow")
