"""Markdown's building blocks: text that cannot break out of its cell, tables, and what a reader unfolds."""

from __future__ import annotations

from collections.abc import Sequence


def table_of(columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()) -> list[str]:
    """The lines of a table; the columns named in ``right`` are numbers."""
    edges = "".join("---:|" if c in right else "---|" for c in columns)
    head = [f"| {' | '.join(cell(c) for c in columns)} |", f"|{edges}"]
    return [*head, *(f"| {' | '.join(cell(c) for c in row)} |" for row in rows)]


class Drawn(str):
    """Text that is Markdown already."""

    __slots__ = ()


def cell(text: str) -> str:
    """``text`` with nothing in it that Markdown takes for a table's edge, a tag or emphasis."""
    if isinstance(text, Drawn):
        return text
    flat = " ".join(text.split())
    for mark in ("\\", "|", "<", "*", "`", "[", "]", "_"):
        flat = flat.replace(mark, f"\\{mark}")
    return flat


def code(drawn: str) -> Drawn:
    """A drawing of characters that all are equally wide."""
    return Drawn(f"`{drawn}`" if drawn else "")


def folded(title: str, lines: Sequence[str]) -> list[str]:
    """A section that is closed until somebody opens it; the empty lines make GitHub read what is inside as Markdown."""
    return ["", f"<details><summary>{title.replace('<', '&lt;')}</summary>", "", *lines, "", "</details>"]
