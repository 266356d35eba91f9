"""How plots look on every page. Altair draws them, vl-convert turns them into SVG, offline.

One look for all: the release in ink blue, who it is compared with in muted tones, hairlines for grids, no frames.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import altair as alt

INK, MUTED, HAIR = "#1c2733", "#5d6b7a", "#e4e8ec"
BLUE, OCHRE, GREY, GREEN = "#1f5a96", "#c07a1e", "#8793a0", "#3d8361"
_FONT = "Helvetica, Arial, sans-serif"


def svg(chart: alt.Chart | alt.LayerChart, key: str) -> str:
    """The chart as SVG to stand inside a page. ``key`` keeps its inner ids apart from those of its neighbours."""
    import vl_convert

    drawn: str = vl_convert.vegalite_to_svg(chart.configure(**_look()).to_dict(validate=False))
    drawn = re.sub(r'\b(id="|url\(#|href="#)', rf"\g<1>{key}-", drawn)
    return re.sub(r'^<svg ([^>]*?)width="([\d.]+)" height="[\d.]+"', r'<svg \1style="max-width:\2px"', drawn)


def data(values: Sequence[dict[str, Any]]) -> Any:
    """Rows inside the chart itself."""
    import altair as alt

    return alt.Data(values=list(values))  # type: ignore[no-untyped-call]


def level(value: float, *, vertical: bool = False) -> Any:
    """A dashed line at ``value``: a limit, or zero."""
    import altair as alt

    mark = alt.Chart(data([{"level": value}])).mark_rule(color=MUTED, strokeDash=[3, 3])
    return mark.encode(x="level:Q") if vertical else mark.encode(y="level:Q")


def _look() -> dict[str, Any]:
    text = {"labelFont": _FONT, "titleFont": _FONT, "labelColor": MUTED, "titleColor": MUTED}
    axis = {
        **text,
        "titleFontWeight": "normal",
        "titleFontSize": 11,
        "labelFontSize": 11,
        "gridColor": HAIR,
        "domainColor": "#b9c2cb",
        "tickColor": "#b9c2cb",
        "titlePadding": 8,
    }
    legend = {**text, "orient": "top", "labelFontSize": 11, "symbolStrokeWidth": 2, "columnPadding": 22, "offset": 6}
    return {
        "background": "transparent",
        "padding": {"left": 18, "right": 12, "top": 5, "bottom": 5},
        "view": {"stroke": None},
        "axis": axis,
        "legend": legend,
        "font": _FONT,
    }
