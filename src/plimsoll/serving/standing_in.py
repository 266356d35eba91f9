"""What a caller gets where the release did not answer: the first step of its rule that can be taken.

Two lists are declared (``kernel.promise``): one for scores that are not sure enough, one for answers that failed. An
event's reason says why and what stood in, as ``unsure: person`` or ``timeout: fallback``.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from plimsoll.kernel.promise import ENDS, AnswerRule, Step
from plimsoll.kernel.records import FALLBACK, Action, Answer, Event
from plimsoll.serving.batch import Turn
from plimsoll.serving.policy import UNSURE, why_of
from plimsoll.serving.replica import Loaded

MOST_LAST = 50_000
"""Units whose last answer is remembered, where a rule may give it again."""

Ask = Callable[[str, Sequence[int]], Sequence[Answer]]
"""(release or FALLBACK, rows of the turn) → its answers."""


class Instead(NamedTuple):
    """What one row's caller gets. ``given``: None where nothing stands in; ``says``: in words."""

    action: Action
    reason: str
    given: Answer | None
    says: str


class LastAnswers:
    """What each unit was answered last, the newest ``MOST_LAST`` of them; of this process, so it may know nothing."""

    def __init__(self) -> None:
        self._last: OrderedDict[tuple[str, str], tuple[datetime, Answer]] = OrderedDict()

    def keep(self, tenant: str, unit: str, at: datetime, answer: Answer) -> None:
        self._last[tenant, unit] = at, answer
        self._last.move_to_end((tenant, unit))
        if len(self._last) > MOST_LAST:
            self._last.popitem(last=False)

    def of(self, tenant: str, unit: str, now: datetime, stale_s: float) -> Answer | None:
        at, answer = self._last.get((tenant, unit), (now, None))
        return answer if (now - at).total_seconds() <= stale_s else None


class StandIns:
    """Finds what stands in. Belongs to one pipeline, and is used by one turn at a time."""

    def __init__(self) -> None:
        self._last = LastAnswers()
        self._loaded: Mapping[str, Loaded] = {}
        self._remembering: set[str] = set()

    def find(
        self,
        turn: Turn,
        said: Sequence[Answer],
        odd: Mapping[int, str],
        *,
        loaded: Mapping[str, Loaded],
        previous: str,
        ask: Ask,
    ) -> dict[int, Instead]:
        """By row. ``odd``: the rows that have no plain answer, each with why; ``previous``: the release that was live
        before, or ``""``. Whoever is asked is asked once for all the rows of a rule."""
        found: dict[int, Instead] = {}
        for (release, unsure), rows in _grouped(said, odd).items():
            rule = loaded[release].rule if release in loaded else AnswerRule()
            found |= self._walked(rule, rule.unsure if unsure else rule.failed, rows, turn, odd, loaded, previous, ask)
        return found

    def remember(
        self, turn: Turn, said: Sequence[Answer], odd: Mapping[int, str], loaded: Mapping[str, Loaded]
    ) -> None:
        """Keep the plain answers of releases whose rule may give them again. Where there is no such release this costs a
        comparison."""
        if self._loaded is not loaded:
            self._loaded = loaded
            self._remembering = {name for name, release in loaded.items() if "cached" in release.rule.steps}
        if not self._remembering:
            return
        for i, answer in enumerate(said):
            if i not in odd and answer.release in self._remembering:
                self._last.keep(turn.tenants[i], turn.units[i], turn.asked_at[i], answer)

    def _walked(
        self,
        rule: AnswerRule,
        steps: Sequence[Step],
        rows: Sequence[int],
        turn: Turn,
        odd: Mapping[int, str],
        loaded: Mapping[str, Loaded],
        previous: str,
        ask: Ask,
    ) -> dict[int, Instead]:
        found: dict[int, Instead] = {}
        left = list(rows)
        for step in steps:
            if not left:
                break
            given = self._given(step, left, rule, turn, loaded, previous, ask)
            action: Action = step if step in ENDS else "fallback"  # type: ignore[assignment]
            for row, answer in given.items():
                found[row] = Instead(action, f"{odd[row]}: {step}", answer, rule.sentence(odd[row], step))
            left = [row for row in left if row not in given]
        for row in left:  # nothing stands in: an unsure score is no answer, and a failure stays one
            action = "abstain" if odd[row] == UNSURE else "fallback"
            found[row] = Instead(action, odd[row], None, rule.sentence(odd[row], "abstain"))
        return found

    def _given(
        self,
        step: Step,
        rows: Sequence[int],
        rule: AnswerRule,
        turn: Turn,
        loaded: Mapping[str, Loaded],
        previous: str,
        ask: Ask,
    ) -> Mapping[int, Answer | None]:
        """The rows for which this step can be taken."""
        if step in ENDS:
            return dict.fromkeys(rows)
        if step == "cached":
            last = (
                (row, self._last.of(turn.tenants[row], turn.units[row], turn.asked_at[row], rule.stale_s))
                for row in rows
            )
            return {row: answer for row, answer in last if answer is not None}
        name = previous if step == "previous" else FALLBACK
        if not name or name not in loaded:
            return {}
        answers = zip(rows, ask(name, rows), strict=True)
        return {row: answer for row, answer in answers if not answer.error and _is_sure(answer, loaded[name])}


def _is_sure(answer: Answer, release: Loaded) -> bool:
    """Whether a stand-in would have answered by its own rule."""
    return answer.score is not None and release.rule.is_sure(answer.score)


def _grouped(said: Sequence[Answer], odd: Mapping[int, str]) -> dict[tuple[str, bool], list[int]]:
    groups: dict[tuple[str, bool], list[int]] = {}
    for row, why in odd.items():
        groups.setdefault((said[row].release, why == UNSURE), []).append(row)
    return groups


def stood_in(event: Event) -> str:
    """The step that was taken for it, or ``""``."""
    return event.reason.partition(": ")[2]


def oddities(said: Sequence[Answer], actions: Sequence[Action], reasons: Sequence[str]) -> dict[int, str]:
    """The rows for which something must stand in, each with why: the answer failed, was not sure enough, or a policy
    wants the fallback's. Release zero has nobody to stand in for it."""
    return {
        i: why_of(answer.error) if answer.error else reason
        for i, (answer, action, reason) in enumerate(zip(said, actions, reasons, strict=True))
        if action != "answer"
        and answer.release != FALLBACK
        and (answer.error or reason == UNSURE or action == "fallback")
    }
