"""``plimsoll upgrade``: the catalog's schema becomes today's, after a backup of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from plimsoll.cli.options import Options, Shared

if TYPE_CHECKING:
    from rich.console import Console


def upgrade(
    *,
    dry_run: Annotated[bool, Parameter(help="Say what would be done, and do nothing.", negative="")] = False,
    dumped: Annotated[
        bool, Parameter(negative=(), help="For a catalog in PostgreSQL: it has been dumped with pg_dump.")
    ] = False,
    shared: Shared = Options(),  # noqa: B008 - frozen
) -> int:
    """Bring the catalog's schema up to this Plimsoll's. One in the home is copied into backups/ first.

    Stop the servers first: an older one refuses a newer schema.

    Example: plimsoll upgrade --dry-run
    """
    from plimsoll.store import upgraded

    settings = shared.settings()
    done = upgraded(settings.catalog_url, settings.home / "backups", dry_run=dry_run, dumped=dumped)
    shared.answer(
        {"from": done.before, "to": done.after, "steps": list(done.steps), "backup": done.backup, "dry_run": dry_run},
        _page,
    )
    return 0


def _page(console: Console, document: dict[str, Any]) -> None:
    if not document["steps"]:
        console.print(f"the schema is today's already: {document['to']}")
        return
    verb = "would be" if document["dry_run"] else "was"
    console.print(f"the schema {verb} brought from {document['from']} to {document['to']}:")
    for step in document["steps"]:
        console.print(f"  {step}")
    if document["backup"]:
        console.print(f"the catalog as it was: {document['backup']}", style="dim")
