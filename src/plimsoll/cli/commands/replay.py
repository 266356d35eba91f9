"""``plimsoll replay``: past verdicts judged again from what the ledger keeps, and compared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from plimsoll.cli.options import Options, Shared

if TYPE_CHECKING:
    from rich.console import Console

    from plimsoll.kernel.chain import Line
    from plimsoll.kernel.ports import CatalogReader

FEWEST_DIGITS = 6
SHOWN = 8
"""Differences of one verdict that are drawn; --json has them all."""


def replay(
    decision: Annotated[
        str | None, Parameter(help="A ledger line's number or digest (see: plimsoll log); default: every verdict.")
    ] = None,
    *,
    capability: Annotated[str | None, Parameter(help="Only this capability's verdicts.")] = None,
    shared: Shared = Options(),  # noqa: B008 - frozen
) -> int:
    """Judge a past verdict again from its evidence and policy in the ledger, and say whether it is the same.

    A verdict of another kernel version is shown with what that version changed. Exit code 1: another version rules
    otherwise; 4: the same version does, or gives other numbers.

    Example: plimsoll replay 12
    """
    from plimsoll.cli.reading import look

    with look(shared.settings()) as catalog:
        lines = _verdicts(catalog, capability) if decision is None else [_line(catalog, decision)]
        found = [_replayed(line) | {"stale": _stale(catalog, line)} for line in lines]
    shared.answer({"verdicts": found, "same": all(one["same"] for one in found)}, _page)
    if any(one["broken"] for one in found):
        return 4
    return 1 if any(one["rules_otherwise"] for one in found) else 0


def _verdicts(catalog: CatalogReader, capability: str | None) -> Iterator[Line]:
    from plimsoll.cli.reading import capabilities_of
    from plimsoll.kernel.replay import has_verdict

    if capability is not None:
        capabilities_of(catalog, capability)
    return (line for line in catalog.ledger(capability=capability) if has_verdict(line.entry.body))


def _line(catalog: CatalogReader, decision: str) -> Line:
    """The line that was meant. Raises UsageError where there is none, or where it holds no verdict."""
    from plimsoll.errors import UsageError
    from plimsoll.kernel.replay import has_verdict

    head, _ = catalog.ledger_head()
    seqs = [line.seq for line in catalog.ledger(bodies=False) if _means(line, decision)]
    if len(seqs) != 1:
        many = f"{len(seqs)} lines" if seqs else "no line"
        raise UsageError(
            f"{decision!r} names {many} of this ledger, which has {head}",
            hint="give a line's number, or enough of its digest: plimsoll log",
        )
    line = next(iter(catalog.ledger(after=seqs[0] - 1)))
    if not has_verdict(line.entry.body):
        raise UsageError(
            f"line {line.seq} ({line.entry.kind}) rests on no verdict: there is nothing to judge again",
            hint="the lines of gates, looks, renewals and rollbacks hold one: plimsoll log",
        )
    return line


def _means(line: Line, decision: str) -> bool:
    if decision.isdecimal() and len(decision) < FEWEST_DIGITS:
        return line.seq == int(decision)
    return line.seq == (int(decision) if decision.isdecimal() else 0) or line.digest.startswith(decision)


def _replayed(line: Line) -> dict[str, Any]:
    import msgspec

    from plimsoll.kernel.replay import replay as again
    from plimsoll.kernel.verdict import KERNEL_VERSION

    found = again(line.entry.body)
    now = found.again.ruling.value if found.again else None
    return {
        "seq": line.seq,
        "digest": line.digest,
        "at": line.entry.at,
        "kind": line.entry.kind,
        "capability": line.entry.capability,
        "subject": line.entry.subject,
        "summary": line.entry.summary,
        "kernel_version": {"then": found.then.kernel_version, "now": KERNEL_VERSION},
        "ruling": {"then": found.then.ruling.value, "now": now},
        "findings": len(found.then.findings),
        "same": found.same,
        "broken": found.broken,
        "rules_otherwise": now != found.then.ruling.value,
        "problem": found.problem,
        "differences": msgspec.to_builtins(found.differences),
    }


def _stale(catalog: CatalogReader, line: Line) -> list[dict[str, Any]]:
    """Of a gate's verdict: the golden sets whose labels have changed since. It is the same verdict, on older labels."""
    from plimsoll.operations.gold.stale import stale_sets

    if line.entry.kind != "gate":
        return []
    row = catalog.release(line.entry.capability, line.entry.subject)
    return stale_sets(catalog, row.capability, row.manifest)


def _page(console: Console, document: dict[str, Any]) -> None:
    from plimsoll.cli.page import coloured, escaped, heading, when

    verdicts = document["verdicts"]
    shown = verdicts if len(verdicts) == 1 else [one for one in verdicts if not one["same"] or one["stale"]]
    for one in shown:
        heading(console, f"line {one['seq']}  {when(one['at'])}  {one['kind']}")
        console.print(escaped(one["summary"]), soft_wrap=True)
        console.print(
            f"ruled {coloured(one['ruling']['then'])} then, {coloured(one['ruling']['now'] or 'nothing')} now"
        )
        console.print(escaped(_sentence(one)), soft_wrap=True)
        for stale in one["stale"]:
            console.print(escaped(stale["says"]), soft_wrap=True)
        telling = [d for d in one["differences"] if d["what"] != "reason"] or one["differences"]
        for difference in telling[:SHOWN]:
            console.print(f"  {escaped(_difference(difference))}", soft_wrap=True)
        if len(telling) > SHOWN:
            console.print(f"  and {len(telling) - SHOWN} more: --json")
    if len(verdicts) != 1:
        same = sum(one["same"] for one in verdicts)
        console.print(f"{same:,} of {len(verdicts):,} verdicts judged again are the same")


def _sentence(one: dict[str, Any]) -> str:
    then, now = one["kernel_version"]["then"], one["kernel_version"]["now"]
    if one["problem"]:
        return f"it cannot be judged again: {one['problem']}"
    if one["same"]:
        return f"the same: {one['findings']} findings, every number"
    if one["broken"]:
        return f"not the same, though kernel {now} judged it: the line was changed, or this Plimsoll is broken"
    return f"kernel {then} judged it, this is kernel {now}; what the versions see differently:"


def _difference(difference: dict[str, Any]) -> str:
    return f"{difference['where']}: {difference['what']} {_value(difference['then'])}, now {_value(difference['now'])}"


def _value(value: Any) -> str:
    from plimsoll.kernel.figure import figure

    return figure(value) if isinstance(value, float) or value is None else str(value)
