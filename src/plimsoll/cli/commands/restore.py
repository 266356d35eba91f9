"""``plimsoll restore``: a home from an archive."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from plimsoll.cli.options import Options, Shared

if TYPE_CHECKING:
    from rich.console import Console


def restore(
    file: Annotated[Path, Parameter(help="An archive that `plimsoll backup` made.")],
    *,
    shared: Shared = Options(),  # noqa: B008 - frozen
) -> int:
    """Make the home again: every byte is checked first, and nothing that is there is written over.

    Example: plimsoll restore /backups/monday.tar --home .plimsoll
    """
    from plimsoll.store import REVISION
    from plimsoll.store import restore as restored

    settings = shared.settings()
    made = restored(file, settings.home, revision=REVISION)
    document = {
        "home": str(settings.home),
        "files": len(made.files),
        "at": made.at,
        "catalog": made.catalog,
        "secrets": made.secrets,
        "upgrade": made.revision != REVISION,
    }
    shared.answer(document, _page)
    return 0


def _page(console: Console, document: dict[str, Any]) -> None:
    from plimsoll.cli.page import when

    console.print(f"{document['files']} files as of {when(document['at'])} are in {document['home']}")
    if not document["secrets"]:
        console.print(
            "put its keys back (checkpoints/, recording/, access/): without them the ledger's marks cannot be verified",
            style="yellow",
        )
    if document["upgrade"]:
        console.print("its schema is older than this Plimsoll: [bold]plimsoll upgrade[/bold]", style="yellow")
    if document["catalog"] != "sqlite":
        console.print("its catalog was in PostgreSQL: load the dump that was taken before it", style="yellow")
