"""A finding as a small drawing: where the interval lies, and on which side of the load line.

Plain SVG, drawn without a library, so that a report without plots still shows what was judged.
"""

from __future__ import annotations

from markupsafe import Markup

from plimsoll.kernel.verdict import Finding

_WIDTH, _HEIGHT, _EDGE = 150.0, 26.0, 8.0


def gauge(finding: Finding) -> Markup:
    """The finding's interval, estimate and limit on one axis; empty where there is no estimate."""
    if finding.estimate is None:
        return Markup("")
    known = [v for v in (finding.low, finding.high, finding.estimate, finding.limit) if v is not None]
    first, last = min(known), max(known)
    room = (last - first) or abs(first) or 1.0

    def at(value: float | None, open_end: float) -> float:
        return open_end if value is None else _EDGE + (value - first) / room * (_WIDTH - 2 * _EDGE)

    low, high = at(finding.low, 0.0), at(finding.high, _WIDTH)
    middle, line = at(finding.estimate, 0.0), at(finding.limit, 0.0)
    return Markup(
        f'<svg class="gauge" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" width="{_WIDTH:g}" height="{_HEIGHT:g}" role="img" '
        f'aria-label="estimate {finding.estimate:.4g}, limit {finding.limit:.4g}">'
        f'<line class="axis" x1="0" x2="{_WIDTH:g}" y1="13" y2="13"/>'
        f'<line class="span" x1="{low:.1f}" x2="{high:.1f}" y1="13" y2="13"/>'
        f'<circle cx="{middle:.1f}" cy="13" r="4"/>'
        f'<line class="limit" x1="{line:.1f}" x2="{line:.1f}" y1="2" y2="24"/></svg>'
    )
