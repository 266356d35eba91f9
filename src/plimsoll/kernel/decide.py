"""One pass of the loop: ``decide(deployment, observation, terms)`` → the one next decision, or None.

The rules stand in order of urgency, and the first that has something to say is the pass. What it changes is seen by
the next pass. A rule is a pure function; its decision holds the whole deployment as it shall be.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from plimsoll.kernel.case import Decision, Observation, Terms, never_back
from plimsoll.kernel.rollout import Deployment
from plimsoll.kernel.tenure import (
    evidence_back,
    evidence_lost,
    kept,
    machinery_failed,
    no_longer_provisional,
    quality_lapsed,
    renewed,
    retraining,
)
from plimsoll.kernel.trial import held_resumed, next_started, trial_judged

Rule = Callable[[Deployment, Observation, Terms], "Decision | None"]

RULES: tuple[Rule, ...] = (
    machinery_failed,
    evidence_lost,
    evidence_back,
    quality_lapsed,
    trial_judged,
    no_longer_provisional,
    held_resumed,
    next_started,
    renewed,
    retraining,
)
"""In order of urgency: what hurts users first, what only informs last."""


def decide(deployment: Deployment, seen: Observation, terms: Terms) -> Decision | None:
    """The most urgent thing to do, or None. Time never runs backwards: an earlier ``now`` counts as the latest seen."""
    seen = replace(seen, now=never_back(deployment, seen.now))
    if deployment.lease is not None:
        seen = replace(seen, kept=kept(seen, terms))
    for rule in RULES:
        decision = rule(deployment, seen, terms)
        if decision is not None:
            return replace(decision, deployment=replace(decision.deployment, seen_until=seen.now))
    return None
