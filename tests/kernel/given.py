"""What the kernel's tests are given: terms, evidence that says a certain thing, and deployments that can be reached."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache

from msgspec.structs import replace

from plimsoll.errors import UsageError
from plimsoll.kernel import override
from plimsoll.kernel.case import Decision, Observation, Terms
from plimsoll.kernel.decide import decide
from plimsoll.kernel.enqueue import gated
from plimsoll.kernel.records import FALLBACK
from plimsoll.kernel.requirement import Requirement, at_most, better, no_worse
from plimsoll.kernel.rollout import Canary, Deployment, Live, Shadow
from plimsoll.kernel.verdict import Block, Count, Evidence, Policy, Source, Verdict, judge

NOON = datetime(2013, 2, 1, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
POLICY = Policy()

NO_WORSE = no_worse("log_loss", margin=0.02, than="champion")
NO_WORSE_THAN_BEFORE = no_worse("log_loss", margin=0.02, than="predecessor")
NO_WORSE_THAN_FALLBACK = no_worse("log_loss", margin=0.02, than="fallback")
BETTER = better("log_loss", than="champion")
ERRORS = at_most("error_rate", 0.02)
SLOW = at_most("latency_p95_ms", 50)

PLAN = (
    Shadow(blocks=3, deadline_blocks=12, requires=(NO_WORSE, ERRORS)),
    Canary(0.1, blocks=2, deadline_blocks=12, requires=(NO_WORSE, ERRORS)),
    Canary(0.5, blocks=2, deadline_blocks=12, requires=(NO_WORSE, ERRORS)),
    Live(),
)
TERMS = Terms(plan=PLAN, keep=(ERRORS, NO_WORSE_THAN_BEFORE, NO_WORSE_THAN_FALLBACK))

SAYINGS = ("good", "bad", "unclear", "nothing", "broken")
USUAL = (8, 1, 2, 2, 1)  # how often each is heard
_MEANS = {"good": -0.05, "bad": 0.5, "unclear": 0.02}
_HITS = {"good": (0, 2_000), "bad": (200, 2_000), "unclear": (1, 20)}


def blocks(*means: float, n: int = 100, missing: int = 0) -> tuple[Block, ...]:
    """Closed blocks with these means, which their missing outcomes could not change."""
    return tuple(Block(f"2013-02-{i + 1:02}", n, m, m, m, min(m - 0.1, -0.1), missing) for i, m in enumerate(means))


def about(mean: float, n: int = 12) -> tuple[float, ...]:
    """n values around ``mean`` that no interval takes for dependent or for a constant."""
    return tuple(mean + 0.004 * ((7 * i) % 5 - 2) for i in range(n))


@cache
def evidence(
    says: str,
    requirement: Requirement = NO_WORSE,
    *,
    release: str = "r1",
    source: Source = "shadow",
    comparator: str = FALLBACK,
) -> Evidence:
    """Evidence that says ``good``, ``bad``, ``unclear``, ``nothing`` or is ``broken``, on any requirement."""
    bare = Evidence(requirement=requirement, release=release, source=source, comparator=comparator)
    if says == "broken":
        return replace(bare, problems=("features differ online and offline",))
    if says == "nothing":
        return bare
    if requirement.operational:
        return replace(bare, counts=(Count("2013-02-01T12", *_HITS[says]),))
    return replace(bare, blocks=blocks(*about(_MEANS[says], 3 if says == "unclear" else 12)))


def verdict(says: str, at: datetime = NOON) -> Verdict:
    return judge([evidence(says, source="gate")], POLICY, at)


def passed(d: Deployment, release: str, says: str = "good", at: datetime = NOON) -> Decision:
    """``release`` judged at the gate."""
    found = evidence(says, release=release, source="gate")
    return gated(d, release, judge([found], POLICY, at), (found,), label=release)


def in_stage(stage: int, *, has_fallback: bool = True, release: str = "r1") -> Deployment:
    """``release`` on its way in stage ``stage`` of PLAN (3: live, under a lease)."""
    d = replace(Deployment(capability="late", has_fallback=has_fallback), states={})
    d = passed(d, release).deployment
    d = the(decide(d, Observation(now=NOON), TERMS)).deployment
    while d.rollout and d.rollout.stage < stage:
        d = the(decide(d, trial(d, "good"), TERMS)).deployment
    return d


def live_with_predecessor() -> Deployment:
    """``r2`` is live, ``r1`` was before it and may come back."""
    d = passed(in_stage(3), "r2").deployment
    d = the(decide(d, Observation(now=NOON), TERMS)).deployment
    while d.rollout:
        d = the(decide(d, trial(d, "good"), TERMS)).deployment
    return d


def trial(d: Deployment, says: str, now: datetime = NOON, **more: object) -> Observation:
    """The candidate's stage measured: all of its requirements say the same."""
    r = d.rollout
    assert r is not None
    found = tuple(
        evidence(says, q, release=r.release, source="canary", comparator=r.champion) for q in r.current.requires
    )
    return replace(Observation(now=now, trial=found, stage_blocks=12), **more)


