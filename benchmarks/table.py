"""One measured row, and how rows are shown and kept."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"
_STATUS = Console(stderr=True, highlight=False)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure of ours, a peer's of the same work in the same run, and whether the target was met.

    ``ratio`` says how many times better ours is than the peer's (above 1 is better), ``None`` where there is no peer.
    ``target`` is in words (``≤ 0.4 s``), because some figures have a ceiling and some a floor.
    """

    what: str
    ours: float
    peer: str = ""
    peer_value: float | None = None
    ratio: float | None = None
    target: str = ""
    unit: str = ""
    met: bool
    note: str = ""


def progress(what: str) -> None:
    """A line on stderr: what is measured now. A figure may take minutes, and silence looks like a hang."""
    _STATUS.print(f"    {what}", style="dim", markup=False, soft_wrap=True)


def at_most(
    what: str, ours: float, limit: float, unit: str, *, peer: str = "", peer_value: float | None = None, note: str = ""
) -> Row:
    """A row of a figure that should be small: met at or below ``limit``; the ratio is peer / ours."""
    return Row(
        what=what,
        ours=ours,
        peer=peer,
        peer_value=peer_value,
        ratio=peer_value / ours if peer_value is not None and ours else None,
        target=f"≤ {limit:g} {unit}",
        unit=unit,
        met=ours <= limit,
        note=note,
    )


def at_least(
    what: str, ours: float, limit: float, unit: str, *, peer: str = "", peer_value: float | None = None, note: str = ""
) -> Row:
    """A row of a figure that should be large: met at or above ``limit``; the ratio is ours / peer."""
    return Row(
        what=what,
        ours=ours,
        peer=peer,
        peer_value=peer_value,
        ratio=ours / peer_value if peer_value else None,
        target=f"≥ {limit:g} {unit}",
        unit=unit,
        met=ours >= limit,
        note=note,
    )


def show(name: str, rows: Sequence[Row], console: Console) -> None:
    """Print ``rows`` as a table, and their notes below it."""
    table = Table(title=f"{name} · {machine()}", title_justify="left")
    for heading in ("what", "ours", "target", "met", "peer", "peer's", "ratio"):
        table.add_column(heading, justify="right" if heading in ("ours", "peer's", "ratio") else "left")
    for row in rows:
        table.add_row(*_cells(row), style="" if row.met else "bold red")
    console.print(table)
    for row in rows:
        if row.note:
            console.print(f"[dim]{row.what}: {row.note}[/dim]")


def _cells(row: Row) -> list[str]:
    return [
        row.what,
        f"{_number(row.ours)} {row.unit}".rstrip(),
        row.target,
        "yes" if row.met else "NO",
        row.peer,
        "" if row.peer_value is None else f"{_number(row.peer_value)} {row.unit}".rstrip(),
        "" if row.ratio is None else f"{row.ratio:.2g}×",
    ]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def keep(name: str, rows: Sequence[Row], folder: Path = RESULTS) -> Path:
    """Write ``rows`` to ``<folder>/<name>.json`` as a list of objects, and return where."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    data: list[dict[str, Any]] = [asdict(row) for row in rows]
    path.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def machine() -> str:
    """What the figures were measured on, in a few words."""
    import os

    return f"{os.cpu_count()} CPUs, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
