"""The lifecycle of a release in its rollout, as one table: (state, event) → state.

Nothing else moves a release. A pair that is not in the table raises and changes nothing. The diagram in
``docs/concepts/lifecycle.md`` is generated from here (``python -m plimsoll.kernel.lifecycle``).
"""

from __future__ import annotations

from enum import StrEnum

from plimsoll.errors import IllegalTransition


class State(StrEnum):
    CANDIDATE = "candidate"  # built, not yet let out by a gate
    REFUSED = "refused"  # the gate said no, or could not trust what it saw
    GATED = "gated"  # may leave the yard; waits for its rollout
    SHADOW = "shadow"  # answers beside the live one; nobody sees it
    CANARY = "canary"  # answers a share
    HELD = "held"  # stopped without blame: evidence inadmissible, deadline passed, or an operator said so
    LIVE = "live"  # holds the lease
    SUPERSEDED = "superseded"  # was live, gave way to a better one; may come back
    LAPSED = "lapsed"  # lost the lease on quality
    ROLLED_BACK = "rolled_back"  # taken out
    WITHDRAWN = "withdrawn"  # taken back by its people


class Move(StrEnum):
    GATE_PASSED = "gate_passed"
    GATE_REFUSED = "gate_refused"
    GATE_INCONCLUSIVE = "gate_inconclusive"
    SHADOW_STARTED = "shadow_started"
    CANARY_STARTED = "canary_started"
    WENT_LIVE = "went_live"
    HELD = "held"
    ROLLED_BACK = "rolled_back"
    SUPERSEDED = "superseded"
    LAPSED = "lapsed"
    RESTORED = "restored"
    WITHDRAWN = "withdrawn"


S, M = State, Move

TABLE: dict[tuple[State, Move], State] = {
    (S.CANDIDATE, M.GATE_PASSED): S.GATED,
    (S.CANDIDATE, M.GATE_REFUSED): S.REFUSED,
    (S.CANDIDATE, M.GATE_INCONCLUSIVE): S.CANDIDATE,
    (S.CANDIDATE, M.WITHDRAWN): S.WITHDRAWN,
    (S.GATED, M.SHADOW_STARTED): S.SHADOW,
    (S.GATED, M.CANARY_STARTED): S.CANARY,
    (S.GATED, M.WENT_LIVE): S.LIVE,
    (S.GATED, M.WITHDRAWN): S.WITHDRAWN,
    (S.SHADOW, M.CANARY_STARTED): S.CANARY,
    (S.SHADOW, M.WENT_LIVE): S.LIVE,
    (S.SHADOW, M.HELD): S.HELD,
    (S.SHADOW, M.ROLLED_BACK): S.ROLLED_BACK,
    (S.SHADOW, M.WITHDRAWN): S.WITHDRAWN,
    (S.CANARY, M.CANARY_STARTED): S.CANARY,
    (S.CANARY, M.WENT_LIVE): S.LIVE,
    (S.CANARY, M.HELD): S.HELD,
    (S.CANARY, M.ROLLED_BACK): S.ROLLED_BACK,
    (S.CANARY, M.WITHDRAWN): S.WITHDRAWN,
    (S.HELD, M.SHADOW_STARTED): S.SHADOW,
    (S.HELD, M.CANARY_STARTED): S.CANARY,
    (S.HELD, M.ROLLED_BACK): S.ROLLED_BACK,
    (S.HELD, M.WITHDRAWN): S.WITHDRAWN,
    (S.LIVE, M.SUPERSEDED): S.SUPERSEDED,
    (S.LIVE, M.LAPSED): S.LAPSED,
    (S.LIVE, M.ROLLED_BACK): S.ROLLED_BACK,
    (S.SUPERSEDED, M.RESTORED): S.LIVE,
}
"""Every legal move. Refused, lapsed, rolled back and withdrawn are ends: new evidence is newer rows, and a release
judged on those has another manifest, so it is another release."""

SERVING = frozenset({S.CANARY, S.LIVE})
IN_ROLLOUT = frozenset({S.SHADOW, S.CANARY, S.HELD})


def advance(state: State, move: Move) -> State:
    """The state after ``move``. Raises IllegalTransition, changing nothing, if the table has no such pair."""
    try:
        return TABLE[state, move]
    except KeyError:
        legal = ", ".join(m for (s, m) in TABLE if s is state) or "nothing: it is an end"
        raise IllegalTransition(
            f"a release that is {state} cannot be {move.replace('_', ' ')}; from here: {legal}"
        ) from None


def diagram() -> str:
    """The table as a Mermaid state diagram."""
    rows = ["stateDiagram-v2", "    [*] --> candidate"]
    rows += [f"    {s} --> {t}: {m.replace('_', ' ')}" for (s, m), t in TABLE.items()]
    return "\n".join(rows) + "\n"