def lease(d: Deployment, says: str, requirement: Requirement = ERRORS, now: datetime = NOON) -> Observation:
    """The live release measured on ``requirement``; its other requirements hold."""
    assert d.lease is not None
    found = tuple(
        evidence(says if q == requirement else "good", q, release=d.lease.release, source="live", comparator=FALLBACK)
        for q in TERMS.keep
    )
    return Observation(now=now, keep=found)


def the(decision: Decision | None) -> Decision:
    assert decision is not None
    return decision


# ── random walks ──────────────────────────────────────────────────────────────────────────────────────────────────


def observed(rng: random.Random, d: Deployment, now: datetime) -> Observation:
    """Anything that could be measured of what is deployed, and rivals that should not be there."""

    def heard(requires: tuple[Requirement, ...], release: str, source: Source, against: str) -> tuple[Evidence, ...]:
        says = rng.choices(SAYINGS, USUAL, k=len(requires))
        return tuple(
            evidence(s, q, release=release, source=source, comparator=against)
            for s, q in zip(says, requires, strict=True)
        )

    r, held = d.rollout, d.lease
    seen = Observation(
        now=now,
        stage_blocks=rng.randrange(13),
        deadline_passed=rng.random() < 0.03,
        checked=rng.choice((0, 5)),
        shared=frozenset({"error_rate"}) if rng.random() < 0.1 else frozenset(),
        closed_until=now.isoformat() if rng.random() < 0.5 else "",
    )
    if r is not None:
        stage: Source = "shadow" if r.current.kind == "shadow" else "canary"
        if rng.random() < 0.5:
            seen = replace(seen, trial=tuple(evidence("good", q, release=r.release) for q in r.current.requires))
        else:
            seen = replace(seen, trial=heard(r.current.requires, r.release, stage, r.champion))
    if held is not None:
        before = d.predecessor or FALLBACK
        names = [*rng.sample(sorted(d.states), min(2, len(d.states))), FALLBACK, *d.predecessors]
        seen = replace(
            seen,
            keep=heard(held.keep, held.release, "live", before) if rng.random() < 0.7 else (),
            recent=heard((NO_WORSE_THAN_BEFORE,), held.release, "gate", before) if rng.random() < 0.3 else (),
            proof=heard((NO_WORSE,), held.release, "canary", before) if held.proof and rng.random() < 0.5 else (),
            rivals={n: heard((BETTER,), n, "gate", held.release) for n in names} if rng.random() < 0.5 else {},
            retrain=heard((NO_WORSE,), held.release, "gate", FALLBACK) if rng.random() < 0.2 else (),
        )
    return seen


def overridden(rng: random.Random, d: Deployment, now: datetime) -> Decision | None:
    """What a person does at random; None where it was not possible."""
    done = rng.choice(("pause", "resume", "resume", "abort", "freeze", "unfreeze", "unfreeze", "rollback", "to"))
    try:
        if done == "pause":
            return override.pause(d, "ann", "why not")
        if done == "resume":
            return override.resume(d, "ann", "go on", now)
        if done == "abort":
            return override.abort(d, "ann", "no more")
        if done in ("freeze", "unfreeze"):
            return override.freeze(d, "ann", "holidays", on=done == "freeze")
        to = rng.choice((*d.states, FALLBACK)) if done == "to" else None
        return override.rollback(d, "ann", "odd answers", now, to=to)
    except UsageError:
        return None


def shipped(rng: random.Random, d: Deployment, name: str, now: datetime) -> Decision:
    """A new release at the gate, or one that the gate could not decide about."""
    again = [r for r, s in d.states.items() if s == "candidate"]
    release = rng.choice(again) if again and rng.random() < 0.3 else name
    return passed(d, release, rng.choices(SAYINGS, USUAL)[0], now)


def later(rng: random.Random, now: datetime) -> datetime:
    """The next time; now and then the clock jumps, back or ahead."""
    jump = rng.random()
    if jump < 0.03:
        return now - timedelta(days=rng.randrange(1, 30))
    return now + (timedelta(days=rng.randrange(5, 30)) if jump > 0.97 else timedelta(hours=rng.randrange(1, 30)))


def walk(
    rng: random.Random, steps: int, *, has_fallback: bool = True, terms: Terms = TERMS
) -> Iterator[tuple[Deployment, Observation | None, Decision]]:
    """(before, what was seen, decision) of ``steps`` random things; what was seen is None where a person decided."""
    d, now = Deployment(capability="late", has_fallback=has_fallback), NOON
    for step in range(steps):
        now, what, seen = later(rng, now), rng.random(), None
        if what < 0.12 or not d.states:
            decision: Decision | None = shipped(rng, d, f"r{step}", now)
        elif what < 0.22:
            decision = overridden(rng, d, now)
        else:
            seen = observed(rng, d, now)
            decision = decide(d, seen, terms)
        if decision is not None:
            yield d, seen, decision
            d = replace(decision.deployment, version=d.version + 1)
