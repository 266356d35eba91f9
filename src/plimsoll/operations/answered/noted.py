"""What was last expected of answers without outcomes, as it was written down: read by the page and said in sentences.

Apart from how it is found, which needs NumPy: a page has to be instant.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from plimsoll.kernel.figure import figure

EXPECTED = "expected"
"""Within the home: what is expected of each capability's live release, one file each."""
LOOK_EVERY_S = 3_600.0


def expected_of(home: Path, capability: str, release: str) -> dict[str, Any] | None:
    """What was last written down of this release; None where nothing was, or another one is live by now."""
    path = home / EXPECTED / f"{capability}.json"
    if not path.is_file():
        return None
    document: dict[str, Any] = msgspec.json.decode(path.read_bytes())
    return document["found"] if document["release"] == release else None


def sentences(document: dict[str, Any]) -> list[str]:
    """For people: one line a metric, beside what it was on the blocks before."""
    lines = [
        f"{document['answers']:,} answers of {document['blocks']} blocks since {document['since']} have no outcome yet"
    ]
    for m in document["metrics"]:
        if m["expected"] is None:
            continue
        within = "" if m["low"] is None else f" ({figure(m['low'])} to {figure(m['high'])})"
        past = "" if m["past"] is None else f"; {figure(m['past'])} on the {document['past_blocks']} blocks before"
        lines.append(f"{m['metric']} is expected to be {figure(m['expected'])}{within}{past}")
    return lines
