"""A deep evaluation in sentences and tables: the same for the screen, for Markdown and for a release's report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from plimsoll.evaluation.deep.document import Deep
from plimsoll.evaluation.deep.words.ablation import ablation
from plimsoll.evaluation.deep.words.attribution import attribution
from plimsoll.evaluation.deep.words.duplicates import duplicates
from plimsoll.evaluation.deep.words.robustness import robustness
from plimsoll.evaluation.deep.words.section import Section, basis
from plimsoll.evaluation.deep.words.stability import stability

__all__ = ["Section", "basis", "sections"]

_SAID: Mapping[str, Callable[[Deep], Section]] = {
    "robustness": robustness,
    "ablation": ablation,
    "stability": stability,
    "attribution": attribution,
    "duplicates": duplicates,
}


def sections(deep: Deep) -> Iterator[Section]:
    """The parts that were made, in their order."""
    yield from (_SAID[part](deep) for part in deep.made)
