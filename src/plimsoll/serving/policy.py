"""What is done with each score of a turn: given as the answer where it is sure enough, by the release's own rule.

The threshold was chosen when the release was built and is part of its manifest; here it is only compared with. Where a
score is not an answer, ``standing_in`` looks for what the caller gets instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from plimsoll.kernel.records import Action
from plimsoll.serving.replica import Loaded
from plimsoll.serving.seams import Judgement
from plimsoll.stats.confidence import confidence

UNSURE: Final = "unsure"
_PLAIN: Final[Action] = "answer"
_NONE: Final[Action] = "abstain"


class Thresholds:
    """Below the release's threshold its score is no answer. What is not a number is below every threshold."""

    def judge(self, release: Loaded, scores: Sequence[Any], kind: str) -> Judgement:
        rule, rows = release.rule, len(scores)
        below, widths = rule.abstain_below, rule.widths
        if below <= 0.0:
            return Judgement((_PLAIN,) * rows, ("",) * rows, (None,) * rows)
        if kind == "regression" and widths is None:
            return Judgement((_PLAIN,) * rows, ("",) * rows, (None,) * rows)
        if kind == "binary" and rows == 1 and scores[0] is not None:  # the usual turn of a quiet server
            sure = [max(scores[0], 1.0 - scores[0])]
        else:
            sure = [confidence(score, widths) for score in scores]
        if all(each >= below for each in sure):
            return Judgement((_PLAIN,) * rows, ("",) * rows, sure)
        return Judgement(
            [_PLAIN if each >= below else _NONE for each in sure],
            ["" if each >= below else UNSURE for each in sure],
            sure,
        )


def why_of(error: str) -> str:
    """The word for an answer's error: how its text begins."""
    for begins, why in (
        ("timeout:", "timeout"),
        ("not ready:", "not_ready"),
        ("circuit open:", "circuit_open"),
        ("unavailable:", "unavailable"),
    ):
        if error.startswith(begins):
            return why
    return "error"
