"""Windows whose state changes only at moments that are known beforehand to matter: an event, or a local midnight.

A window that slides with the clock changes all the time, so no row could say what it is. These change when an event
becomes known, and at the midnights at which a day is closed, opened or falls out; each such moment is a row of the
timeline, and between two rows nothing happens. Online is then the last row, exactly.

For the last event of an entity no window is needed: select entity, known_at and the values; its last row is it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from plimsoll.features.localtime import local_time, utc, utc_time

if TYPE_CHECKING:
    from ibis.expr.types import Table  # type: ignore[import-untyped]

WEEK_DAYS = 7

DAY_AND_WEEK = timedelta(days=WEEK_DAYS + 2)
"""How far back ``day_and_week`` looks: for the ``reach`` of a view that is made with it. An event matters until the
eighth midnight after it, which is at most eight days and an hour away."""


def day_and_week_values(value: str) -> tuple[str, str, str, str]:
    """The names of what ``day_and_week`` gives for ``value``, for a view's ``values``."""
    return (f"{value}_today_mean", f"{value}_today_n", f"{value}_7d_mean", f"{value}_7d_n")


def day_and_week(
    table: Table, *, entity: str, known_at: str, value: str, timezone: str, resolution: float = 1e-6
) -> Table:
    """Mean and count of ``value`` per entity: since local midnight, and over the last seven whole local days.

    Returns ``entity, known_at, <value>_today_mean, <value>_today_n, <value>_7d_mean, <value>_7d_n``. An event counts
    on the local day (in ``timezone``, an IANA name; days of 23 and 25 hours included) on which it became *known*,
    from that moment on. A mean over nothing is null, a count over nothing is 0. Rows with a null in any of the three
    columns do not count. ``known_at`` is UTC.

    Values are added up as whole multiples of ``resolution``: integer sums do not depend on the order or the number
    of threads, so the same rows give the same bits, and rows that come later change nothing earlier.
    """
    events = _events(table, entity=entity, known_at=known_at, value=value, timezone=timezone, resolution=resolution)
    moments = _moments(events, timezone)
    week = _week(events)
    today_mean, today_n, week_mean, week_n = day_and_week_values(value)
    rows = moments.left_join(week, ["entity", "day"])
    return rows.select(
        "entity",
        "known_at",
        **{
            today_mean: _mean(rows.today_sum, rows.today_n, resolution),
            today_n: rows.today_n.cast("float64"),
            week_mean: _mean(rows.week_sum, rows.week_n, resolution),
            week_n: rows.week_n.fill_null(0).cast("float64"),
        },
    )


def _events(table: Table, *, entity: str, known_at: str, value: str, timezone: str, resolution: float) -> Table:
    """One row per entity and moment: how many events became known then, and their sum in units of resolution."""
    rows = table.select(
        entity=table[entity].cast("string"),
        known_at=utc(table[known_at]),
        units=(table[value].cast("float64") / resolution).round().cast("int64"),
    ).drop_null()
    at = rows.group_by("entity", "known_at").agg(n=rows.count(), units=rows.units.sum().cast("int64"))
    return at.mutate(day=local_time(at.known_at, timezone).date())


def _moments(events: Table, timezone: str) -> Table:
    """Every moment at which something changes, with the count and the sum since that day's midnight."""
    import ibis  # type: ignore[import-untyped]

    midnights = _days_after(events, WEEK_DAYS + 1).select("entity", "day").distinct()
    opened = midnights.select(
        "entity",
        known_at=utc_time(midnights.day.cast("timestamp"), timezone),
        n=ibis.literal(0, "int64"),
        units=ibis.literal(0, "int64"),
        day=midnights.day,
    )
    # an event at midnight itself and the midnight are one moment
    at = ibis.union(events, opened.anti_join(events, ["entity", "known_at"]).select(*events.columns))
    so_far = ibis.window(group_by=["entity", "day"], order_by="known_at", preceding=None, following=0)
    return at.select(
        "entity",
        "known_at",
        "day",
        today_n=at.n.sum().over(so_far),
        today_sum=at.units.sum().over(so_far),
    )


def _week(events: Table) -> Table:
    """For each local day that has any of the seven days before it: their count and sum."""
    later = _days_after(events, WEEK_DAYS)
    return later.group_by("entity", "day").agg(week_n=later.n.sum(), week_sum=later.units.sum())


def _days_after(events: Table, days: int) -> Table:
    """Each entity's daily totals, carried to each of the ``days`` days after."""
    import ibis

    daily = events.group_by("entity", "day").agg(n=events.n.sum(), units=events.units.sum().cast("int64"))
    crossed = daily.cross_join(ibis.range(1, days + 1).unnest().name("offset").as_table())
    return crossed.select("entity", "n", "units", day=(crossed.day + crossed.offset.as_interval("D")).cast("date"))


def _mean(total: Any, n: Any, resolution: float) -> Any:
    return total.cast("float64") * resolution / n.nullif(0).cast("float64")
