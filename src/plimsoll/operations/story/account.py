"""What a rehearsal left behind, as plain data: what its document and its page are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from plimsoll.kernel.chain import Line
from plimsoll.kernel.ports import IncidentRow
from plimsoll.kernel.requirement import at_most
from plimsoll.kernel.rollout import Deployment
from plimsoll.kernel.verdict import Count, Verdict
from plimsoll.operations.closed import ClosedBlock
from plimsoll.operations.story.wording import NameOf, names_of, plainly

if TYPE_CHECKING:
    from plimsoll.operations.rehearsing import Stage
    from plimsoll.operations.story.document import Story

_EVER = "9999"


@dataclass(frozen=True, slots=True)
class Told:
    """One line of the story: something that the loop, the gate or the team did.

    ``text`` is the ledger's sentence, ``plain`` the same for a stranger, ``ledger_seq`` its line in the ledger; 0 where
    it changed nothing and so has none (a manifest that was there already).
    """

    at: datetime
    kind: str
    release: str
    label: str
    text: str
    plain: str = ""
    ruling: str = ""
    ledger_seq: int = 0


@dataclass(frozen=True, kw_only=True)
class Account:
    """A rehearsal that is over. ``served``: release → answers of its own that users got; ``hourly`` the same for each
    hour (UTC, ``2013-02-01T05``). ``labels``: digest → label, in the order of shipping."""

    capability: str
    timezone: str
    task: str
    unit: str  # what a block is called
    notes: Mapping[str, str]
    seed: int
    since: datetime
    until: datetime
    events: int
    outcomes: int
    wall_s: float
    labels: Mapping[str, str]
    gates: Mapping[str, Verdict]
    told: Sequence[Told]
    lines: Sequence[Line]
    deployment: Deployment
    incidents: Sequence[IncidentRow]
    blocks: Sequence[ClosedBlock]
    tainted: frozenset[tuple[str, str]]
    served: Mapping[str, int]
    hourly: Mapping[str, Sequence[Count]]
    head: tuple[int, str]

    @cached_property
    def name(self) -> NameOf:
        return names_of(self.labels)

    @cached_property
    def history(self) -> tuple[tuple[Line, Deployment], ...]:
        """The ledger's decisions with the deployment as each left it, in order."""
        with_one = [line for line in self.lines if line.entry.body.get("deployment")]
        return tuple((line, msgspec.convert(line.entry.body["deployment"], Deployment)) for line in with_one)


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """A release's time in one stage. ``until`` is None while it lasts; ``reason`` is why it ended."""

    stage: str
    since: datetime
    until: datetime | None
    blocks: int
    ruling: str
    reason: str


def account_of(stage: Stage, story: Story) -> Account:
    """The account of a stage whose play is over."""
    name, catalog, tally = stage.capability.name, stage.yard.catalog, stage.loop.tally
    lines = list(catalog.ledger(capability=name))
    return Account(
        capability=name,
        timezone=stage.capability.source.timezone,
        task=stage.capability.task.measured_as,
        unit=unit_of(stage.capability.source.block),
        notes=stage.plan.notes,
        seed=stage.seed,
        since=stage.plan.start,
        until=story.until,
        events=story.events,
        outcomes=story.outcomes,
        wall_s=story.wall_s,
        labels={s.release: s.label for s in story.shipped},
        gates={s.release: s.verdict for s in story.shipped if s.verdict},
        told=numbered(story.told, lines),
        lines=lines,
        deployment=catalog.deployment(name),
        incidents=catalog.incidents(name),
        blocks=tally.closed,
        tainted=frozenset(tally.tainted),
        served=dict(tally.served),
        hourly={r: tally.counts(at_most("fallback_rate", 0.5), r, after="", until=_EVER) for r in tally.served},
        head=catalog.ledger_head(),
    )


def unit_of(block: str) -> str:
    """What to call a block in a sentence."""
    return block if block in ("day", "hour") else "block"


def numbered(told: Sequence[Told], lines: Sequence[Line]) -> list[Told]:
    """What was told, each with the number of its line in the ledger. Both are in order of happening."""
    coming = iter(lines)
    found = []
    for t in told:
        seq = 0
        if t.kind != "unchanged":
            seq = next((x.seq for x in coming if (x.entry.at, x.entry.summary) == (t.at, t.text)), 0)
        found.append(replace(t, ledger_seq=seq))
    return found


def passages(a: Account, digest: str) -> list[Passage]:
    """Where a release was, from stage to stage, as the ledger has it."""
    found: list[Passage] = []
    for line, d in a.history:
        place = _place(d, digest)
        open_one = found[-1] if found and found[-1].until is None else None
        if open_one and open_one.stage == place:
            continue
        if open_one:
            found[-1] = _ended(a, open_one, line, d, digest)
        if place:
            found.append(Passage(stage=place, since=line.entry.at, until=None, blocks=0, ruling="", reason=""))
    if found and found[-1].until is None:
        found[-1] = msgspec.structs.replace(found[-1], blocks=_blocks(a, found[-1].since, a.until))
    return found


def _place(d: Deployment, digest: str) -> str:
    r = d.rollout
    if r is not None and r.release == digest:
        return f"held in {r.current.name}" if r.held_by else r.current.name
    return "live" if d.lease is not None and d.lease.release == digest else ""


def _ended(a: Account, p: Passage, line: Line, d: Deployment, digest: str) -> Passage:
    entry, mine = line.entry, line.entry.subject == digest
    verdict = verdict_of(entry.body) if mine else None
    return msgspec.structs.replace(
        p,
        until=entry.at,
        blocks=_blocks(a, p.since, entry.at),
        ruling=verdict.ruling.value if verdict else "",
        reason=(
            plainly(entry.kind, digest, entry.summary, verdict, d, name=a.name, unit=a.unit)
            if mine
            else f"{a.name(entry.subject)} took over"
        ),
    )


def _blocks(a: Account, since: datetime, until: datetime) -> int:
    """Blocks that began and closed within."""
    return sum(since <= b.first_at and b.first_at < until for b in a.blocks)


def verdict_of(body: Mapping[str, Any]) -> Verdict | None:
    """The verdict in a ledger line's body."""
    return msgspec.convert(body["verdict"], Verdict) if body.get("verdict") else None
