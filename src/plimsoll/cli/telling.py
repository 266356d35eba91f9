"""How a rehearsal's story is told while it happens: one line a decision, and a bar of virtual time under it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from plimsoll.operations import Told

MARKS = {
    "gate": "◇",
    "unchanged": "=",
    "live": "▲",
    "advanced": "△",
    "shadow": "△",
    "recovered": "▲",
    "rolled_back": "▼",
    "lapsed": "▼",
    "withdrawn": "▽",
    "held": "■",
    "held_live": "■",
    "grace": "!",
    "safe_answer": "!",
    "retrain": "↻",
}
COLOURS = {"▲": "green", "▼": "red", "!": "red", "■": "yellow", "↻": "cyan", "◇": "blue"}


class Teller:
    """Draws to ``console``; ``begin`` and ``end`` are the ends of virtual time."""

    def __init__(self, console: Console, progress: Progress, *, begin: datetime, end: datetime) -> None:
        self._console, self._progress, self._begin = console, progress, begin
        self._task = progress.add_task("", total=(end - begin).total_seconds(), at=f"{begin:%Y-%m-%d}", events=0)

    def tell(self, told: Told) -> None:
        """One line, unless it is routine."""
        from plimsoll.cli.page import escaped
        from plimsoll.operations import ROUTINE

        if told.kind in ROUTINE:
            return
        mark = MARKS.get(told.kind, "·")
        colour = COLOURS.get(mark, "default")
        who = f"[bold]{escaped(told.label)}[/bold]  " if told.label else ""
        self._console.print(
            f"[dim]{told.at:%Y-%m-%d %H:%M}[/dim]  [{colour}]{mark}[/{colour}] {who}{escaped(told.plain or told.text)}",
            soft_wrap=True,
        )

    def progress(self, at: datetime, events: int) -> None:
        """The end of a step."""
        seconds = (at - self._begin).total_seconds()
        self._progress.update(self._task, completed=seconds, at=f"{at:%Y-%m-%d}", events=events)


@contextmanager
def telling(console: Console, *, begin: datetime, end: datetime) -> Iterator[Teller]:
    """A teller with its bar; the bar goes when the story is over."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.fields[at]}"),
        BarColumn(),
        TextColumn("{task.fields[events]:,} questions"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, refresh_per_second=4) as progress:
        yield Teller(console, progress, begin=begin, end=end)
