"""The answer to "what if", for one capability of a home, as one plain document."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from plimsoll.kernel.ports import CatalogReader
from plimsoll.operations.standing.document import Names
from plimsoll.operations.whatif.account import Exposed, account
from plimsoll.operations.whatif.amendment import Amendment
from plimsoll.operations.whatif.judging import judged
from plimsoll.store import open_query

FOUND_BAD = ("lapsed", "held_live")
"""Decisions that say of a live release that it no longer was good; known bad ones are in the deployment."""


def requirements_of(catalog: CatalogReader, capability: str) -> set[str]:
    """Every requirement that a verdict of the ledger was about, as it is written."""
    verdicts = (line.entry.body.get("verdict") for line in catalog.ledger(capability=capability))
    return {f["requirement"] for verdict in verdicts if verdict for f in verdict["findings"]}


def whatif(catalog: CatalogReader, capability: str, amendment: Amendment, segments: Path) -> dict[str, Any]:
    """What ``amendment`` would have decided and cost. Reads the ledger, and the events once: seconds for millions."""
    lines = list(catalog.ledger(capability=capability))
    decisions = list(judged(lines, amendment))
    lapsed = {line.entry.subject for line in lines if line.entry.kind in FOUND_BAD}
    bad = lapsed | set(catalog.deployment(capability).known_bad)
    found = account(decisions, bad, _exposed(segments, capability))
    names = Names(catalog.releases(capability))
    releases = [r | {"name": names.of(r["release"])} for r in found["releases"]]
    told = [msgspec.to_builtins(d) for d in decisions if d.then is not d.now]
    return (
        {"capability": capability, "amendment": msgspec.to_builtins(amendment)}
        | found
        | {
            "releases": releases,
            "otherwise": told,
        }
    )


def _exposed(segments: Path, capability: str) -> Exposed:
    """Answers shown by release and hour, read when it is first asked for."""
    if not segments.is_dir():
        return lambda release, since: None
    hours: dict[str, list[tuple[datetime, int]]] = {}

    def exposed(release: str, since: datetime) -> int:
        if not hours:
            for name, hour, n in _shown(segments, capability):
                hours.setdefault(name, []).append((hour, n))
        return sum(n for hour, n in hours.get(release, ()) if hour >= since)

    return exposed


def _shown(segments: Path, capability: str) -> list[tuple[str, datetime, int]]:
    named = capability.replace("'", "''")
    sql = (
        f"SELECT release, date_trunc('hour', asked_at), count(*) FROM events WHERE capability = '{named}' GROUP BY 1, 2"
    )
    with open_query(segments) as query:
        return [(release, hour.replace(tzinfo=UTC), n) for release, hour, n in query.rows(sql)]
