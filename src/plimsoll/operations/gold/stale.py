"""Which of a release's verdicts rest on gold labels that have changed since. Read from the ledger alone."""

from __future__ import annotations

from typing import Any

from plimsoll.kernel.chain import Line
from plimsoll.kernel.digest import short
from plimsoll.kernel.manifest import Manifest
from plimsoll.kernel.ports import CatalogReader

KIND = "golden"
"""A line whose subject is a version of a golden set: its verdicts became stale (or are none any more)."""


def cases_of(manifest: Manifest) -> dict[str, str]:
    """Golden set → the digest of the snapshot that the release is judged on."""
    asked: dict[str, Any] = manifest.settings.get("suite", {})
    return {name: str(one["cases"]) for name, one in asked.items() if isinstance(one, dict)}


def newest_line(catalog: CatalogReader, capability: str, cases: str) -> Line | None:
    """What was last said about this version of a golden set; None while its labels have never changed."""
    lines = catalog.ledger(capability=capability, subject=cases, newest_first=True)
    return next((line for line in lines if line.entry.kind == KIND), None)


def is_stale(line: Line | None) -> bool:
    return line is not None and bool(line.entry.body["stale"])


def stale_sets(catalog: CatalogReader, capability: str, manifest: Manifest) -> list[dict[str, Any]]:
    """Each golden set on which this release's verdict is stale, with a sentence for people."""
    found: list[dict[str, Any]] = []
    for name, cases in cases_of(manifest).items():
        line = newest_line(catalog, capability, cases)
        if line is None or not is_stale(line):
            continue
        body = line.entry.body
        says = (
            f"its verdict on the golden set {name!r} ({short(cases)}) is stale: {body['changed']} of {body['of']} labels "
            f"have changed since (line {line.seq}); plimsoll release judges on the new ones"
        )
        found.append({"set": name, "cases": cases, "changed": body["changed"], "of": body["of"], "says": says})
    return found
