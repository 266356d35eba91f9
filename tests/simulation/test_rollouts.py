"""Thousands of random rollouts in memory: random evidence, people who interfere, clocks that jump."""

from __future__ import annotations

import random
from collections import Counter

from kernel.given import TERMS, walk
from kernel.rules import check_body, check_decision
from plimsoll.kernel.rollout import Canary, Live, Shadow

ROLLOUTS = 3_000
EVERYTHING = {
    *("gate", "started", "advanced", "live", "look", "renewed", "confirmed", "retrain"),
    *("held", "resumed", "rolled_back", "lapsed", "held_live", "grace", "safe_answer", "recovered"),
    *("paused", "withdrawn", "frozen", "unfrozen"),
}


def test_three_thousand_rollouts_break_no_rule() -> None:
    """Shares sum to one on known releases; nobody is live without a pass; nothing known bad serves; all is written."""
    kinds: Counter[str] = Counter()
    seed = 0
    while kinds["started"] < ROLLOUTS:
        for before, _, decision in walk(random.Random(seed), 250, has_fallback=seed % 4 > 0):
            check_decision(before, decision)
            if kinds.total() % 10 == 0:
                check_body(decision)
            kinds[decision.kind] += 1
        seed += 1
    assert kinds["live"] > 300 and kinds["rolled_back"] > 300
    assert set(kinds) >= EVERYTHING, f"never happened: {EVERYTHING - set(kinds)}"


def test_any_plan_keeps_the_rules() -> None:
    """With other stages too: no shadow, no canary, live alone."""
    requires = TERMS.plan[0].requires
    shadow, canary = Shadow(blocks=2, requires=requires), Canary(0.25, blocks=2, requires=requires)
    for number, plan in enumerate([(shadow, Live()), (canary, Live()), (Live(),), (shadow, canary, Live())]):
        for seed in range(20):
            terms = type(TERMS)(plan=plan, keep=TERMS.keep)
            for before, _, decision in walk(random.Random(f"{number}.{seed}"), 60, terms=terms):
                check_decision(before, decision, gate_alone=plan[0].kind == "live")
