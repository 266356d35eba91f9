"""The page at ``/`` of a server: how every capability of the home stands, for a person with a browser.

Plain HTML that loads nothing and asks for itself again every few seconds. It shows what ``plimsoll status`` and
``plimsoll log`` say, and offers nothing to press: what changes anything is a command, with a name in the ledger.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from jinja2 import Environment

from plimsoll.evaluation import page_templates
from plimsoll.kernel.ports import CatalogReader
from plimsoll.operations.answered.noted import expected_of, sentences
from plimsoll.operations.standing.document import Names, standing_of, waiting_for

NEWEST = 15
REFRESH_S = 10
_TONES = {"good": "pass", "grace": "invalid", "safe": "invalid", "held": "inconclusive", "no lease": "quiet"}


def status_page(catalog: CatalogReader, now: datetime, home: Path | None = None) -> bytes:
    """The page as UTF-8 bytes, as of the catalog's last commit; with what is expected of answers without outcomes, where that
    was last written down in ``home``. Costs a few queries and about a millisecond."""
    names = catalog.capabilities()
    shown = [_shown(standing_of(catalog, name), catalog, home) for name in names]
    text = _templates().get_template("status.html.j2").render(capabilities=shown, now=_when(now), refresh_s=REFRESH_S)
    return text.encode()


def _shown(one: dict[str, Any], catalog: CatalogReader, home: Path | None) -> dict[str, Any]:
    rollout, live = one["rollout"], one["live"]
    releases = Names(catalog.releases(one["capability"]))
    newest = catalog.ledger(capability=one["capability"], newest_first=True, bodies=False)
    return one | {
        "tone": "invalid" if one["incidents"] else _TONES.get(live["standing"], "quiet"),
        "badge": _badge(live["standing"], len(one["incidents"]), stale=bool(one["stale"])),
        "said": _said(live),
        "progress": _progress(rollout) if rollout else None,
        "waits": waiting_for(rollout) if rollout else "",
        "open_incidents": [i | {"since": _when(i["opened_at"])} for i in one["incidents"]],
        "expected": _expected(home, one["capability"], live["release"]),
        "lines": [
            {
                "at": _when(line.entry.at),
                "kind": line.entry.kind.replace("_", " "),
                "release": releases.of(line.entry.subject),
                "summary": line.entry.summary,
            }
            for line in islice(newest, NEWEST)
        ],
    }


def _expected(home: Path | None, capability: str, release: str) -> list[str]:
    found = None if home is None else expected_of(home, capability, release)
    return sentences(found) if found else []


def _badge(standing: str, incidents: int, *, stale: bool) -> str:
    found = [standing]
    found += [f"{incidents} open incident{'s' * (incidents > 1)}"] if incidents else []
    return ", ".join([*found, "stale verdict"] if stale else found)


def _said(live: dict[str, Any]) -> str:
    if live["standing"] == "no lease":
        return "no release is live; the fallback answers" if live["name"] else "nothing is live, and nothing answers"
    if live["standing"] == "safe":
        return "it cannot be trusted now: the fallback answers in its place"
    since = f"live since {_when(live['since'])}"
    until = live["provisional_until"]
    return f"{since}, provisional until {_when(until)}" if until else since


def _progress(rollout: dict[str, Any]) -> float:
    """How much of what the stage asks for is there, from 0 to 1."""
    return min(1.0, rollout["closed_blocks"] / rollout["blocks"]) if rollout["blocks"] else 0.0


def _when(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


@cache
def _templates() -> Environment:
    return page_templates("plimsoll.operations.standing")
