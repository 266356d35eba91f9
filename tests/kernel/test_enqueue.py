"""How a judged release enters the deployment."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from plimsoll.errors import IllegalTransition
from plimsoll.kernel.lifecycle import State
from plimsoll.kernel.rollout import Deployment, shares

from .given import in_stage, passed

EMPTY = Deployment(capability="late")


@pytest.mark.parametrize(
    ("says", "state", "said"),
    [
        ("good", State.GATED, "passes the gate"),
        ("bad", State.REFUSED, "is refused at the gate"),
        ("broken", State.REFUSED, "is invalid at the gate"),
        ("unclear", State.CANDIDATE, "the evidence does not decide"),
        ("nothing", State.CANDIDATE, "the evidence does not decide"),
    ],
)
def test_only_a_pass_queues(says: str, state: State, said: str) -> None:
    """What became of it stands in its state, and why in the summary. No traffic moves."""
    decision = passed(EMPTY, "r1", says)
    assert (decision.deployment.states, said in decision.summary) == ({"r1": state}, True)
    assert decision.deployment.queue == (("r1",) if says == "good" else ())
    assert shares(decision.deployment) == shares(EMPTY) and decision.verdict is not None


def test_releases_queue_in_the_order_of_their_verdicts() -> None:
    """First judged, first rolled out."""
    d = passed(passed(EMPTY, "r1").deployment, "r2").deployment
    assert d.queue == ("r1", "r2")


@pytest.mark.parametrize("state", ["refused", "rolled_back", "lapsed", "withdrawn"])
def test_what_has_ended_is_not_judged_again(state: str) -> None:
    """New evidence is newer rows, and those make another manifest: the same release never comes back through a gate."""
    d = replace(EMPTY, states={"r1": State(state)}, known_bad={"r1": "slow"})
    with pytest.raises(IllegalTransition, match="it is an end"):
        passed(d, "r1")


@pytest.mark.parametrize("stage", [0, 1, 3])
def test_what_is_deployed_is_not_judged_at_the_gate_again(stage: int) -> None:
    """The identical manifest is on its way or live already: nothing changes."""
    with pytest.raises(IllegalTransition):
        passed(in_stage(stage), "r1")


def test_a_release_never_queues_twice() -> None:
    """Gated is gated."""
    with pytest.raises(IllegalTransition, match="gated cannot be gate passed"):
        passed(passed(EMPTY, "r1").deployment, "r1")
