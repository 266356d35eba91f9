"""A tenant's way to a capability, with its limits. Everything here is synchronous: taking is arithmetic under a lock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from plimsoll.errors import Unavailable, UsageError
from plimsoll.sections import Limits
from plimsoll.serving.admission.bucket import Bucket
from plimsoll.serving.admission.policies import LimitPolicy, policy_of
from plimsoll.serving.admission.sharing import SharedLimits
from plimsoll.serving.admission.tenant import Tenant
from plimsoll.serving.refusals import Limited

CAPACITY = 50_000
"""Lanes of one process. Idle ones are forgotten when there are more: forgetting those changes nothing."""


class Rate(Protocol):
    """So many in a time: a bucket of this process, or its part of one that several share."""

    def take(self, count: int, now_s: float) -> float:
        """0.0 if taken, else the seconds until it may be. Raises Unavailable where a closed limit cannot be asked."""
        ...

    def idle(self, now_s: float) -> bool:
        """Whether forgetting it would change nothing."""
        ...


class Slots(Protocol):
    """So many at a time, over all processes that share the limit."""

    def enter(self, inside: int, now_s: float) -> float:
        """0.0 if one more than ``inside`` may be in this process, else seconds. Raises as ``Rate.take`` does."""
        ...

    def leave(self, inside: int) -> None:
        """``inside`` are left in this process."""
        ...


class Lane:
    """The limits of one tenant on one capability. ``rate`` and ``slots`` are shared ones; without, they are its own."""

    __slots__ = ("_lock", "_rate", "_slots", "_who", "inside", "policy")

    def __init__(self, policy: LimitPolicy, who: str, rate: Rate | None = None, slots: Slots | None = None) -> None:
        self.policy = policy
        self.inside = 0
        self._who = who
        self._rate = rate or (Bucket(policy.per_s, policy.burst) if policy.per_s else None)
        self._slots = slots
        self._lock = threading.Lock()

    def enter(self, questions: int, now_s: float) -> None:
        """Let one request with ``questions`` in. Raises Limited with the time after which it may fit.

        Raises UsageError for a request that is larger than the burst: it would never fit.
        """
        policy = self.policy
        self._fits(questions)
        with self._lock:
            self._take(questions, now_s)
            wait_s = self._slot(now_s) if policy.concurrent else 0.0
            if wait_s:
                raise self._refusal(f"{policy.concurrent} requests at a time", wait_s)
            self.inside += 1

    def more(self, questions: int, now_s: float) -> None:
        """A request that was let in turns out to have so many more: only its body says how many. Raises as ``enter``."""
        self._fits(questions + 1)
        with self._lock:
            self._take(questions, now_s)

    def leave(self) -> None:
        with self._lock:
            self.inside -= 1
            if self._slots is not None:
                self._slots.leave(self.inside)

    def idle(self, now_s: float) -> bool:
        return self.inside == 0 and (self._rate is None or self._rate.idle(now_s))

    def _fits(self, questions: int) -> None:
        if self._rate is not None and questions > self.policy.burst:
            raise UsageError(
                f"{self._who} may ask {self.policy.burst:g} questions at once, and this request has {questions}",
                hint="send fewer in one request",
            )

    def _take(self, questions: int, now_s: float) -> None:
        wait_s = self._rate.take(questions, now_s) if self._rate is not None else 0.0
        if wait_s:
            raise self._refusal(f"{self.policy.per_s:g} questions a second", wait_s)

    def _slot(self, now_s: float) -> float:
        if self.inside >= self.policy.concurrent:
            return 1.0
        return self._slots.enter(self.inside, now_s) if self._slots is not None else 0.0

    def _refusal(self, limit: str, wait_s: float) -> Limited:
        return Limited(f"{self._who} may send {limit}", hint="slow down", retry_after_s=wait_s)


class Lanes:
    """Every lane of this process, made when it is first used; its part of a limit where the limit is ``shared``."""

    def __init__(
        self,
        limits: Limits,
        *,
        shared: SharedLimits | None = None,
        capacity: int = CAPACITY,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits, self._shared, self._capacity, self._now = limits, shared, capacity, now
        self._lanes: dict[tuple[Tenant, str], Lane | None] = {}
        self._lock = threading.Lock()
        self.forgotten = 0

    def of(self, tenant: Tenant, capability: str) -> Lane | None:
        """The lane, or None where nothing limits it. Raises Unavailable when too many are in use at once."""
        with self._lock:
            key = (tenant, capability)
            if key not in self._lanes:
                if len(self._lanes) >= self._capacity:
                    self._forget()
                self._lanes[key] = self._made(tenant, capability)
            return self._lanes[key]

    def _made(self, tenant: Tenant, capability: str) -> Lane | None:
        policy = policy_of(self._limits, tenant.name, capability)
        if not policy.limits:
            return None
        who, shared = f"tenant {tenant}" if tenant.name else "who has no key", self._shared
        if shared is None:
            return Lane(policy, who)
        rate = shared.rate(tenant, capability, policy) if policy.per_s else None
        return Lane(policy, who, rate, shared.slots(tenant, capability, policy) if policy.concurrent else None)

    def _forget(self) -> None:
        """Who holds a forgotten lane (a grant) must be verified again, or one tenant would have two buckets."""
        now_s = self._now()
        kept: dict[tuple[Tenant, str], Lane | None] = {
            key: lane for key, lane in self._lanes.items() if lane is not None and not lane.idle(now_s)
        }
        if len(kept) >= self._capacity:
            raise Unavailable(f"{len(kept)} tenants are asking at once; more are not kept apart here")
        self._lanes = kept
        self.forgotten += 1
