"""``plimsoll collect``: delete the bytes that nothing needs any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from plimsoll.cli.options import Options, Shared

if TYPE_CHECKING:
    from rich.console import Console


def collect(
    *,
    dry_run: Annotated[bool, Parameter(help="Say what would be deleted, and delete nothing.", negative="")] = False,
    shared: Shared = Options(),  # noqa: B008 - frozen
) -> int:
    """Delete objects that no release which is deployed or may come back was made from. The ledger stays whole.

    A release that was refused, rolled back, withdrawn or lapsed keeps its verdicts and its report, and loses its model.

    Example: plimsoll collect --dry-run
    """
    from plimsoll.app import open_home
    from plimsoll.cli.reading import catalog_of
    from plimsoll.operations import collect_garbage

    settings = shared.settings()
    with catalog_of(settings):
        pass  # a home that is not there is not made in order to clean it
    with open_home(settings) as home:
        swept = collect_garbage(home.yard(), delete=not dry_run)
    shared.answer({"deleted": [] if dry_run else swept, "unneeded": swept}, _page)
    return 0


def _page(console: Console, document: dict[str, Any]) -> None:
    n = len(document["unneeded"])
    if not n:
        console.print("everything here is needed")
    elif document["deleted"]:
        console.print(f"{n} objects deleted")
    else:
        console.print(f"{n} objects would be deleted: [bold]plimsoll collect[/bold]")
