"""Pushed batches become part of a snapshot: few files instead of many, the same rows.

Files that folds made are merged as they become equal in size, so that a dataset of any age has a number of them that
grows with the logarithm of its rows. Older versions keep the files that they name.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from plimsoll.data import Snapshots, canonical
from plimsoll.data.rows import connection, first_line, literal, opened_typed, quoted, written
from plimsoll.data.snapshot import COLUMNS
from plimsoll.errors import Conflict, UsageError
from plimsoll.kernel.ports import Catalog, FeedState, Objects, SnapshotRow

FOLD_AT = 64
"""Batches of a feed at which they are folded: each is a file that every compilation opens."""
TAIL, FOLDED, PUSHED = "tail", "folded", "pushed"
"""Keys of a version's note: the files that folds made, with their rows; what was folded into which version; and whether
any row was ever pushed."""
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class Typed(NamedTuple):
    """Rows in canonical form, in the types of their dataset."""

    data: bytes
    rows: int


def fold(objects: Objects, catalog: Catalog, dataset: str, *, at: datetime, folder: Path) -> SnapshotRow | None:
    """The newest version of ``dataset``, with everything in it that was pushed before this call; None if there is none.

    Somebody else may fold at the same time: then the version is theirs.
    """
    state = catalog.feeds.state(dataset)
    if not state.batches:
        return state.snapshot
    note: dict[str, Any] = dict(state.snapshot.note) if state.snapshot else {"until": NEVER.isoformat(), "rows": ""}
    tail = [(str(file), int(rows)) for file, rows in note.get(TAIL, [])]
    parts = [(batch.file, batch.rows) for batch in state.batches]
    while tail and tail[-1][1] <= 2 * sum(rows for _, rows in parts):
        parts.insert(0, tail.pop())
    merged = canonical(Snapshots(objects, catalog).files([file for file, _ in parts], folder / "snapshots"))
    file = objects.put(merged.data)
    gone = {file for file, _ in parts}
    files = [f for f in (state.snapshot.files if state.snapshot else ()) if f not in gone]
    before = state.snapshot.digest if state.snapshot else ""
    note |= {
        COLUMNS: merged.columns,
        PUSHED: True,
        TAIL: [*tail, (file, merged.rows)],
        FOLDED: {"from": before, "seq": state.batches[-1].seq},
    }
    try:
        return catalog.feeds.fold(
            dataset,
            [*files, file],
            (state.snapshot.rows if state.snapshot else 0) + sum(batch.rows for batch in state.batches),
            until_seq=state.batches[-1].seq,
            at=at,
            note=note,
            expected_version=state.snapshot.version if state.snapshot else 0,
        )
    except Conflict:
        return catalog.snapshot(dataset)


def typed(rows: Sequence[Path], state: FeedState, known: Sequence[Path], key: Sequence[str], scratch: Path) -> Typed:
    """``rows`` in the types that the dataset has, without those whose ``key`` one of ``known`` has.

    Raises UsageError where a value does not fit.
    """
    import duckdb

    wanted = dict(state.snapshot.note.get(COLUMNS, {})) if state.snapshot else {}
    target = scratch / "new.parquet"
    with connection(threads=1) as db:
        source = opened_typed(db, "good", rows)
        chosen = ", ".join(
            f"CAST({quoted(c)} AS {wanted[c]}) AS {quoted(c)}" if c in wanted else quoted(c) for c in source.types
        )
        select = f"SELECT _row, {chosen} FROM {source.relation}"
        if key and known:
            there = f"read_parquet([{', '.join(literal(str(path)) for path in known)}], union_by_name=true)"
            same = " AND ".join(f"known.{quoted(c)} = new.{quoted(c)}" for c in key)
            select = f"SELECT * FROM ({select}) AS new WHERE NOT EXISTS (SELECT 1 FROM {there} AS known WHERE {same})"
        try:
            count = written(db, f"SELECT * EXCLUDE (_row) FROM ({select}) ORDER BY _row", target)
        except duckdb.Error as error:
            raise UsageError(f"the rows do not fit the dataset: {first_line(error)}") from error
    return Typed(canonical(target).data, count) if count else Typed(b"", 0)
