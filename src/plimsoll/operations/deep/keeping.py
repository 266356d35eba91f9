"""What was found is kept as objects, by part; a line of the ledger says which, and the release's report shows it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from plimsoll.evaluation.deep.document import FORMAT, PARTS, Deep, joined
from plimsoll.evaluation.deep.page import with_section
from plimsoll.kernel.chain import Entry
from plimsoll.kernel.ports import Catalog, CatalogReader, Objects, ReleaseRow

KIND = "evaluated"


def keep(catalog: Catalog, objects: Objects, row: ReleaseRow, found: Mapping[str, Deep], at: datetime) -> Deep:
    """Keep each part of ``found``, and show everything that is known of the release in its report. What is kept already
    changes nothing. Returns everything that is known."""
    before = parts_of(catalog, row)
    made = {name: objects.put(msgspec.json.encode(part)) for name, part in found.items() if not part.skipped}
    new = {name: digest for name, digest in made.items() if before.get(name) != digest}
    known = everything(objects, {**before, **made})
    skipped = {name: why for part in found.values() for name, why in part.skipped.items()}
    known = msgspec.structs.replace(known, skipped=skipped)
    if new:
        summary = f"{row.label} is evaluated: {', '.join(name for name in PARTS if name in new)}"
        entry = Entry(
            at=at,
            capability=row.capability,
            kind=KIND,
            subject=row.digest,
            summary=summary,
            body={KIND: new, "format": FORMAT},
        )
        catalog.append([entry])
    if row.report and known.made:
        page = with_section(objects.get(row.report), known)
        catalog.set_gate(row.digest, row.gate, objects.put(page))
    return known


def parts_of(catalog: CatalogReader, row: ReleaseRow) -> dict[str, str]:
    """Part → the digest of the newest that was found of it, as far as this Plimsoll can read it."""
    lines = catalog.ledger(subject=row.digest, bodies=False)  # a live release has thousands, whose bodies are heavy
    found: dict[str, str] = {}
    for seq in [line.seq for line in lines if line.entry.kind == KIND]:
        body = next(catalog.ledger(after=seq - 1, subject=row.digest)).entry.body
        found |= body[KIND] if body.get("format") == FORMAT else {}
    return found


def everything(objects: Objects, parts: Mapping[str, str]) -> Deep:
    """The kept parts as one; those of a release that does not come back may have been collected."""
    kept = [objects.get(parts[name]) for name in PARTS if name in parts and objects.has(parts[name])]
    return joined([msgspec.json.decode(part, type=Deep) for part in kept])
