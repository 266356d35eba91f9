"""How a rehearsal is told on a screen: one line a decision, a bar of virtual time under it, a table at the end.

Where the output is not a terminal the lines are plain and there is no bar.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress
    from rich.text import Text

    from plimsoll.operations import Told

STYLES: Mapping[str, str] = {
    "on trial": "cyan",
    "advanced": "cyan",
    "live": "bold green",
    "confirmed": "green",
    "held": "yellow",
    "resumed": "cyan",
    "rolled back": "bold red",
    "withdrawn": "yellow",
    "lapsed": "bold red",
    "incident": "bold red",
    "safe answer": "bold magenta",
    "recovered": "bold green",
    "retrain": "yellow",
    "unchanged": "dim",
    "dropped": "yellow",
    "gate passed": "green",
    "gate refused": "bold red",
    "gate invalid": "bold magenta",
    "gate open": "yellow",
}
STATES: Mapping[str, str] = {
    "live": "bold green", "superseded": "default", "refused": "red", "rolled_back": "red", "lapsed": "red",
    "held": "yellow", "withdrawn": "yellow",
}  # fmt: skip
DATE, VERB, LABEL, WIDEST = 6, 12, 16, 120


class Narrator:
    """Tells to ``console`` from ``begin`` to ``end`` of virtual time. ``routine`` counts what is not worth a line."""

    def __init__(self, console: Console, bar: Progress | None, *, begin: datetime, end: datetime) -> None:
        self.routine = 0
        self._console, self._bar, self._begin = console, bar, begin
        self._started = time.perf_counter()
        self._year = 0
        total = (end - begin).total_seconds()
        self._task = bar.add_task("", total=total, at=f"{begin:%-d %b %Y}", events=0, speed="") if bar else None

    def tell(self, told: Told) -> None:
        """One decision: when, what, which release, and why in a sentence."""
        from plimsoll.operations import ROUTINE

        if told.kind in ROUTINE:
            self.routine += 1
            return
        if told.at.year != self._year:
            self._year = told.at.year
            self._console.print(f"[dim]{self._year}[/dim]")
        self._console.print(line(told, _width(self._console)), soft_wrap=True)

    def progress(self, at: datetime, events: int) -> None:
        """The end of a step: the bar moves."""
        if self._bar is None or self._task is None:
            return
        spent = max(1e-6, time.perf_counter() - self._started)
        self._bar.update(
            self._task,
            completed=(at - self._begin).total_seconds(),
            at=f"{at:%-d %b %Y}",
            events=events,
            speed=f"{(at - self._begin).total_seconds() / spent:,.0f}× real time",
        )


@contextmanager
def narrating(console: Console, *, begin: datetime, end: datetime) -> Iterator[Narrator]:
    """A narrator with a bar that goes when the story is over; without one where nobody could see it move."""
    if not console.is_terminal:
        yield Narrator(console, None, begin=begin, end=end)
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("[bold]{task.fields[at]:>11}"),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[events]:,} questions"),
        TextColumn("[dim]{task.fields[speed]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, refresh_per_second=5) as bar:
        yield Narrator(console, bar, begin=begin, end=end)


def line(told: Told, width: int) -> Text:
    """``17 Feb  advanced     first            answers 25% of the units now: …``, its tail wrapped under itself."""
    from rich.text import Text

    from plimsoll.operations.story.wording import verb

    said_short = verb(told.kind, told.ruling)
    indent = DATE + 2 + VERB + 2 + LABEL + 1
    said = Text(told.plain or told.text).wrap(_plain_console(), max(30, width - indent))
    made = Text.assemble(
        (f"{told.at:%-d %b}".rjust(DATE), "dim"),
        "  ",
        (said_short.ljust(VERB + 2), STYLES.get(said_short, "")),
        (told.label.ljust(LABEL) + " ", "bold"),
    )
    for i, part in enumerate(said):
        made.append("\n" + " " * indent if i else "")
        made.append(part.plain.rstrip())
    return made


def _width(console: Console) -> int:
    """Columns to write in: the terminal's, to a readable most; a file takes what it is given."""
    return min(console.width, WIDEST) if console.is_terminal else WIDEST


def _plain_console() -> Console:
    """What rich asks for to wrap text: nothing of it is printed to."""
    from rich.console import Console

    return Console(width=WIDEST, color_system=None)


def ending(console: Console, document: Mapping[str, Any], *, routine: int, report: Path | None, home: Path) -> None:
    """The table of releases, and what to do next."""
    console.print()
    console.print(_releases(document, _width(console)), soft_wrap=not console.is_terminal)
    console.print(_sum(document, routine), soft_wrap=True)
    for sentence in document["next"]:
        console.print(f"At the end: {sentence}.", markup=False, soft_wrap=True)
    label = next((r["label"] for r in document["releases"] if r["known_bad"]), document["releases"][-1]["label"]) if (
        document["releases"]
    ) else "RELEASE"  # fmt: skip
    called = _called()
    steps = [
        ("look at it", str(report) if report else ""),
        ("the ledger, checked", f"{called} log --verify --home {home}"),
        ("one release's verdicts", f"{called} explain {label} --home {home}"),
        ("what is live", f"{called} status --home {home}"),
        ("why it works so", "docs/concepts"),
    ]
    console.print("\n[bold]What to do next[/bold]")
    for what, how in steps:
        if how:
            console.print(f"  {what:<24}{how}", markup=False, soft_wrap=True)


def _called() -> str:
    """How this command can be typed here: by its name where the shell finds it, else by its path."""
    if shutil.which("plimsoll"):
        return "plimsoll"
    path = Path(sys.argv[0])
    return os.path.relpath(path) if path.name == "plimsoll" else "plimsoll"


def _releases(document: Mapping[str, Any], width: int) -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from plimsoll.kernel.digest import short
    from plimsoll.operations.story.wording import verb

    table = Table(
        box=SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0), collapse_padding=True, header_style="dim", width=width
    )
    table.add_column("release", no_wrap=True, style="bold")
    roomy = width >= 110
    if roomy:
        table.add_column("", no_wrap=True, style="dim")
    table.add_column("gate", no_wrap=True)
    table.add_column("came to", no_wrap=True)
    table.add_column("answers", justify="right", no_wrap=True)
    table.add_column("now", no_wrap=True)
    table.add_column("why", ratio=1)
    for r in document["releases"]:
        ruling = r["gate"]["ruling"]
        table.add_row(
            Text(r["label"]),
            *([short(r["digest"])] if roomy else []),
            Text(ruling, style=STYLES.get(verb("gate", ruling), "")),
            _furthest(r["stages"]),
            f"{r['exposed_events']:,}",
            Text(r["state"].replace("_", " "), style=STATES.get(r["state"], "")),
            Text(r["reason"]),
        )
    return table


def _furthest(stages: list[dict[str, Any]]) -> str:
    """How far a release came: the furthest of its stages."""
    names = [s["stage"] for s in stages if not s["stage"].startswith("held")]
    return max(names, key=lambda n: ("shadow", "canary", "live").index(n.split()[0])) if names else "–"


def _sum(document: Mapping[str, Any], routine: int) -> str:
    from plimsoll.kernel.digest import short

    incidents = len(document["incidents"])
    return (
        f"{document['events']:,} questions and {document['outcomes']:,} outcomes in {document['wall_s']:.0f} s; "
        f"{incidents} incident{'' if incidents == 1 else 's'}; {routine:,} routine looks and renewals not shown; the "
        f"ledger has {document['ledger_lines']:,} lines and ends at {short(document['ledger_head'])}."
    )
