"""``plimsoll calibrate``: what the gate and the rollout let through, and what they stop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from plimsoll.cli.options import Options, Shared

if TYPE_CHECKING:
    from rich.console import Console

FOLDER = "calibrations"
"""Within the home: what was tried, one file for each declaration and state of its rows."""


def calibrate(
    path: Annotated[Path, Parameter(help="The capability's folder.")] = Path(),
    *,
    aa: Annotated[int, Parameter(help="A/A releases: the same declaration with other seeds.")] = 100,
    starts: Annotated[int, Parameter(help="Times in the recorded past at which each mutant is tried.")] = 10,
    mutant: Annotated[list[str] | None, Parameter(help="Only these mutants; default: all.")] = None,
    seed: Annotated[int, Parameter(help="Of ids, latencies and mutations.")] = 7,
    markdown: Annotated[Path | None, Parameter(help="Also write the table as Markdown.", show_default=False)] = None,
    shared: Shared = Options(),  # noqa: B008 - frozen
) -> int:
    """Send releases that are as good as the champion, and releases that are broken on purpose, through the capability's own
    gate and rollout on the recorded rows, and say what is stopped, how soon, and what cannot be seen.

    Long work: minutes for a year of rows. Killed, it goes on where it was. The table becomes part of later releases'
    reports. Exit code 1: a release that was as good as the champion was taken back.

    Example: plimsoll calibrate examples/flights
    """
    from plimsoll.app import open_home
    from plimsoll.capability import load
    from plimsoll.cli.page import progressing
    from plimsoll.operations.calibrating.document import document_of
    from plimsoll.operations.calibrating.keeping import keep
    from plimsoll.operations.calibrating.mutants import MUTANTS
    from plimsoll.operations.calibrating.page import markdown_of
    from plimsoll.operations.calibrating.running import Plan
    from plimsoll.operations.calibrating.running import calibrate as run
    from plimsoll.operations.notify import LogNotifier

    capability, settings = load(path), shared.settings(path)
    names = tuple(mutant or (m.name for m in MUTANTS))
    asked = Plan(twins=aa, starts=starts, seed=seed, mutants=names)
    with open_home(settings, notifier=LogNotifier()) as home, progressing(quiet=False) as progress:  # on stderr
        found = run(capability, asked, home.yard(), settings.home / FOLDER, progress)
        document = document_of(capability, found)
        keep(home.catalog, document, home.clock.now())
    if markdown is not None:
        markdown.parent.mkdir(parents=True, exist_ok=True)
        markdown.write_text(markdown_of(document), encoding="utf-8")
    shared.answer(document, _page)
    return int(document["twins"]["false_rollbacks"] > 0)


def _page(console: Console, document: dict[str, Any]) -> None:
    from plimsoll.cli.page import heading, table
    from plimsoll.operations.calibrating.page import COLUMNS, rows_of, sentences

    heading(console, f"{document['capability']}: the gate and the rollout, calibrated")
    for said in sentences(document):
        console.print(said, markup=False, soft_wrap=True)
    shown = [COLUMNS.index(name) for name in ("mutant", "caught", "kept out", "live", "answers shown", "after")]
    columns = [COLUMNS[at] for at in shown]
    table(console, columns, [[row[at] for at in shown] for row in rows_of(document)], right=columns[1:])
    for m in document["mutants"]:
        console.print(f"• {m['mutant']}: {m['what']}; {m['reason']}", markup=False, soft_wrap=True)
