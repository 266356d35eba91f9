"""A circuit opens after failures in a row, rests, is tried once, and closes or rests longer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from plimsoll.circuit import TABLE, Breaker, Circuit, Limits, looked, told

LIMITS = Limits(failures=3, rest_s=1.0, most_rest_s=8.0)


class Hand:
    """A clock that somebody moves."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def tripped(clock: Hand) -> Breaker:
    breaker = Breaker(clock, LIMITS)
    for _ in range(3):
        assert breaker.allows()
        breaker.failed()
    return breaker


def test_failures_in_a_row_open_it_and_nobody_calls() -> None:
    """Not before the third, and a success between them begins the row again."""
    breaker = Breaker(Hand(), LIMITS)
    for _ in range(5):
        breaker.failed()
        breaker.failed()
        breaker.succeeded()
    assert breaker.state == "closed"
    assert tripped(Hand()).state == "open" and not tripped(Hand()).allows()


def test_after_its_rest_one_call_is_let_through() -> None:
    """The one that tries; the others are refused until it is known how that went."""
    clock = Hand()
    breaker = tripped(clock)
    clock.now_s = 1.0
    assert [breaker.allows() for _ in range(3)] == [True, False, False]
    breaker.succeeded()
    assert breaker.state == "closed" and breaker.allows()


def test_a_try_that_fails_rests_twice_as_long() -> None:
    """1, 2, 4, 8 and then 8 seconds."""
    clock = Hand()
    breaker, rests = tripped(clock), []
    for _ in range(5):
        began_s = clock.now_s
        while not breaker.allows():
            clock.now_s += 0.5
        rests.append(clock.now_s - began_s)
        breaker.failed()
    assert rests == [1.0, 2.0, 4.0, 8.0, 8.0]


def test_a_try_that_is_never_heard_of_is_given_up() -> None:
    """A caller that died in the middle does not keep the circuit half open for ever."""
    clock = Hand()
    breaker = tripped(clock)
    clock.now_s = 1.0
    assert breaker.allows() and not breaker.allows()
    clock.now_s = 9.0
    assert breaker.allows()


STEPS = st.lists(st.tuples(st.sampled_from(["succeeded", "failed", "look"]), st.floats(0, 5)), max_size=60)


@given(STEPS)
def test_it_only_moves_as_its_table_says(steps: list[tuple[str, float]]) -> None:
    """Every change of state is in the table, an open circuit opens again only after its rest, and rests are bounded."""
    circuit, now_s = Circuit(), 0.0
    for happened, passed_s in steps:
        now_s += passed_s
        before = circuit
        if happened == "look":
            circuit = looked(circuit, now_s, LIMITS)
        else:
            circuit = told(circuit, happened, now_s, LIMITS)
        if circuit.state != before.state:
            assert circuit.state in {after for (state, _), after in TABLE.items() if state == before.state}
        if before.state == "open" and circuit.state != "open":
            assert now_s >= before.until_s
        assert circuit.rest_s <= LIMITS.most_rest_s
        assert circuit.state != "closed" or circuit.failures < LIMITS.failures


@given(STEPS)
def test_it_recovers_whatever_happened(steps: list[tuple[str, float]]) -> None:
    """From any state, after the longest rest one success closes it."""
    clock = Hand()
    breaker = Breaker(clock, LIMITS)
    for happened, passed_s in steps:
        clock.now_s += passed_s
        if happened == "look":
            breaker.allows()
        elif happened == "failed":
            breaker.failed()
        else:
            breaker.succeeded()
    clock.now_s += LIMITS.most_rest_s
    assert breaker.allows()
    breaker.succeeded()
    assert breaker.state == "closed"
