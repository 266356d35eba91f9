"""What follows from measured costs; on a clock that the test moves, so that no machine's speed shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from plimsoll.errors import Broken
from plimsoll.models import UNMEASURED, warmed
from plimsoll.models.warmth import BUDGET_MS, SIZES

from .given import X


class Priced:
    """Takes as long as ``cost`` says, in µs for n rows."""

    def __init__(self, cost: Callable[[int], float], *, native: bool = True) -> None:
        self.cost, self.native = cost, native
        self.now_ns = self.idle_ns = 0
        self.asked: list[Any] = []
        self.kind, self.task, self.names, self.classes = "onnx", "binary", ("a", "b", "c", "d"), ()

    def clock_ns(self) -> int:
        return self.now_ns

    def worked_ns(self) -> int:
        return self.now_ns - self.idle_ns

    def idle(self, ns: int) -> None:
        """Somebody else has the processor."""
        self.now_ns += ns
        self.idle_ns += ns

    def predict(self, matrix: Any) -> Any:
        self.asked.append(matrix.copy())
        self.now_ns += int(self.cost(len(matrix)) * 1_000)
        return np.zeros(len(matrix))


def follows(cost: Callable[[int], float], *, native: bool = True) -> tuple[int, bool]:
    engine = Priced(cost, native=native)
    found = warmed(engine, X[:32], clock_ns=engine.clock_ns, worked_ns=engine.worked_ns)
    return found.most_together, found.inline


@pytest.mark.parametrize(
    ("cost", "native", "expected"),
    [
        (lambda n: 5 + 1.0 * n, True, (64, True)),  # 6 µs alone, 1.08 a row at 64; at best 1.01
        (lambda n: 5.0 * n, True, (1, True)),  # together is no cheaper: off
        (lambda n: 400 + 20.0 * n, True, (16, True)),  # 512 would hold the loop for 10 ms
        (lambda n: 5_000 + 1.0 * n, True, (512, False)),  # no turn of it is short enough for the loop
        (lambda n: 5 + 1.0 * n, False, (64, False)),  # quick, and nobody promises that it ends
        (lambda n: 100_000.0 * n, False, (1, False)),  # too slow to be tried at every size
    ],
    ids=["trees", "no gain", "bounded by the loop", "slow", "not native", "very slow"],
)
def test_what_follows_from_the_costs(cost: Callable[[int], float], native: bool, expected: tuple[int, bool]) -> None:
    """Together as far as it pays; in the loop's thread where that ends soon."""
    assert follows(cost, native=native) == expected


class Interrupted(Priced):
    """On a busy machine: every third run is interrupted for 8 ms."""

    def predict(self, matrix: Any) -> Any:
        if len(self.asked) % 3 == 0:
            self.idle(8_000_000)
        return super().predict(matrix)


class Waiting(Priced):
    """Others work for it: it takes ten times as long as it works."""

    def predict(self, matrix: Any) -> Any:
        self.idle(int(self.cost(len(matrix)) * 9_000))
        return super().predict(matrix)


def test_a_busy_machine_makes_no_engine_slow() -> None:
    """It answers in the loop's thread as it does where nobody else works; one that waits is as slow as its wait."""
    for made, inline in ((Interrupted(lambda n: 5 + 1.0 * n), True), (Waiting(lambda n: 150 + 1.0 * n), False)):
        found = warmed(made, X[:32], clock_ns=made.clock_ns, worked_ns=made.worked_ns)
        assert found.inline is inline


def test_it_costs_about_its_budget() -> None:
    """Even where a single row takes seconds, it is tried once or twice and no more."""
    for cost_us in (3.0, 800.0, 50_000.0, 3e6):
        engine = Priced(lambda n, c=cost_us: c * n)  # type: ignore[misc]
        warmed(engine, X[:32], clock_ns=engine.clock_ns, worked_ns=engine.worked_ns)
        assert engine.now_ns / 1e6 < 3 * BUDGET_MS + 3 * cost_us / 1e3


def test_the_same_rows_are_not_measured_again_and_again() -> None:
    """A processor learns the branches of rows that it has seen: each run gets others, of plausible values."""
    engine = Priced(lambda n: 500.0)
    warmed(engine, X[:32], clock_ns=engine.clock_ns, worked_ns=engine.worked_ns)
    singles = {m.tobytes() for m in engine.asked if len(m) == 1}
    assert len(singles) > 10
    assert all(np.isin(m[:, 2], X[:32, 2]).all() for m in engine.asked)
    assert [s for s in SIZES if s in {len(m) for m in engine.asked}] == list(SIZES)


def test_nothing_to_measure_on_is_not_measured() -> None:
    """Without golden rows the careful answer stands."""
    engine = Priced(lambda n: 1.0)
    assert (
        warmed(engine, X[:0], clock_ns=engine.clock_ns, worked_ns=engine.worked_ns) == UNMEASURED
        and not UNMEASURED.inline
    )


def test_an_engine_that_fails_is_heard() -> None:
    """Measuring hides nothing: a release that cannot answer mixed rows says so."""

    class Failing(Priced):
        def predict(self, matrix: Any) -> Any:
            raise Broken("no")

    with pytest.raises(Broken):
        warmed(Failing(lambda n: 1.0), X[:8])
