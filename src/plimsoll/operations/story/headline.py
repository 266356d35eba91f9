"""What happened, in three sentences and a few numbers, for somebody who reads nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from plimsoll.kernel.records import FALLBACK
from plimsoll.kernel.verdict import Ruling
from plimsoll.operations.story.account import Account, Told


class Figure(NamedTuple):
    """A key figure: ``value`` in large type over ``what``."""

    value: str
    what: str


def headline(a: Account) -> list[str]:
    """Three sentences made from the account: the traffic and who took over, who was stopped, what befell the live one."""
    return [_traffic(a), _stopped(a), _befell(a)]


def key_figures(a: Account) -> list[Figure]:
    """Events, outcomes, what became of the releases, what bad ones cost the users, incidents."""
    exposed = sum(a.served.get(d, 0) for d in stopped(a))
    return [
        Figure(f"{a.events:,}", "questions answered"),
        Figure(f"{a.outcomes:,}", "outcomes came"),
        Figure(str(len(went_live(a))), "releases went live"),
        Figure(str(len(refused(a))), "not let out by the gate"),
        Figure(str(len(caught(a))), "caught after it"),
        Figure(f"{exposed:,}", "answers from those"),
        Figure(str(len(a.incidents)), "incidents"),
    ]


def went_live(a: Account) -> list[str]:
    """The releases that held a lease, in the order in which they first did."""
    return list(dict.fromkeys(d.lease.release for _, d in a.history if d.lease))


def refused(a: Account) -> list[str]:
    """The releases that their gate did not let out: refused, invalid, or undecided."""
    return [d for d, v in a.gates.items() if v.ruling is not Ruling.PASS]


def caught(a: Account) -> list[str]:
    """The releases that passed their gate and were stopped on the way or later: known bad, or withdrawn."""
    bad = {d for d, state in a.deployment.states.items() if state in ("withdrawn", "rolled_back", "lapsed")}
    return [d for d in a.labels if d not in refused(a) and (d in bad or d in a.deployment.known_bad)]


def stopped(a: Account) -> list[str]:
    return [*refused(a), *caught(a)]


def _traffic(a: Account) -> str:
    live = [a.name(d) for d in went_live(a)]
    first = a.name(FALLBACK)
    took = f"{first} answered until {_list(live, 'then')} had shown on evidence that they may" if live else ""
    if len(live) == 1:
        took = f"{first} answered until {live[0]} had shown on evidence that it may"
    zone = ZoneInfo(a.timezone)
    begin, end = (at.astimezone(zone) for at in (a.since, a.until - timedelta(seconds=1)))
    said = f"From {begin:%-d %B %Y} to {end:%-d %B %Y} {a.capability} answered {a.events:,} questions"
    return f"{said}; {took}." if took else f"{said}, all of them by {first}."


def _stopped(a: Account) -> str:
    no, later = refused(a), caught(a)
    if not no and not later:
        return "No release had to be stopped."
    parts = []
    if no:
        parts.append(f"The gate did not let out {_list([a.name(d) for d in no])}")
    if later:
        opening = "what" if no else "What"
        parts.append(f"{opening} passed it and was caught on the way: {_list([a.name(d) for d in later])}")
    exposed = sum(a.served.get(d, 0) for d in stopped(a))
    cost = f"users got {exposed:,} answers from {'it' if len(stopped(a)) == 1 else 'them'}"
    return f"{'; '.join(parts)}; {cost}."


def _befell(a: Account) -> str:
    live = set(went_live(a))
    told = [t for t in a.told if t.release in live]
    trouble = [t for t in told if t.kind in ("grace", "lapsed", "held_live") or _fell(a, t)]
    if not trouble:
        return "No live release ever lost its lease."
    worst = trouble[0]
    more = f" ({len(trouble) - 1} more such day{'s' if len(trouble) > 2 else ''} below)" if len(trouble) > 1 else ""
    return f"On {_date(worst.at)} {worst.label} {_past(worst.plain)}{more}{_after(told, worst)}."


def _fell(a: Account, t: Told) -> bool:
    return t.kind == "rolled_back" and t.release in went_live(a)


def _after(told: Sequence[Told], worst: Told) -> str:
    later = [t for t in told if t.at > worst.at and t.release == worst.release]
    safe = next((t for t in later if t.kind == "safe_answer"), None)
    back = next((t for t in later if t.kind == "recovered"), None)
    if safe and back and safe.at < back.at:
        return f"; the fallback answered in its place from {_date(safe.at)}, and on {_date(back.at)} it came back by itself"
    if back:
        return f"; on {_date(back.at)} it had recovered by itself"
    return "; the fallback answers in its place" if safe else ""


def _list(names: Sequence[str], last: str = "") -> str:
    if len(names) < 2:
        return "".join(names)
    joint = f", {last} " if last else " and "
    return joint.join([", ".join(names[:-1]), names[-1]]) if not last else joint.join(names)


_PAST = {
    "can no longer be": "could no longer be",
    "no longer holds": "no longer held",
    "nobody on hand is better: it stays": "nobody on hand was better: it stayed",
    "taken out": "was taken out",
}


def _past(said: str) -> str:
    """The sentence of that day, told today."""
    for then, now in _PAST.items():
        said = said.replace(then, now)
    return said.rstrip(".")


def _date(at: datetime) -> str:
    return f"{at:%-d %B}"
