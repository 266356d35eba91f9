"""How ``fallback.json`` was made: ``python make_fallback.py``, in this folder. It is not made again by itself.

The late rate of each carrier and scheduled hour among the questions of 1–17 January, drawn towards the hour's rate
as if 200 more flights had had that, and the hour's towards the overall rate in the same way.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from data import prepare

FIRST, LAST = "2013-01-01", "2013-01-17"
PRIOR_FLIGHTS = 200

RATES = """
WITH asked AS (
  SELECT carrier, hour(sched_dep_local) AS hour, late FROM '{flights}'
  WHERE late IS NOT NULL AND timezone('America/New_York', ask_time)::DATE BETWEEN '{first}' AND '{last}'
), carriers AS (
  SELECT DISTINCT carrier FROM asked UNION ALL SELECT NULL  -- any other
), hours AS (
  SELECT unnest(range(24)) AS hour
), overall AS (
  SELECT avg(late) AS rate FROM asked
), by_hour AS (
  SELECT hour, (coalesce(sum(late), 0) + {prior} * any_value(rate)) / (count(late) + {prior}) AS rate
  FROM hours CROSS JOIN overall LEFT JOIN asked USING (hour) GROUP BY hour
)
SELECT c.carrier, h.hour, round((coalesce(sum(late), 0) + {prior} * any_value(h.rate)) / (count(late) + {prior}), 6)
FROM carriers c CROSS JOIN by_hour h LEFT JOIN asked a ON a.carrier = c.carrier AND a.hour = h.hour
GROUP BY c.carrier, h.hour ORDER BY c.carrier NULLS LAST, h.hour
"""


def table(flights: Path) -> dict[str, Any]:
    """For each carrier, and for any other, the rate at each hour of the day."""
    import duckdb

    query = RATES.format(flights=flights, first=FIRST, last=LAST, prior=PRIOR_FLIGHTS)
    with duckdb.connect() as db:
        db.execute("SET threads = 1; SET TimeZone = 'UTC'")
        rows = db.execute(query).fetchall()
    rates: dict[str | None, list[float]] = {}
    for carrier, _, rate in rows:
        rates.setdefault(carrier, []).append(rate)
    return {"trained_on": [FIRST, LAST], "any_other": rates.pop(None), "carriers": rates}


def text(made: dict[str, Any]) -> str:
    """As JSON with a line for each carrier, so that a person can read it."""
    lines = [f'  "{carrier}": {rates}' for carrier, rates in made["carriers"].items()]
    head = f'{{\n "trained_on": ["{FIRST}", "{LAST}"],\n "any_other": {made["any_other"]},\n "carriers": {{\n'
    return head + ",\n".join(lines) + "\n }\n}\n"


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        made = table(prepare(Path(folder)).flights)
    Path(__file__).with_name("fallback.json").write_text(text(made), encoding="utf-8")
