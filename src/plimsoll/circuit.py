"""A circuit for each dependency: what keeps failing is left alone for a while, then tried once.

The breaker of Nygard 2007 (*Release It!*): a dependency that is down is not asked, so that requests get their second
best at once instead of each waiting for the time-out, and the dependency is not hammered while it comes back. The
states are a table; whatever is not in it changes nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, NamedTuple

State = Literal["closed", "open", "half_open"]
Happened = Literal["succeeded", "failed", "tripped", "waited"]

TABLE = MappingProxyType(
    {
        ("closed", "tripped"): "open",
        ("open", "waited"): "half_open",
        ("half_open", "succeeded"): "closed",
        ("half_open", "failed"): "open",
    }
)
"""(state, what happened) → state."""


class Limits(NamedTuple):
    """``failures`` in a row trip it; it rests for ``rest_s``, twice as long after each try that failed, up to
    ``most_rest_s``."""

    failures: int = 5
    rest_s: float = 1.0
    most_rest_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """One dependency's state. ``failures``: in a row. ``until_s``: when an open one may be tried. ``rest_s``: the next
    rest."""

    state: State = "closed"
    failures: int = 0
    until_s: float = 0.0
    rest_s: float = 0.0


def told(circuit: Circuit, happened: Literal["succeeded", "failed"], now_s: float, limits: Limits) -> Circuit:
    """The circuit after a call. A call that began before it opened, and ends now, changes nothing."""
    if circuit.state == "half_open":
        return _moved(circuit, happened, now_s, limits)
    if circuit.state == "open":
        return circuit
    if happened == "succeeded":
        return circuit if not circuit.failures else replace(circuit, failures=0)
    counted = replace(circuit, failures=circuit.failures + 1)
    return _moved(counted, "tripped", now_s, limits) if counted.failures >= limits.failures else counted


def looked(circuit: Circuit, now_s: float, limits: Limits) -> Circuit:
    """The circuit when somebody wants to call: an open one that has rested may be tried."""
    if circuit.state == "open" and now_s >= circuit.until_s:
        return _moved(circuit, "waited", now_s, limits)
    return circuit


def _moved(circuit: Circuit, happened: Happened, now_s: float, limits: Limits) -> Circuit:
    state = TABLE.get((circuit.state, happened))
    if state is None:
        return circuit
    if state == "closed":
        return Circuit()
    if state == "half_open":
        return replace(circuit, state="half_open")
    rest_s = circuit.rest_s or limits.rest_s
    return Circuit(
        state="open",
        failures=circuit.failures,
        until_s=now_s + rest_s,
        rest_s=min(limits.most_rest_s, 2.0 * rest_s),
    )


class Breaker:
    """A circuit that several threads use. In the half-open state one call is let through; the others are refused
    until it is told how that one went."""

    def __init__(self, now_s: Callable[[], float], limits: Limits | None = None) -> None:
        self._now_s = now_s
        self._limits = limits or Limits()
        self._circuit = Circuit()
        self._trying_until_s: float | None = None
        self.troubled = False
        """Whether there is anything to ask or to tell: False while all is well, which is the usual case."""
        self._one_at_a_time = threading.Lock()

    @property
    def state(self) -> State:
        return self._circuit.state

    @property
    def is_due(self) -> bool:
        """Whether an open circuit has rested, so that the next call would be a try."""
        return self._circuit.state == "open" and self._now_s() >= self._circuit.until_s

    def allows(self) -> bool:
        """Whether the dependency may be called now. Whoever is allowed must say how it went: ``succeeded`` or
        ``failed``; a try that nobody hears of again is given up after ``most_rest_s``."""
        if not self.troubled:
            return True
        with self._one_at_a_time:
            now_s = self._now_s()
            self._circuit = looked(self._circuit, now_s, self._limits)
            if self._circuit.state != "half_open":
                return self._circuit.state == "closed"
            if self._trying_until_s is not None and now_s < self._trying_until_s:
                return False
            self._trying_until_s = now_s + self._limits.most_rest_s
            return True

    def succeeded(self) -> None:
        if self.troubled:
            self._tell("succeeded")

    def failed(self) -> None:
        self._tell("failed")

    def _tell(self, happened: Literal["succeeded", "failed"]) -> None:
        with self._one_at_a_time:
            self._circuit = told(self._circuit, happened, self._now_s(), self._limits)
            self._trying_until_s = None
            self.troubled = self._circuit != Circuit()
