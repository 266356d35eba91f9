"""The orders with a column more."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from plimsoll.capability import Capability, load

Row = dict[str, Any]


def widened(
    folder: Path, to: Path, name: str, kind: str, values: Callable[[Sequence[Row]], Sequence[Any]]
) -> Capability:
    """A copy of the capability in ``folder`` whose questions have the column ``name``, known when they are asked."""
    orders = load(Path(shutil.copytree(folder, to)))
    path, contract = to / orders.source.rows, to / orders.source.contract  # type: ignore[operator]
    rows = list(csv.DictReader(path.read_text().splitlines()))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0], name])
        writer.writeheader()
        writer.writerows({**row, name: value} for row, value in zip(rows, values(rows), strict=True))
    text = contract.read_text()
    place = text.index('      - name: "price_eur"')
    column = f"      - name: {name}\n        logicalType: {kind}\n" + KNOWN
    contract.write_text(text[:place] + column + text[place:])
    return load(to)


KNOWN = "        customProperties: [{property: knownAt, value: asked_at}]\n"
