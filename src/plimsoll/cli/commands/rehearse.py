"""``plimsoll rehearse``: recorded traffic through the real pipeline and the real loop, on a virtual clock."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from rich.console import Console

    from plimsoll.operations import Rehearsal
    from plimsoll.settings import Settings

FOLDER = "rehearsal"
"""Within the home: a rehearsal has a home of its own, made anew each time and left to be looked at."""


def rehearse(
    path: Annotated[
        Path, Parameter(help="The capability's folder; its rehearsal.py says what happens around it.")
    ] = Path(),
    *,
    until: Annotated[str | None, Parameter(help="Stop at this time (UTC); default: the end of the plan.")] = None,
    seed: Annotated[int, Parameter(help="Of ids and virtual latencies. Same seed, same machine: same ledger.")] = 7,
    json: Annotated[Path | None, Parameter(help="Write what happened as JSON to this file; - is stdout.")] = None,
    home: Annotated[
        Path | None, Parameter(help="Folder of all state; else PLIMSOLL_HOME, else ./.plimsoll.", show_default=False)
    ] = None,
) -> int:
    """Replay recorded traffic through the real pipeline and the real loop, thousands of times faster than it came.

    Example: plimsoll rehearse examples/flights --until 2013-09-01 --json out.json
    """
    from rich.console import Console

    from plimsoll.app import open_home
    from plimsoll.capability import load, load_object
    from plimsoll.cli.chronicle import draw
    from plimsoll.cli.options import Options, as_json
    from plimsoll.cli.telling import telling
    from plimsoll.operations import Rehearsal, VirtualClock, outcome
    from plimsoll.operations import rehearse as run
    from plimsoll.operations.notify import LogNotifier

    capability, plan = load(path), _shortened(load_object(path, "rehearsal", Rehearsal), until)
    settings = _anew(Options(home=home).settings(path))
    clock = VirtualClock(plan.start)
    console = Console(highlight=False, emoji=False, stderr=str(json) == "-")
    with open_home(settings, clock=clock, notifier=LogNotifier()) as opened:
        with telling(console, begin=plan.start, end=plan.until) as teller:
            log = opened.log()
            stage, story = run(
                capability, plan, opened.yard(), clock, log, seed=seed, tell=teller.tell, progress=teller.progress
            )
            log.close()
        document = outcome(stage, story)
    draw(console, document)
    if str(json) == "-":
        sys.stdout.write(as_json(document))
    elif json is not None:
        json.write_text(as_json(document), encoding="utf-8")
    _next(console, settings)
    return 0


def _shortened(plan: Rehearsal, until: str | None) -> Rehearsal:
    """The plan, ending earlier if it is asked to."""
    from dataclasses import replace

    from plimsoll.cli.reading import moment
    from plimsoll.errors import UsageError

    if until is None:
        return plan
    end = moment(until, "--until")
    if not plan.start < end <= plan.until:
        raise UsageError(f"--until {until}: the plan is from {plan.start:%Y-%m-%d} to {plan.until:%Y-%m-%d}")
    return replace(plan, until=end)


def _anew(settings: Settings) -> Settings:
    """The rehearsal's own settings: an empty home within the home. Its events need not survive a power cut."""
    from msgspec.structs import replace

    from plimsoll.settings import Events

    home = settings.home / FOLDER
    shutil.rmtree(home, ignore_errors=True)
    return replace(settings, home=home, catalog="", events=Events(durability="process"))


def _next(console: Console, settings: Settings) -> None:
    from plimsoll.cli.page import escaped

    home = escaped(str(settings.home))
    console.print(f"\nLook closer (it is all still there):\n  plimsoll status --home {home}", soft_wrap=True)
    console.print(f"  plimsoll log --verify --home {home}", soft_wrap=True)
