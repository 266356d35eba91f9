"""How pages are drawn: one look for tables and facts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

COLOURS = {
    "pass": "green",
    "fail": "red",
    "invalid": "magenta",
    "inconclusive": "yellow",
    "good": "green",
    "live": "green",
    "held": "yellow",
    "grace": "yellow",
    "safe": "red",
    "refused": "red",
    "rolled_back": "red",
    "lapsed": "red",
}


def facts(console: Console, rows: Iterable[tuple[str, str]]) -> None:
    """Two columns: what, and how it is. Rows with nothing to say are left out."""
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for what, said in rows:
        if said:
            table.add_row(what, escaped(said))
    console.print(table)


def table(
    console: Console, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Sequence[str] = ()
) -> None:
    """A table with a rule under its head and nothing else; ``right`` names the columns of numbers."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    drawn = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="dim")
    for name in columns:
        drawn.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(coloured(str(cell)) for cell in row))
    console.print(drawn)


def heading(console: Console, text: str) -> None:
    console.print(f"\n[bold]{escaped(text)}[/bold]")


def coloured(word: str) -> str:
    """Rulings and states in their colour; everything else as it is."""
    colour = COLOURS.get(word)
    return f"[{colour}]{word}[/{colour}]" if colour else escaped(word)


def escaped(text: str) -> str:
    """``text`` with nothing in it taken for markup."""
    return text.replace("[", "\\[")


def when(value: Any) -> str:
    """A time to the minute, in UTC."""
    if not value:
        return ""
    at = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return f"{at:%Y-%m-%d %H:%M}"


@contextmanager
def working(*, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Says what is being done while it is done: a spinner on a terminal, a line each elsewhere, on stderr."""
    if quiet:
        yield lambda text: None
        return
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield lambda text: console.print(escaped(text), style="dim", soft_wrap=True)
        return
    with console.status("reading the rows") as spinner:
        yield lambda text: spinner.update(escaped(text))


@contextmanager
def progressing(*, quiet: bool) -> Iterator[Callable[[int, int, str], None]]:
    """A bar on a terminal, a line a tenth elsewhere, on stderr."""
    from rich.console import Console

    if quiet:
        yield lambda done, total, what: None
        return
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield (
            lambda done, total, what: (
                console.print(f"{done} of {total}: {what}", style="dim", soft_wrap=True)
                if done % max(1, total // 10) == 0
                else None
            )
        )
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        MofNCompleteColumn(),
        BarColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total, what: bar.update(task, completed=done, total=total, description=what)
