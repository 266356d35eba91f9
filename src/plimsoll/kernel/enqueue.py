"""How a judged release enters the deployment: gated ones queue for their rollout, refused ones are remembered."""

from __future__ import annotations

from msgspec.structs import replace

from plimsoll.kernel.case import Decision
from plimsoll.kernel.digest import short
from plimsoll.kernel.lifecycle import Move, State, advance
from plimsoll.kernel.rollout import Deployment
from plimsoll.kernel.verdict import Evidence, Ruling, Verdict

_MOVES = {
    Ruling.PASS: Move.GATE_PASSED,
    Ruling.FAIL: Move.GATE_REFUSED,
    Ruling.INVALID: Move.GATE_REFUSED,
    Ruling.INCONCLUSIVE: Move.GATE_INCONCLUSIVE,
}


def gated(d: Deployment, release: str, verdict: Verdict, evidence: tuple[Evidence, ...], *, label: str) -> Decision:
    """The deployment after the gate's ``verdict`` on ``release``: queued behind what waits already, or not at all."""
    state = advance(d.states.get(release, State.CANDIDATE), _MOVES[verdict.ruling])
    queue = (*d.queue, release) if state is State.GATED else d.queue
    reason = next(iter(verdict.reasons), "nothing was measured")
    said = {
        Ruling.PASS: "passes the gate",
        Ruling.FAIL: "is refused at the gate",
        Ruling.INVALID: "is invalid at the gate",
        Ruling.INCONCLUSIVE: "is not gated: the evidence does not decide",
    }[verdict.ruling]
    return Decision(
        kind="gate",
        subject=release,
        summary=f"{label} {short(release)} {said}: {reason}",
        deployment=replace(d, states={**d.states, release: state}, queue=queue),
        verdict=verdict,
        evidence=evidence,
    )
