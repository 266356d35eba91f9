"""``plimsoll rehearse``: recorded traffic through the real pipeline and the real loop, on a virtual clock."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from plimsoll.operations import Rehearsal
    from plimsoll.settings import Settings

FOLDER = "rehearsals"
"""Within the home: each rehearsal has a home of its own in it (``7-2013-09-01``), emptied at the start and left there to
be looked at."""


def rehearse(
    path: Annotated[
        Path, Parameter(help="The capability's folder; its rehearsal.py says what happens around it.")
    ] = Path(),
    *,
    until: Annotated[str | None, Parameter(help="Stop at this time (UTC); default: the end of the plan.")] = None,
    seed: Annotated[int, Parameter(help="Of ids and virtual latencies. Same seed, same machine: same ledger.")] = 7,
    json: Annotated[Path | None, Parameter(help="Write what happened as JSON to this file; - is stdout.")] = None,
    html: Annotated[
        Path | None, Parameter(help="Write the report here; default: rehearsal.html in its home.", show_default=False)
    ] = None,
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
    from plimsoll.cli.narration import ending, narrating
    from plimsoll.cli.options import Options, as_json
    from plimsoll.operations import Rehearsal, VirtualClock, outcome, story_page
    from plimsoll.operations import rehearse as run
    from plimsoll.operations.notify import LogNotifier

    capability, plan = load(path), _shortened(load_object(path, "rehearsal", Rehearsal), until)
    settings = _anew(Options(home=home).settings(path), f"{seed}-{plan.until:%Y-%m-%d}")
    clock = VirtualClock(plan.start)
    console = Console(highlight=False, emoji=False, stderr=str(json) == "-")
    with open_home(settings, clock=clock, notifier=LogNotifier()) as opened:
        with narrating(console, begin=plan.start, end=plan.until) as narrator:
            log = opened.log()
            stage, story = run(
                capability, plan, opened.yard(), clock, log, seed=seed, tell=narrator.tell, progress=narrator.progress
            )
            log.close()
        document = outcome(stage, story)
        report = html or settings.home / "rehearsal.html"
        report.write_bytes(story_page(stage, story))
    ending(console, document, routine=narrator.routine, report=_from_here(report), home=_from_here(settings.home))
    if str(json) == "-":
        sys.stdout.write(as_json(document))
    elif json is not None:
        json.write_text(as_json(document), encoding="utf-8")
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


def _from_here(path: Path) -> Path:
    """``path`` as a person would type it from where they stand."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _anew(settings: Settings, name: str) -> Settings:
    """The rehearsal's own settings: an empty home within the home. Its events need not survive a power cut."""
    from msgspec.structs import replace

    from plimsoll.settings import Events

    home = settings.home / FOLDER / name
    shutil.rmtree(home, ignore_errors=True)
    return replace(settings, home=home, catalog="", events=Events(durability="process"))
