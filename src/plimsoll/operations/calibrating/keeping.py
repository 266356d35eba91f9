"""A calibration is a line of the ledger: it says what the gate was known to see when a release went out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from typing import Any

from plimsoll.capability import Capability
from plimsoll.evaluation import Calibration
from plimsoll.kernel.chain import Entry
from plimsoll.kernel.ports import Catalog, CatalogReader
from plimsoll.operations.calibrating.declared import declared
from plimsoll.operations.calibrating.page import COLUMNS, rows_of, sentences

KIND = "calibrated"
NEWEST_LINES = 500
"""Of the capability's ledger, among which the newest calibration is looked for."""


def keep(catalog: Catalog, document: Mapping[str, Any], at: datetime) -> None:
    """Write it down."""
    twins, mutants = document["twins"], document["mutants"]
    found = sum(m["found"] for m in mutants)
    summary = (
        f"the gate and the rollout are calibrated: {twins['false_rollbacks']} false rollbacks among {twins['tried']} A/A "
        f"releases, {found} of {len(mutants)} mutants caught"
    )
    entry = Entry(at=at, capability=document["capability"], kind=KIND, subject="", summary=summary, body=dict(document))
    catalog.append([entry])


def newest(catalog: CatalogReader, capability: Capability) -> dict[str, Any] | None:
    """The newest calibration of what is declared now; None where there is none, or something else was declared then."""
    for line in islice(catalog.ledger(capability=capability.name, newest_first=True), NEWEST_LINES):
        if line.entry.kind == KIND:
            body = dict(line.entry.body)
            return body if body.get("declared") == declared(capability) else None
    return None


def calibration_of(catalog: CatalogReader, capability: Capability) -> Calibration | None:
    """For a release's report."""
    found = newest(catalog, capability)
    return None if found is None else Calibration(says=sentences(found), columns=COLUMNS, rows=rows_of(found))
