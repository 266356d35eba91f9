"""Numbers as people read them: four digits that mean something, and never the noise of a sum."""

from __future__ import annotations

NOISE = 1e-6
"""A number this small beside what it stands next to is what is left of zero after summing."""


def figure(value: float | None, *beside: float | None) -> str:
    """``value`` to four significant digits; a dash for None. ``beside``: the limit and bounds it is read with, by
    which noise is told from a small number.

    >>> figure(-2.143e-13, 0.05), figure(0.67931), figure(12074.4), figure(None)
    ('0', '0.6793', '12,074', '–')
    """
    if value is None:
        return "–"
    scale = max((abs(b) for b in beside if b is not None), default=0.0)
    if abs(value) < max(NOISE * scale, 1e-12):
        return "0"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def share(value: float) -> str:
    """A share as per cent: two digits after the point at most, more where it would vanish."""
    return (
        f"{100 * value:.2f}".rstrip("0").rstrip(".") + " %" if value == 0 or value >= 5e-5 else f"{100 * value:.2g} %"
    )


def span(hours: float) -> str:
    """A time to wait, in the unit that a person would use."""
    if hours < 1.5:
        return f"{max(1, round(60 * hours))} minutes"
    if hours < 48:
        return f"{round(hours)} hours"
    return f"{round(hours / 24)} days"
