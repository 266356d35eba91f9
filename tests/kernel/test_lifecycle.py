"""The lifecycle is its table: what is in it happens, what is not raises."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.errors import IllegalTransition
from plimsoll.kernel.lifecycle import IN_ROLLOUT, SERVING, TABLE, Move, State, advance, diagram


@pytest.mark.parametrize(("state", "move"), list(product(State, Move)))
def test_every_pair_is_in_the_table_or_raises(state: State, move: Move) -> None:
    """Nothing else moves a release; the refusal says what is legal."""
    if (state, move) in TABLE:
        assert advance(state, move) is TABLE[state, move]
    else:
        with pytest.raises(IllegalTransition, match=f"a release that is {state} cannot be"):
            advance(state, move)


@given(st.lists(st.sampled_from(Move), max_size=30))
def test_a_refused_move_changes_nothing(moves: list[Move]) -> None:
    """A release is where its legal moves brought it, whatever else was tried."""
    state, legal = State.CANDIDATE, []
    for move in moves:
        try:
            state = advance(state, move)
            legal.append(move)
        except IllegalTransition:
            continue
    again = State.CANDIDATE
    for move in legal:
        again = advance(again, move)
    assert again is state


def reachable(start: State) -> set[State]:
    found, new = {start}, {start}
    while new:
        new = {after for (before, _), after in TABLE.items() if before in new} - found
        found |= new
    return found


def test_every_state_can_be_reached_and_the_ends_are_meant() -> None:
    """What was refused or taken out stays out: new evidence makes another release."""
    assert reachable(State.CANDIDATE) == set(State)
    ends = {state for state in State if State.LIVE not in reachable(state)}
    assert ends == {State.REFUSED, State.LAPSED, State.ROLLED_BACK, State.WITHDRAWN}


def test_nobody_serves_without_the_gate() -> None:
    """Every way from a candidate to a serving state goes through ``gated``."""
    around = {(s, m): t for (s, m), t in TABLE.items() if State.GATED not in (s, t)}
    found, new = {State.CANDIDATE}, {State.CANDIDATE}
    while new:
        new = {after for (before, _), after in around.items() if before in new} - found
        found |= new
    assert not found & (SERVING | IN_ROLLOUT)


def test_what_serves_can_always_be_taken_back() -> None:
    """Rollback is refused by nothing."""
    assert all((state, Move.ROLLED_BACK) in TABLE for state in SERVING | IN_ROLLOUT)


def test_the_diagram_has_every_move_once() -> None:
    """It is generated from the table, so it cannot lag behind."""
    lines = diagram().splitlines()
    for (before, move), after in TABLE.items():
        assert lines.count(f"    {before} --> {after}: {move.replace('_', ' ')}") == 1
    assert len(lines) == len(TABLE) + 2
