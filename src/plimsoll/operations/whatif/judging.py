"""Every past verdict judged again, under the policy of then and under another: both by this kernel, so that what differs
is the policy's doing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

import msgspec

from plimsoll.kernel.case import carry_key
from plimsoll.kernel.chain import Line
from plimsoll.kernel.replay import has_verdict, replay
from plimsoll.kernel.verdict import Evidence, Finding, Ruling, Verdict, judge
from plimsoll.operations.whatif.amendment import Amendment


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """One decision. ``then`` and ``now``: the rulings under the two policies; ``changed``: the findings that differ.
    ``enough``: the blocks that its stage asked for are there, under the other policy."""

    seq: int
    at: datetime
    kind: str
    release: str
    source: str
    then: Ruling
    now: Ruling
    changed: tuple[tuple[str, str, str, str], ...]  # requirement, slice, ruling then, ruling now
    enough: bool
    summary: str


def judged(lines: Iterable[Line], amendment: Amendment) -> Iterator[Judged]:
    """One for each line with a verdict, in order. What can no longer be judged (an unknown metric) is left out.

    A lease's detectors are carried on from line to line under the other policy too, and begin where they began then.
    """
    carried: dict[tuple[str, str], tuple[float, ...]] = {}
    for line in lines:
        if not has_verdict(line.entry.body):
            continue
        old = replay(line.entry.body)
        if old.again is None:
            continue
        given = tuple(_carried(amendment.of_evidence(e), e, carried) for e in old.evidence)
        first = given[0] if given else None
        new = judge(
            given,
            amendment.of_policy(old.then.policy),
            old.then.at,
            minimum_blocks=amendment.blocks(first, old.then.minimum_blocks),
            requirements=old.then.requirements,
        )
        if line.entry.kind in ("renewed", "look"):
            for e, f in zip(old.evidence, new.findings, strict=True):
                if f.state:
                    carried[e.release, carry_key(e)] = f.state
        yield _one(line, old.again, new, first, amendment)


def _carried(amended: Evidence, e: Evidence, carried: dict[tuple[str, str], tuple[float, ...]]) -> Evidence:
    if e.source != "live" or not e.carry:
        return amended
    return msgspec.structs.replace(amended, carry=carried.get((e.release, carry_key(e)), e.carry))


def _one(line: Line, then: Verdict, now: Verdict, first: Evidence | None, amendment: Amendment) -> Judged:
    pairs: list[tuple[Finding, Finding]] = list(zip(then.findings, now.findings, strict=True))
    rollout = (line.entry.body.get("deployment") or {}).get("rollout") or {}
    asked = amendment.blocks(first, then.minimum_blocks)
    return Judged(
        seq=line.seq,
        at=line.entry.at,
        kind=line.entry.kind,
        release=line.entry.subject,
        source=first.source if first else "",
        then=then.ruling,
        now=now.ruling,
        changed=tuple((a.requirement, a.slice, a.ruling, b.ruling) for a, b in pairs if a.ruling is not b.ruling),
        enough=line.entry.kind != "look" or int(rollout.get("looked") or 0) >= asked,
        summary=line.entry.summary,
    )
