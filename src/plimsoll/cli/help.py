"""How a command's help is laid out: two columns, plain text, no boxes; it has to be instant and to be copied."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cyclopts.help import HelpEntry, HelpPanel
    from rich.console import Console, ConsoleOptions

INDENT = 2
WIDEST_LABEL = 30


def layout(console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
    """Print one panel (cyclopts' formatter protocol)."""
    if not panel.entries:
        return
    rows = [(_label(entry), _said(entry)) for entry in panel.entries]
    width = min(max(len(label) for label, _ in rows), WIDEST_LABEL)
    _print(console, f"{panel.title}:")
    for label, said in rows:
        _print(console, _row(label, said, width, options.max_width))
    _print(console, "")


def _label(entry: HelpEntry) -> str:
    negative = set(entry.negative_names)
    if entry.positive_names and entry.positive_names[0].startswith("--") is False:
        return ", ".join((*entry.positive_names, *entry.positive_shorts))
    if entry.positional_label:
        return entry.positional_label
    names = [n for n in (*entry.positive_shorts, *entry.positive_names) if n not in negative]
    value = f" {entry.metavar}" if entry.metavar else ""
    return ", ".join(names) + value


def _said(entry: HelpEntry) -> str:
    parts = [_plain(entry.description)]
    if entry.choices:
        parts.append(f"One of: {', '.join(entry.choices)}.")
    if entry.default not in (None, "False", "None") and not entry.required:
        parts.append("Default: here." if entry.default == "." else f"Default: {entry.default}.")
    if entry.required:
        parts.append("Required.")
    return " ".join(p for p in parts if p)


def _row(label: str, said: str, width: int, total: int) -> str:
    start = INDENT + width + 2
    lines = textwrap.wrap(said, max(24, total - start)) or [""]
    head = f"{' ' * INDENT}{label:<{width}}"
    if len(label) > width:
        return "\n".join([head, *(" " * start + line for line in lines)])
    return "\n".join([f"{head}  {lines[0]}".rstrip(), *(" " * start + line for line in lines[1:])])


def _plain(value: Any) -> str:
    """The text of what cyclopts wraps for rich; drawing it through rich would cost as much as all the rest."""
    text = getattr(value, "primary_renderable", value)
    return " ".join(str(text or "").split())


def _print(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
