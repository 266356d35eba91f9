"""EVALUATION: what a release is worth on later rows, measured in blocks and slices, paired with its comparators.

``measure`` makes numbers, ``evidence`` hands to the kernel those that the requirements ask for, ``report`` shows all
of it to a person. Nothing is judged here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plimsoll.lazy import names_of

if TYPE_CHECKING:
    from plimsoll.evaluation import look
    from plimsoll.evaluation.blocks import blockwise
    from plimsoll.evaluation.curve import Curves, curves
    from plimsoll.evaluation.measurement import Evaluation, Measure, measure
    from plimsoll.evaluation.page import Calibration, markdown_of, report
    from plimsoll.evaluation.proof import evidence
    from plimsoll.evaluation.queries import in_full, queries_of
    from plimsoll.evaluation.rows import coded, rowset
    from plimsoll.evaluation.selection import Selection, select
    from plimsoll.evaluation.sheet import page_templates, plots_can_be_drawn

__all__ = [
    "Calibration",
    "Curves",
    "Evaluation",
    "Measure",
    "Selection",
    "blockwise",
    "coded",
    "curves",
    "evidence",
    "in_full",
    "look",
    "markdown_of",
    "measure",
    "page_templates",
    "plots_can_be_drawn",
    "queries_of",
    "report",
    "rowset",
    "select",
]

_HOMES = {
    "Calibration": "page",
    "Curves": "curve",
    "Evaluation": "measurement",
    "Measure": "measurement",
    "blockwise": "blocks",
    "coded": "rows",
    "curves": "curve",
    "evidence": "proof",
    "in_full": "queries",
    "queries_of": "queries",
    "markdown_of": "page",
    "measure": "measurement",
    "page_templates": "sheet",
    "plots_can_be_drawn": "sheet",
    "report": "page",
    "rowset": "rows",
    "Selection": "selection",
    "select": "selection",
}

__getattr__ = names_of(__name__, _HOMES)
