"""Recorded answers as columns: one release's, or two releases' to the same questions, with what turned out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from plimsoll.data.rows import literal
from plimsoll.kernel.manifest import Manifest
from plimsoll.store import open_query

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """Questions in order of asking. ``scores`` (n,) or (n, classes); ``others`` another release's answers to the same, or
    None; ``labels`` NaN where nothing has turned out."""

    ids: Sequence[str]
    units: Sequence[str]
    blocks: NDArray[Any]
    asked_at: Sequence[datetime]
    scores: Floats
    others: Floats | None
    labels: Floats

    def __len__(self) -> int:
        return len(self.ids)


def task_of(manifest: Manifest) -> str:
    """What a release answers with: binary, multiclass or regression."""
    return str(manifest.settings.get("task", {}).get("kind", "binary"))


Pick = Literal["all", "worst", "sample"]
KEPT = 200
"""Rows of a pick, unless told otherwise."""


def answered(
    segments: Path,
    capability: str,
    release: str,
    against: str = "",
    since: datetime | None = None,
    *,
    pick: Pick = "all",
    most: int = KEPT,
) -> Answered:
    """What ``release`` said, shown or beside, to each recorded question; with ``against``, only where both answered. The
    first outcome of a question counts. ``pick``: all of them, or ``most`` of them: those on which the two part furthest, or a
    random sample, by a hash of the event's id. Reads the log: a second for some hundred thousand answers."""
    pair = (
        f"JOIN answers b ON b.id = a.id AND b.release = {literal(against)} AND coalesce(b.error, '') = ''"
        if against
        else ""
    )
    other = "b.score AS b_score, b.scores AS b_scores" if against else "NULL AS b_score, NULL AS b_scores"
    sql = f"""
        WITH found AS (
            SELECT a.id, a.unit, a.block, a.asked_at, a.score, a.scores, {other}, o.label
            FROM answers a JOIN events e ON e.id = a.id {pair}
            LEFT JOIN (SELECT id, arg_min(label, known_at) AS label FROM outcomes GROUP BY id) o ON o.id = a.id
            WHERE a.release = {literal(release)} AND e.capability = {literal(capability)}
            AND coalesce(a.error, '') = '' AND (a.score IS NOT NULL OR a.scores IS NOT NULL)
        ), picked AS (SELECT * FROM found {_PICKED[pick].format(most=most)})
        SELECT * FROM picked ORDER BY asked_at, id"""
    with open_query(segments, since=since) as query:
        rows = list(query.rows(sql))
    columns = list(zip(*rows, strict=True)) if rows else [()] * 9
    return Answered(
        ids=columns[0],
        units=columns[1],
        blocks=np.array(columns[2], dtype=object),
        asked_at=columns[3],
        scores=_scores(columns[4], columns[5]),
        others=_scores(columns[6], columns[7]) if against else None,
        labels=np.array([np.nan if v is None else v for v in columns[8]], dtype=np.float64),
    )


_MANY = "len(scores) > 0"
_SAME = (
    f"CASE WHEN {_MANY} THEN list_position(scores, list_max(scores)) = list_position(b_scores, list_max(b_scores)) "
    "ELSE (score >= 0.5) = (b_score >= 0.5) END"
)
_APART = (
    f"CASE WHEN {_MANY} THEN 0.5 * list_sum(list_transform(range(len(scores)), i -> abs(scores[i + 1] - b_scores[i + 1]))) "
    "ELSE abs(score - b_score) END"
)
_PICKED: dict[Pick, str] = {
    "all": "",
    "worst": f"ORDER BY {_SAME}, {_APART} DESC, id LIMIT {{most}}",
    "sample": "ORDER BY md5(id) LIMIT {most}",
}
"""As ``stats.disagreement.worst`` ranks, and ``disagreement.collected`` draws."""


def _scores(single: Sequence[Any], many: Sequence[Any]) -> Floats:
    """Of one kind: a capability answers with one number, or with one for each class."""
    if any(v for v in many):
        return np.array([list(v) for v in many], dtype=np.float64)
    return np.array(list(single), dtype=np.float64)
