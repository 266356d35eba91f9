"""Answers that change what happens: two arms judged by their blocks and what these hide, each stage by a sequence of its own."""

from __future__ import annotations

import random

import msgspec
import pytest
from msgspec.structs import replace

from plimsoll.kernel.case import Observation
from plimsoll.kernel.decide import decide
from plimsoll.kernel.digest import digest
from plimsoll.kernel.explanation import explain
from plimsoll.kernel.records import FALLBACK
from plimsoll.kernel.replay import replay
from plimsoll.kernel.requirement import no_worse
from plimsoll.kernel.rollout import required
from plimsoll.kernel.verdict import Count, Evidence, Ruling, find

from .given import (
    DAY,
    HOUR,
    NO_WORSE,
    NOON,
    PLAN,
    POLICY,
    TERMS,
    about,
    blocks,
    evidence,
    in_stage,
    live_with_predecessor,
    the,
    trial,
    walk,
)
from .rules import check_decision

UNPAIRED = replace(TERMS, unpaired=True)


def arms(mean: float, hidden: float = 0.0, n: int = 12) -> Evidence:
    return Evidence(
        requirement=NO_WORSE, release="r1", source="canary", comparator=FALLBACK, blocks=blocks(*about(mean, n)),
        arms=(500, 1_500), hidden=hidden,
    )  # fmt: skip


def test_what_blocks_hide_of_who_is_in_which_arm_leaves_a_verdict_open() -> None:
    """The same blocks: shown where nobody comes back, not shown where the arms' units may differ by chance."""
    shown, hidden = (find(arms(-0.02, h), POLICY, fail_alpha=0.05) for h in (0.0, 0.02**2))
    assert shown.ruling is Ruling.PASS and hidden.ruling is Ruling.INCONCLUSIVE
    assert shown.method == hidden.method == "t-mixture, two arms"
    assert "12 blocks, 500 against 1,500 units" in shown.reason


def test_evidence_of_pairs_is_called_what_it_was_called() -> None:
    """Fields that came later are in its name only where they say something."""
    paired = evidence("good")
    old = {k: v for k, v in msgspec.structs.asdict(paired).items() if k not in LATER}
    assert paired.id == digest(old)
    assert arms(0.0).id != replace(arms(0.0), arms=()).id != replace(arms(0.0), arms=(), hidden=0.1).id


LATER = ("against", "arms", "hidden")


def test_a_verdict_on_two_arms_is_judged_again_from_its_line() -> None:
    """With what was hidden: nothing but the line is needed."""
    d = in_stage(1)
    seen = replace(trial(d, "bad"), trial=(arms(0.3, 0.001),))
    found = the(decide(d, seen, UNPAIRED))
    assert found.kind == "rolled_back" and replay(found.body()).same


def test_each_canary_begins_its_own_sequence() -> None:
    """Another share divides the units anew: old blocks are of other arms. Paired, the sequence runs on."""
    d = in_stage(1)
    for terms, begins in ((UNPAIRED, NOON + DAY), (TERMS, NOON)):
        after = the(decide(d, trial(d, "good", NOON + DAY), terms)).deployment.rollout
        assert after is not None and after.stage == 2 and after.evidence_since == begins


def test_sequences_of_their_own_have_errors_of_their_own() -> None:
    """Three stages with two requirements each are six chances to convict wrongly, not two."""
    assert required(PLAN) == 2 and required(PLAN, unpaired=True) == 6
    d = in_stage(1)
    verdict = the(decide(d, replace(trial(d, "unclear"), stage_blocks=3), UNPAIRED)).verdict
    assert verdict is not None and verdict.requirements == 6


def disproven(says: str = "bad") -> Observation:
    return Observation(now=NOON + 36 * HOUR, proof=(evidence(says, NO_WORSE, release="r2", source="canary"),))


def test_last_outcomes_against_a_promotion_bring_back_who_did_better() -> None:
    """Those who were shown the champion did better: it is the one that evidence speaks for, and needs no second look."""
    d = live_with_predecessor()
    found = the(decide(d, disproven(), UNPAIRED))
    assert found.kind == "lapsed" and found.deployment.live == "r1"
    assert "those who were shown r1 did better in the same blocks" in found.summary
    held = the(decide(replace(d, known_bad={"r1": "errors"}), disproven(), UNPAIRED))
    assert held.kind == "held_live" and held.deployment.live == "r2"


def test_rates_of_what_was_shown_are_compared_between_arms() -> None:
    """Each arm has its own chance: what both have in common cannot be counted on, so the bounds are those of two samples."""
    compared = no_worse("abstention_rate", margin=0.02, than="champion")
    e = Evidence(
        requirement=compared, release="r1", source="canary", comparator=FALLBACK,
        counts=(Count("h", 40, 2_000),), against=(Count("h", 40, 2_000),),
    )  # fmt: skip
    both = replace(e, requirement=no_worse("error_rate", margin=0.02, than="champion"))
    apart, together = (find(x, POLICY, fail_alpha=0.05) for x in (e, both))
    assert apart.high is not None and together.high is not None and apart.high < together.high
    assert apart.ruling is Ruling.PASS


def test_more_days_of_the_same_units_do_not_show_what_they_hide() -> None:
    """An explanation says that it would not be decided, instead of naming a number of blocks."""
    e = arms(-0.02, 0.02**2)
    said = explain(e, find(e, POLICY, fail_alpha=0.05), POLICY, fail_alpha=0.05)
    assert said.more is None and "would not decide it" in said.says


@pytest.mark.parametrize("seed", range(6))
def test_random_walks_keep_every_rule(seed: int) -> None:
    """Whatever comes in whatever order."""
    for before, _, decision in walk(random.Random(seed), 60, terms=UNPAIRED):
        check_decision(before, decision)
