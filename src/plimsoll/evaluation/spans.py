"""Estimates with their intervals, one under the other: slices, parts, trainings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from plimsoll.evaluation.look import BLUE, data

WIDE = 770


def spans(
    values: Sequence[dict[str, Any]], *, order: Sequence[str], title: str, colour: Any = None, lines: Sequence[Any] = ()
) -> Any:
    """``values``: rows with ``name``, ``who``, ``mean``, ``low``, ``high`` and ``judged`` (hollow where it is not). ``colour``
    tells apart by ``who``; ``lines`` are drawn under everything."""
    import altair as alt

    many = len({v["who"] for v in values})
    y = alt.Y("name:N", sort=list(order), title=None, axis=alt.Axis(grid=False, labelLimit=300))
    base = alt.Chart(data(values)).encode(y=y, color=colour or alt.value(BLUE), yOffset=alt.YOffset("who:N", sort=None))
    rules = base.mark_rule(strokeWidth=1.4).encode(
        x=alt.X("low:Q", title=title, axis=alt.Axis(orient="top", tickCount=8)), x2="high:Q"
    )
    x = alt.X("mean:Q")
    dots = base.mark_point(filled=True, size=42, opacity=1).encode(x=x).transform_filter("datum.judged")
    rings = base.mark_point(size=42, opacity=1, fill="white").encode(x=x).transform_filter("!datum.judged")
    return alt.layer(*lines, rules, dots, rings).properties(width=WIDE, height=alt.Step(22 if many < 2 else 13))
