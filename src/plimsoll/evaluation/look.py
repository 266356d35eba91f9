"""How plots look on every page. Altair draws them, vl-convert turns them into SVG, offline.

One look for all: the release in ink blue, who it is compared with in muted tones, hairlines for grids, no frames.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import altair as alt

INK, MUTED, HAIR = "#1c2733", "#5d6b7a", "#e4e8ec"
BLUE, OCHRE, GREY, GREEN = "#1f5a96", "#c07a1e", "#8793a0", "#3d8361"
_FONT = "Helvetica, Arial, sans-serif"


def svg(chart: alt.TopLevelMixin, key: str) -> str:
    """The chart as SVG to stand inside a page; the same chart gives the same text. ``key`` keeps its inner ids apart from
    those of its neighbours."""
    import vl_convert

    drawn: str = vl_convert.vegalite_to_svg(chart.configure(**_look()).to_dict(validate=False))
    # The renderer numbers its ids through the life of the process: here they begin at zero in each chart.
    ids = {name: str(i) for i, name in enumerate(dict.fromkeys(re.findall(r'\bid="(\w+)"', drawn)))}
    drawn = re.sub(r'\b(id="|url\(#|href="#)(\w+)', lambda at: f"{at[1]}{key}-{ids.get(at[2], at[2])}", drawn)
    return re.sub(r'^<svg ([^>]*?)width="([\d.]+)" height="[\d.]+"', r'<svg \1style="max-width:\2px"', drawn)


def data(values: Sequence[dict[str, Any]]) -> Any:
    """Rows inside the chart itself. As text: altair copies a list of rows at every step of building a chart."""
    import altair as alt

    return alt.Data(values=json.dumps(list(values)), format=alt.JsonDataFormat(type="json"))  # type: ignore[no-untyped-call]


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
