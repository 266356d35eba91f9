"""What every page of Plimsoll is written on: one style sheet, one way to write numbers, nothing loaded from anywhere."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Protocol

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from plimsoll.evaluation.gauge import gauge

NOISE = 1e-9
"""What is left of zero after summing; no metric is read that finely."""


class Bounded(Protocol):
    """What an interval can be written of: a measure, a finding, a loss."""

    @property
    def low(self) -> float | None: ...

    @property
    def high(self) -> float | None: ...


def page_templates(package: str) -> Environment:
    """Templates of ``package``, with the shared ``style.css`` to include and the filters ``number``, ``signed``,
    ``percent``, ``interval`` and ``gauge``. A name that a template uses and nobody gave is an error."""
    made = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("plimsoll.evaluation")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(number=number, signed=signed, percent=percent, interval=interval, gauge=gauge)
    return made


def plots_can_be_drawn() -> bool:
    """Whether the extra ``report`` is installed."""
    return all(find_spec(name) is not None for name in ("altair", "vl_convert"))


def number(value: float | None) -> str:
    """Four decimals below ten, four digits above, thousands whole; a dash where there is none."""
    return "–" if value is None else _digits(value, "")


def signed(value: float | None) -> str:
    """As ``number``, with its sign: a difference."""
    return "–" if value is None else _digits(value, "+")


def _digits(value: float, sign: str) -> str:
    size = abs(value)
    if size < NOISE:
        value = size = 0.0
    form = ".1e" if 0 < size < 5e-5 else ".4f" if size < 10 else ".4g" if size < 1000 else ",.0f"
    return f"{value:{sign}{form}}".replace("-", "−")


def percent(share: float) -> str:
    """A share of one, as per cent."""
    return f"{100 * share:.1f} %"


def interval(of: Bounded) -> str:
    """``[low, high]``, open where a bound is not known; empty where neither is."""
    if of.low is None and of.high is None:
        return ""
    return f"[{number(of.low)}, {number(of.high)}]".replace("[–", "(…").replace("–]", "…)")
