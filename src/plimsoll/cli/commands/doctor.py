"""``plimsoll doctor``: what is wrong with a set-up, and what to do about it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from plimsoll.cli.options import Options, Shared

if TYPE_CHECKING:
    from rich.console import Console

_COLOURS = {"ok": "green", "warning": "yellow", "fault": "red"}


def doctor(
    path: Annotated[Path, Parameter(help="The capability's folder, or any folder with a plimsoll.toml.")] = Path(),
    *,
    shared: Shared = Options(),  # noqa: B008 - frozen
) -> int:
    """Look a set-up over: settings, capability, home, catalog, keys, disk, port, loop. Changes nothing.

    Exit code 3 if something is at fault, 0 otherwise (warnings included).

    Example: plimsoll doctor --json
    """
    from plimsoll.cli.doctoring import examined

    found = [finding.plain() for finding in examined(path, shared)]
    shared.answer({"healthy": not _faults(found), "findings": found}, _page)
    return 3 if _faults(found) else 0


def _faults(found: list[dict[str, str]]) -> int:
    return sum(f["state"] == "fault" for f in found)


def _page(console: Console, document: dict[str, Any]) -> None:
    from plimsoll.cli.page import escaped

    width = max(len(f["what"]) for f in document["findings"])
    for f in document["findings"]:
        colour = _COLOURS[f["state"]]
        mark = f"[{colour}]{f['state']:<7}[/{colour}]"
        console.print(f"{mark}  {f['what']:<{width}}  {escaped(f['said'])}", soft_wrap=True)
        if f["hint"]:
            console.print(f"{'':<9}{'':<{width}}  {escaped(f['hint'])}", style="dim", soft_wrap=True)
    faults = _faults(document["findings"])
    warnings = sum(f["state"] == "warning" for f in document["findings"])
    console.print(f"\n{faults} at fault, {warnings} to look at" if faults or warnings else "\nnothing is wrong")
