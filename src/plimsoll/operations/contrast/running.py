"""What two releases cost to run: latency, errors and money, from the events that they answered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from plimsoll.store import open_query

_SPEED = """
SELECT release, count(*), min(asked_at), max(asked_at), count(*) FILTER (WHERE served),
       quantile_cont(latency_ms, 0.5), quantile_cont(latency_ms, 0.95), quantile_cont(latency_ms, 0.99),
       avg(CASE WHEN coalesce(error, '') <> '' THEN 1.0 ELSE 0.0 END)
FROM answers WHERE release IN ({}) GROUP BY release
"""
_MONEY = "SELECT release, 1000 * avg(cost_usd) FROM events WHERE release IN ({}) GROUP BY release"
_NAMES = ("answers", "from", "to", "served", "latency_p50_ms", "latency_p95_ms", "latency_p99_ms", "error_rate")


def running(segments: Path, *releases: str) -> dict[str, dict[str, Any]]:
    """Release → its answers (served and beside) in numbers; a release that never answered is not there.

    Digests only: they go into the SQL as they are. Reads the whole log: seconds for tens of millions of answers.
    """
    if not segments.is_dir():
        return {}
    listed = ", ".join(f"'{release}'" for release in releases)
    with open_query(segments) as query:
        found = {row[0]: dict(zip(_NAMES, row[1:], strict=True)) for row in query.rows(_SPEED.format(listed))}
        for release, cost in query.rows(_MONEY.format(listed)):
            found[release]["cost_per_1k_usd"] = cost
    return found
