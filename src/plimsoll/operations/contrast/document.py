"""Two releases side by side as one plain document: the same for the command, for machines and for a pull request."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from plimsoll.kernel.digest import short
from plimsoll.kernel.figure import figure, share
from plimsoll.kernel.ports import CatalogReader, Objects, ReleaseRow
from plimsoll.operations.contrast.parts import codes_of, parts_of
from plimsoll.operations.contrast.quality import alone, evidence_of, paired
from plimsoll.operations.contrast.running import running

RUNNING = (
    ("answers", "answers"),
    ("served", "of them shown"),
    ("latency_p50_ms", "latency p50, ms"),
    ("latency_p95_ms", "latency p95, ms"),
    ("latency_p99_ms", "latency p99, ms"),
    ("error_rate", "errors"),
    ("cost_per_1k_usd", "cost per 1,000, USD"),
)
_WAYS = {"direct": "paired row by row", "same": "the same blocks", "third": "both against"}


def contrast(
    catalog: CatalogReader, a: ReleaseRow, b: ReleaseRow, segments: Path, objects: Objects | None
) -> dict[str, Any]:
    """What changed from ``a`` to ``b``, and what that did. ``objects``: where the list of their code is kept, if it is."""
    parts = parts_of(a.manifest, b.manifest)
    if objects is not None:
        parts["code"] += codes_of(objects, a.manifest, b.manifest)
    of_a = evidence_of(catalog.ledger(subject=a.digest))
    of_b = evidence_of(catalog.ledger(subject=b.digest))
    ran = running(segments, a.digest, b.digest)
    return {
        "capability": a.capability,
        "a": _named(a),
        "b": _named(b),
        "parts": parts,
        "quality": paired(a.digest, of_a, b.digest, of_b),
        "alone": alone(of_a, of_b),
        "running": {"a": ran.get(a.digest), "b": ran.get(b.digest)},
    }


def _named(row: ReleaseRow) -> dict[str, Any]:
    name = f"{row.label} ({short(row.digest)})" if row.label else short(row.digest)
    return {"release": row.digest, "label": row.label, "name": name, "created_at": row.created_at}


class Table(NamedTuple):
    """Drawn on a screen, and as Markdown."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def tables(document: dict[str, Any]) -> list[Table]:
    """The document as tables for people; what has nothing to say is left out."""
    a, b = document["a"]["name"], document["b"]["name"]
    parts = [(part, *_change(c)) for part, changes in document["parts"].items() for c in changes]
    quality = [
        (q["metric"], "" if q["slice"] == "all" else q["slice"], _worse(q), q["says"], _rested(q))
        for q in document["quality"]
    ]
    own = [
        (m["metric"], "" if m["slice"] == "all" else m["slice"], _own(m["a"]), _own(m["b"])) for m in document["alone"]
    ]
    of_a, of_b = (document["running"][x] or {} for x in "ab")
    ran = [(said, _value(n, of_a.get(n)), _value(n, of_b.get(n))) for n, said in RUNNING if of_a or of_b]
    found = [
        Table("What changed", ("part", "where", a, b), parts),
        Table(f"Quality, paired: how much worse {b} is", ("metric", "slice", "worse by", "so it is", "on"), quality),
        Table("Quality, each by itself", ("metric", "slice", a, b), own),
        Table("Running", ("", a, b), ran),
    ]
    return [table for table in found if table.rows]


def _change(change: dict[str, Any]) -> tuple[str, str, str]:
    if "new" in change:
        gone, new = ([_short(x) for x in change[side]] for side in ("gone", "new"))
        before = [f"{'changed:' if x in new else '−'} {x}" for x in gone]
        after = [f"{'changed:' if x in gone else '+'} {x}" for x in new]
        return change["path"], ", ".join(before) or "–", ", ".join(after) or "–"
    return change["path"], _short(change["a"]), _short(change["b"])


def _short(value: Any) -> str:
    """A manifest's value in a few words: digests by their first digits, a column or view by its name."""
    if value is None:
        return "–"
    if isinstance(value, dict):
        return str(value.get("name") or value.get("view") or value)
    text = str(value)
    return short(text) if len(text) == 64 and set(text) <= set("0123456789abcdef") else text


def _worse(q: dict[str, Any]) -> str:
    beside = (q["low"], q["high"])
    return f"{figure(q['worse_by'], *beside)} [{figure(q['low'], *beside)}, {figure(q['high'], *beside)}]"


def _rested(q: dict[str, Any]) -> str:
    whom = f" {short(q['against'])}" if q["against"] else ""
    return f"{q['blocks']} blocks, {q['events']:,} events; {_WAYS[q['way']]}{whom}"


def _own(own: dict[str, Any] | None) -> str:
    return f"{figure(own['mean'])} ({own['blocks']} blocks from {own['from']})" if own else "–"


def _value(name: str, value: Any) -> str:
    if value is None:
        return "–"
    return share(value) if name == "error_rate" else f"{value:,}" if isinstance(value, int) else figure(value)
