"""The tables of the online features in SQLite, and the statements that the answers wait for."""

from __future__ import annotations

from functools import lru_cache

CREATE = """
CREATE TABLE IF NOT EXISTS generations (
    gen INTEGER PRIMARY KEY AUTOINCREMENT, view TEXT NOT NULL, touched INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS views (
    view TEXT PRIMARY KEY, gen INTEGER NOT NULL, mark TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rows (
    gen INTEGER NOT NULL, entity TEXT NOT NULL, known_at INTEGER NOT NULL, packed BLOB NOT NULL,
    PRIMARY KEY (gen, entity)) WITHOUT ROWID;
"""
"""``generations`` has every generation that may have rows: the one that ``views`` names is served, one under a living
load is on its way, and any other is a leftover. Numbers are never used twice."""

_SERVED = "(SELECT gen FROM views WHERE view = ?1)"
GET = f"SELECT known_at, packed FROM rows WHERE gen = {_SERVED} AND entity = ?2"
ROWS = f"SELECT entity, known_at, packed FROM rows WHERE gen = {_SERVED}"
VIEWS = """SELECT view, mark, (SELECT count(*) FROM rows WHERE rows.gen = views.gen),
    (SELECT max(known_at) FROM rows WHERE rows.gen = views.gen) FROM views ORDER BY view"""
NEWER = """INSERT INTO rows (gen, entity, known_at, packed) VALUES (?, ?, ?, ?)
    ON CONFLICT (gen, entity) DO UPDATE SET known_at = excluded.known_at, packed = excluded.packed
    WHERE excluded.known_at >= rows.known_at"""
SET = "INSERT OR REPLACE INTO rows (gen, entity, known_at, packed) VALUES (?, ?, ?, ?)"
DROP_SOME = """DELETE FROM rows WHERE gen = ?1 AND entity IN (SELECT entity FROM rows WHERE gen = ?1 LIMIT ?2)"""
LEFTOVERS = "SELECT gen, view FROM generations WHERE gen NOT IN (SELECT gen FROM views)"

SIZES = (2, 4, 8, 12, 16, 24, 32, 48, 64, 80, 104, 128, 160, 208, 256)
"""Of the statements for several entities: each is compiled once and kept, so there must be few."""
MOST = SIZES[-1]
"""Entities in one statement. More are read by several, in one transaction."""


@lru_cache(maxsize=len(SIZES))
def many(size: int) -> str:
    """The statement for ``size`` entities (a NULL finds nothing), in their order. It takes half the time of ``size``
    lookups, each of which would begin and end a read transaction of its own."""
    asked = ", ".join(f"({i}, ?{i + 2})" for i in range(size))
    return (
        f"WITH asked (place, entity) AS (VALUES {asked}) SELECT rows.known_at, rows.packed FROM asked "
        f"LEFT JOIN rows ON rows.gen = {_SERVED} AND rows.entity = asked.entity ORDER BY asked.place"
    )
