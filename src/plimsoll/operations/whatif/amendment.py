"""What is changed about the past: a policy's numbers, the limits of requirements, the blocks that stages ask for."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from plimsoll.errors import UsageError, nearest
from plimsoll.kernel.verdict import Evidence, Policy

SECTIONS = ("policy", "limits", "stages")
STAGES = ("shadow", "canary")


class Amendment(msgspec.Struct, frozen=True, kw_only=True):
    """Only what differs. ``policy``: fields of ``Policy``. ``limits``: a requirement, as it is written, → its limit or
    margin. ``stages``: ``shadow`` or ``canary`` → the blocks that it asks for."""

    policy: dict[str, float] = {}
    limits: dict[str, float] = {}
    stages: dict[str, int] = {}

    def of_policy(self, policy: Policy) -> Policy:
        return msgspec.structs.replace(policy, **self.policy)

    def of_evidence(self, e: Evidence) -> Evidence:
        limit = self.limits.get(str(e.requirement))
        if limit is None:
            return e
        return msgspec.structs.replace(e, requirement=msgspec.structs.replace(e.requirement, limit=limit))

    def blocks(self, e: Evidence | None, asked: int) -> int:
        """What a stage that asked for ``asked`` blocks asks for; nothing where it asked for nothing."""
        return self.stages.get(e.source, asked) if e is not None and asked else asked


def read_amendment(path: Path, requirements: Iterable[str]) -> Amendment:
    """The amendment in a TOML file. ``requirements``: those that the ledger knows. Raises UsageError for an unknown
    section, key or requirement, with the nearest right one, and for a number that promises nothing."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"--policy {path}: there is no such file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"--policy {path} is no TOML: {error}") from error
    _known(path, "", found, SECTIONS)
    fields = {f.name: f.type for f in msgspec.structs.fields(Policy)}
    policy, limits, stages = ({**found.get(section, {})} for section in SECTIONS)
    _known(path, "policy.", policy, fields)
    _known(path, "limits.", limits, sorted(set(requirements)))
    _known(path, "stages.", stages, STAGES)
    try:
        msgspec.convert(policy, dict[str, float])
        made = msgspec.convert({"policy": policy, "limits": limits, "stages": stages}, Amendment)
        changed = msgspec.convert(msgspec.to_builtins(Policy()) | policy, Policy)
    except msgspec.ValidationError as error:
        raise UsageError(
            f"--policy {path}: {error}", hint="every value is a number; counts of blocks are whole"
        ) from error
    _check(path, changed, made)
    return made


def _known(path: Path, prefix: str, given: Mapping[str, Any], known: Iterable[str]) -> None:
    for name in given:
        if name not in known:
            raise UsageError(f"--policy {path}: there is no {prefix}{name}", hint=nearest(name, known))


def _check(path: Path, p: Policy, made: Amendment) -> None:
    wrong = {
        "alpha lies between 0 and 0.5": not 0 < p.alpha < 0.5,
        "run_length_blocks is above 1": not p.run_length_blocks > 1,
        "planned_blocks is 2 or more": p.planned_blocks < 2,
        "looks_per_block is at least 1": p.looks_per_block < 1,
        "start_blocks and min_gate_blocks are at least 2": min(p.start_blocks, p.min_gate_blocks) < 2,
        "max_missing_share lies from 0 to below 1": not 0 <= p.max_missing_share < 1,
        "a stage asks for at least 1 block": any(n < 1 for n in made.stages.values()),
        "the file changes nothing": made == Amendment(),
    }
    for why in (why for why, is_wrong in wrong.items() if is_wrong):
        raise UsageError(f"--policy {path}: {why}")
