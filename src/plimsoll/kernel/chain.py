"""The ledger's chain: each line carries the digest of the one before, so that nothing can be changed unseen.

A chain alone shows a changed or missing middle. A cut tail, or a rewrite of everything, shows only against a
checkpoint kept elsewhere: (sequence, digest) signed with Ed25519 (RFC 8032). ``verify`` is given both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import msgspec

from plimsoll.kernel.digest import canonical, digest, digest_bytes

GENESIS = "0" * 64


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be written: a decision and everything it rested on. No personal data."""

    at: datetime
    capability: str
    kind: str  # "gate", "rollout", "lease", "override", "snapshot", …
    subject: str  # the release it is about, or ""
    summary: str  # one sentence for a person
    actor: str = "loop"
    body: dict[str, Any] = {}  # verdict, evidence, the deployment before and after


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A written entry: its place, the digest of the line before, and its own."""

    seq: int
    previous: str
    digest: str
    entry: Entry


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger's end was at a time, with a signature over it; kept outside the catalog."""

    seq: int
    digest: str
    at: datetime
    signature: str = ""

    def signed_bytes(self) -> bytes:
        return canonical({"seq": self.seq, "digest": self.digest, "at": self.at})


def link(previous: str, seq: int, entry: Entry) -> Line:
    """The line that follows ``previous``."""
    return Line(seq=seq, previous=previous, digest=line_digest(previous, seq, entry), entry=entry)


def line_digest(previous: str, seq: int, entry: Entry) -> str:
    return digest_bytes(f"{previous}:{seq}:{digest(entry)}".encode())


def faults(lines: Iterable[Line], checkpoints: Iterable[Checkpoint] = ()) -> Iterator[str]:
    """One sentence for each thing wrong with the chain; nothing when it is whole.

    The caller has already verified the checkpoints' signatures; here they are facts about (seq, digest).
    """
    previous, seq = GENESIS, 0
    seen: dict[int, str] = {}
    for line in lines:
        if line.seq != seq + 1:
            yield f"line {seq + 1} is missing: after {seq} comes {line.seq}"
        if line.previous != previous:
            yield f"line {line.seq} does not follow line {seq}: it names {line.previous[:12]}, which is not {previous[:12]}"
        if line_digest(line.previous, line.seq, line.entry) != line.digest:
            yield f"line {line.seq} was changed: its content does not have the digest {line.digest[:12]}"
        seen[line.seq] = line.digest
        previous, seq = line.digest, line.seq
    for mark in checkpoints:
        if mark.seq > seq:
            yield f"the tail was cut: a checkpoint of {mark.at:%Y-%m-%d %H:%M} saw line {mark.seq}, the ledger ends at {seq}"
        elif mark.seq and seen.get(mark.seq) != mark.digest:
            yield f"the ledger was rewritten: line {mark.seq} is not the one that the checkpoint of {mark.at:%Y-%m-%d %H:%M} saw"
