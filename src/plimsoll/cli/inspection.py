"""What ``plimsoll check`` looks at, before anything is trained: declaration, rows, known times, and the rollout's power.

Nothing is kept: rows are read where they lie, and what is quarantined goes to a folder that is thrown away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plimsoll.capability import Capability, Source, Table
    from plimsoll.data import CheckResult, Contract
    from plimsoll.kernel.ports import Catalog


def inspected(capability: Capability, catalog: Catalog | None) -> dict[str, Any]:
    """Every finding as plain JSON; ``problems`` are those that would refuse a release. Raises UsageError for files
    and columns that are not there. ``catalog`` is where earlier gates left their evidence, if there is one."""
    from plimsoll.operations.intake import contract_of

    contracts = {t.name: contract_of(capability, t) for t in capability.sources}
    _check_columns(capability, contracts[capability.source.name])
    with TemporaryDirectory(prefix="plimsoll-check-") as scratch:
        results = checked_rows(capability, contracts, Path(scratch))
        tables = [_table(t, contracts[t.name], results[t.name]) for t in capability.sources]
        late = _late(capability, contracts[capability.source.name], results[capability.source.name].good)
    problems = [f"{t['name']}: {t['refused']}" for t in tables if t["refused"]]
    return {
        "capability": capability.name,
        "task": capability.task.kind,
        "features": _features(capability),
        "gate": [str(r) for r in capability.gate],
        "keep": [str(r) for r in capability.keep],
        "tables": tables,
        "known_late": late,
        "stages": _stages(capability, catalog),
        "problems": problems + [f"leakage: {sentence}" for sentence in late],
    }


def _check_columns(capability: Capability, contract: Contract) -> None:
    """Every column that the declaration names is declared by the contract of the questions."""
    s = capability.source
    requirements = (*capability.gate, *capability.keep, *capability.retrain)
    sliced = (*capability.slices, *(r.by for r in requirements if r.by))
    for name in (s.unit, s.asked_at, capability.task.label, s.sticky, s.arrives_at, s.block_column, *sliced):
        if name:
            contract.column(name)


def _features(capability: Capability) -> list[str]:
    from plimsoll.features import FeatureSchema

    return list(FeatureSchema.of(capability.features, bindings=capability.bindings).names)


def checked_rows(capability: Capability, contracts: Mapping[str, Contract], scratch: Path) -> dict[str, CheckResult]:
    """What each contract says of its rows. Relationships lead to the good rows of the tables before."""
    from plimsoll.data import check
    from plimsoll.operations.intake import rows_of

    found: dict[str, CheckResult] = {}
    for table in capability.sources:
        related = {name: list(result.good) for name, result in found.items()}
        rows = rows_of(capability, table)
        found[table.name] = check(contracts[table.name], rows, out_folder=scratch / table.name, related=related)
    return found


def _table(table: Table | Source, contract: Contract, result: CheckResult) -> dict[str, Any]:
    return {
        "name": table.name,
        "contract": table.contract,
        "rows": result.rows,
        "bad_rows": result.bad_rows,
        "tolerance": result.tolerance,
        "reasons": result.reasons,
        "undeclared": list(result.undeclared),
        "unenforced": list(contract.unenforced),
        "refused": result.refused,
    }


def _late(capability: Capability, contract: Contract, good: Sequence[Path]) -> list[str]:
    """One sentence for each feature column that was not known when its question was asked."""
    from plimsoll.data import unknown_at_question
    from plimsoll.features import FeatureSchema

    if not good:
        return []  # refused already, and said so
    schema = FeatureSchema.of(capability.features, bindings=capability.bindings)
    return [f.sentence for f in unknown_at_question(list(good), contract, capability.source.asked_at, schema.columns)]


def _stages(capability: Capability, catalog: Catalog | None) -> list[dict[str, Any]]:
    """Each stage with what it asks for and, once a gate has measured it, how many blocks that will take."""
    seen = _differences(catalog, capability.name) if catalog else {}
    found = []
    for stage in capability.stages:
        needs = {str(r): _blocks(capability, seen[r.metric], r.limit) for r in stage.requires if r.metric in seen}
        most = None if None in needs.values() else max((n for n in needs.values() if n), default=None)
        found.append(
            {
                "stage": stage.name,
                "blocks": stage.blocks,
                "deadline_blocks": stage.deadline_blocks if stage.kind != "live" else None,
                "requires": [str(r) for r in stage.requires],
                "planned_blocks": needs,
                "measured": bool(needs),
                "underpowered": bool(needs) and (most is None or most > stage.deadline_blocks),
            }
        )
    return found


def _blocks(capability: Capability, seen: Sequence[float], margin: float) -> int | None:
    from plimsoll.stats.planner import POWER, blocks_needed

    policy = capability.policy
    return blocks_needed(
        sd=stdev(seen),
        effect=fmean(seen),
        margin=margin,
        alpha=policy.alpha,
        power=POWER,
        planned=policy.planned_blocks,
    )


def _differences(catalog: Catalog, capability: str) -> dict[str, list[float]]:
    """The newest gate's paired differences against its champion, block by block: metric → means, positive is worse."""
    newest: Sequence[Mapping[str, Any]] = ()
    for line in catalog.ledger(capability=capability):
        if line.entry.kind == "gate":
            newest = line.entry.body.get("evidence", ())
    found: dict[str, list[float]] = {}
    for evidence in newest:
        requirement, means = evidence["requirement"], [float(block[2]) for block in evidence.get("blocks", ())]
        if requirement.get("than") == "champion" and evidence.get("slice", "all") == "all" and len(means) > 1:
            found[requirement["metric"]] = means
    return found
