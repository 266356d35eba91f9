"""A rehearsal's account as rows to draw: who answered, who was where, and what was decided, over time."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from plimsoll.kernel.records import FALLBACK
from plimsoll.operations.story.account import Account, passages
from plimsoll.operations.story.wording import verb

Row = dict[str, Any]


def iso(at: datetime) -> str:
    """A time as the charts take it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def traffic(a: Account) -> list[Row]:
    """The share of each local day's answers that came from each release."""
    zone = ZoneInfo(a.timezone)
    days: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for release, hours in a.hourly.items():
        for hour in hours:
            day = datetime.fromisoformat(f"{hour.name}:00").replace(tzinfo=UTC).astimezone(zone).date().isoformat()
            own = hour.n if release == FALLBACK else hour.n - hour.hits
            days[day][release] += own
            if release != FALLBACK:
                days[day][FALLBACK] += hour.hits
    whom = [FALLBACK, *a.labels]
    return [
        {"at": f"{day}T12:00:00Z", "who": a.name(r), "share": n[r] / max(1, sum(n.values())), "n": n[r], "order": i}
        for day, n in sorted(days.items())
        for i, r in enumerate(whom)
        if a.served.get(r)
    ]


def lanes(a: Account) -> list[Row]:
    """Each release's stages as bars: in shadow, in canary, live, held."""
    found = []
    for digest, label in a.labels.items():
        for p in passages(a, digest):
            end = p.until or a.until
            kind = p.stage.split()[0]
            found.append({"who": label, "from": iso(p.since), "to": iso(end), "kind": kind, "stage": p.stage})
    return found


MARKED = {
    "gate": "gate",
    "rolled_back": "rolled back",
    "withdrawn": "withdrawn",
    "grace": "not trusted",
    "safe_answer": "safe answer",
    "recovered": "recovered",
    "held": "held",
    "held_live": "held",
    "lapsed": "lapsed",
    "retrain": "retrain asked",
}


def marks(a: Account) -> list[Row]:
    """The decisions that deserve a mark, on their releases' lanes; a passed gate and another one differ."""
    found = []
    for t in a.told:
        kind = MARKED.get(t.kind)
        if kind is None or t.release not in a.labels:
            continue
        if t.kind == "gate":
            kind = verb(t.kind, t.ruling)
        found.append({"who": t.label, "at": iso(t.at), "what": kind, "said": t.plain})
    return found


def spells(a: Account) -> list[Row]:
    """When something was wrong with the world or with the evidence: noted days, and incidents."""
    found = []
    for day, said in sorted(a.notes.items()):
        begin = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(a.timezone))
        if a.since <= begin < a.until:
            found.append({"from": iso(begin), "to": iso(begin + timedelta(days=1)), "what": said, "kind": "noted"})
    for i in a.incidents:
        found.append(
            {"from": iso(i.opened_at), "to": iso(i.closed_at or a.until), "what": i.summary, "kind": "incident"}
        )
    return found
