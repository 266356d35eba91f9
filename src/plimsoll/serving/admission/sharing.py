"""Limits that all replicas share through Redis, with leases: a replica takes a little ahead, and spends it by itself.

**Rate.** Tokens are taken out of the shared bucket before they are spent, so all replicas together never admit more
than ``burst + per_s × t`` in any ``t`` seconds since the limit was new. In a window that begins later, what replicas
hold unspent adds to it: at most one lease (``per_s × lease_s``, at least one token) each, and none that is older than
``lease_s``.

**At a time.** Slots are leased for ``_SLOT_LEASE_S`` and renewed at a third of it; the sum of the leases never exceeds
the limit. A replica that died gives its slots back when its lease ends; one that hung longer than that finds its lease
over and asks before it admits anybody else. Only those that were inside already then come on top.

Who has no lease asks at once, on the event loop, and everybody stands still meanwhile: for ``stall_ms`` at most. Redis
that is later than that is away, for this request; the lease is asked for again from a thread beside, with more patience.

Each lease is one call of one script, atomic in Redis, by the clock of Redis. Where that clock jumps, ahead or back by
more than a minute, it costs one burst more; where it goes back by less, that much waiting.
"""

from __future__ import annotations

import queue
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

from plimsoll.errors import Unavailable
from plimsoll.sections import Limits
from plimsoll.serving.admission.bucket import Bucket
from plimsoll.serving.admission.policies import LimitPolicy
from plimsoll.serving.admission.tenant import Tenant
from plimsoll.serving.redis_link import RedisLink

_SLOT_LEASE_S = 2.0

_TOKENS = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local each = 1000000 / ARGV[1]
local span = ARGV[2] * each
local full = tonumber(redis.call('GET', KEYS[1]) or now)
if full < now then full = now end
if full > now + span + 60000000 then full = now end
local free = math.floor((now + span - full) / each + 0.000001)
local granted = math.min(free, tonumber(ARGV[3]))
if granted < tonumber(ARGV[4]) then
  return {0, math.ceil(full + ARGV[4] * each - now - span)}
end
full = full + granted * each
redis.call('SET', KEYS[1], string.format('%.3f', full), 'PX', math.ceil((full - now) / 1000) + 1000)
return {granted, 0}
"""

_SLOTS = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lease = tonumber(ARGV[4])
local others = 0
local held = redis.call('HGETALL', KEYS[1])
for i = 1, #held, 2 do
  local slots, ends = string.match(held[i + 1], '(%d+):(%d+)')
  if tonumber(ends) <= now or tonumber(ends) > now + 10 * lease then
    redis.call('HDEL', KEYS[1], held[i])
  elseif held[i] ~= ARGV[1] then
    others = others + tonumber(slots)
  end
end
local granted = math.max(0, math.min(tonumber(ARGV[2]), tonumber(ARGV[3]) - others))
if granted == 0 then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], string.format('%d:%d', granted, now + lease))
  redis.call('PEXPIRE', KEYS[1], 10 * lease)
end
return granted
"""


class SharedRate:
    """This replica's part of a shared rate. Asked under its lane's lock; refilled beside, before it is empty."""

    def __init__(self, house: SharedLimits, key: str, policy: LimitPolicy) -> None:
        self._house, self._key, self._policy = house, key, policy
        self._lease = max(1, int(policy.per_s * house.lease_s))
        self._alone = Bucket(policy.per_s, policy.burst)
        self._lock = threading.Lock()
        self._stock, self._until_s, self._dry_until_s = 0, 0.0, 0.0
        self._asked = False

    def take(self, count: int, now_s: float) -> float:
        """0.0 if taken, else the seconds until it may be. Raises Unavailable where it is closed while Redis is away."""
        with self._lock:
            if self._spend(count, now_s):
                return 0.0
            if now_s < self._dry_until_s:
                return self._dry_until_s - now_s
            try:
                wait_s = self._fetch(count, now_s)
            except Unavailable as error:
                return self._without(count, now_s, error)
            return wait_s if wait_s or not self._spend(count, now_s) else 0.0

    def _spend(self, count: int, now_s: float) -> bool:
        if now_s >= self._until_s:
            self._stock = 0
        if self._stock < count:
            return False
        self._stock -= count
        if self._stock <= self._lease // 4 and not self._asked and self._lease > 1:
            self._asked = True
            self._house.ask(self)
        return True

    def _fetch(self, count: int, now_s: float) -> float:
        """Take a lease that has room for ``count``; the seconds to wait where the bucket has none."""
        want = max(count, self._lease)
        granted, wait_us = self._house.take_tokens(self._key, self._policy, want, count)
        if not granted:
            self._dry_until_s = now_s + wait_us / 1e6
            return max(wait_us / 1e6, 1e-6)
        self._stock, self._until_s = self._stock + granted, now_s + self._house.lease_s
        return 0.0

    def refill(self) -> None:
        """From the thread beside: as much as was spent, if there is any."""
        with self._lock:
            self._asked = False
            now_s = self._house.now()
            if now_s >= self._until_s:
                self._stock = 0
            want = self._lease - self._stock
            if want <= 0 or now_s < self._dry_until_s:
                return
        try:
            granted, _ = self._house.take_tokens(self._key, self._policy, want, 1, beside=True)
        except Unavailable:
            return
        with self._lock:
            if now_s >= self._until_s:
                self._stock = 0
            self._stock, self._until_s = self._stock + granted, now_s + self._house.lease_s

    def _without(self, count: int, now_s: float, error: Unavailable) -> float:
        """Redis is away, or late: this replica's own bucket counts, or nobody gets in, as was declared. The next ones may
        find the lease that the thread beside was given."""
        if not self._asked:
            self._asked = True
            self._house.ask(self)
        if self._policy.when_away == "closed":
            raise _closed(error)
        return self._alone.take(count, now_s)

    def idle(self, now_s: float) -> bool:
        return now_s >= self._until_s and self._alone.idle(now_s)


def _closed(error: Unavailable) -> Unavailable:
    return Unavailable("the limit cannot be asked now, and is closed until it can", retry_after_s=error.retry_after_s)


class SharedSlots:
    """This replica's part of a shared number of requests at a time. Asked under its lane's lock."""

    def __init__(self, house: SharedLimits, key: str, policy: LimitPolicy) -> None:
        self._house, self._key, self._policy = house, key, policy
        self._step = max(1, policy.concurrent // 16)
        self._lock = threading.Lock()
        self._leased, self._until_s, self._dry_until_s = 0, 0.0, 0.0
        self._inside = 0

    def enter(self, inside: int, now_s: float) -> float:
        """0.0 if one more than ``inside`` may be in here, else seconds. Raises as ``SharedRate.take`` does."""
        with self._lock:
            if inside >= self._leased or now_s >= self._until_s:
                wait_s = self._more(inside, now_s)
                if wait_s:
                    return wait_s
            self._inside = inside + 1
            return 0.0

    def leave(self, inside: int) -> None:
        self._inside = inside

    def _more(self, inside: int, now_s: float) -> float:
        if now_s < self._dry_until_s:
            return self._dry_until_s - now_s
        try:
            self._lease(inside + self._step, now_s)
        except Unavailable as error:
            if self._policy.when_away == "closed":
                raise _closed(error) from error
            return 0.0  # the lane's own count goes on limiting this replica
        self._house.hold(self)
        if inside < self._leased:
            return 0.0
        self._dry_until_s = now_s + self._house.lease_s
        return self._house.lease_s

    def _lease(self, want: int, now_s: float, *, beside: bool = False) -> None:
        self._leased = self._house.take_slots(self._key, want, self._policy.concurrent, beside=beside)
        self._until_s = now_s + _SLOT_LEASE_S

    def renew(self) -> bool:
        """Keep what is needed and give back the rest; False where nothing is held any more."""
        with self._lock:
            want = self._inside + self._step if self._inside else 0
            try:
                self._lease(want, self._house.now(), beside=True)
            except Unavailable:
                return True
            return self._leased > 0


class SharedLimits:
    """The limits of all replicas, in one Redis. ``close`` ends the thread that refills and renews.

    ``link`` is the event loop's, with little patience; ``beside`` is the thread's.
    """

    def __init__(self, limits: Limits, *, prefix: str = "plimsoll", now: Callable[[], float] = time.monotonic) -> None:
        self.link = RedisLink(limits.shared, timeout_ms=min(limits.stall_ms, limits.timeout_ms), now=now)
        self.beside = RedisLink(limits.shared, timeout_ms=limits.timeout_ms, now=now)
        self.lease_s, self.now = limits.lease_s, now
        self._prefix, self._me = prefix, uuid.uuid4().hex
        self._asking: queue.SimpleQueue[SharedRate | None] = queue.SimpleQueue()
        self._holding: dict[SharedSlots, None] = {}
        self._scripts: dict[str, Any] = {}
        self._thread = threading.Thread(target=self._run, name="plimsoll-limits", daemon=True)
        self._thread.start()

    def rate(self, tenant: Tenant, capability: str, policy: LimitPolicy) -> SharedRate:
        return SharedRate(self, self._key("rate", tenant, capability), policy)

    def slots(self, tenant: Tenant, capability: str, policy: LimitPolicy) -> SharedSlots:
        return SharedSlots(self, self._key("slots", tenant, capability), policy)

    def _key(self, kind: str, tenant: Tenant, capability: str) -> str:
        """Lengths first: no tenant can be named so that it meets another's key."""
        return f"{self._prefix}:{kind}:{len(tenant.name)}:{tenant.name}:{capability}"

    @property
    def failures(self) -> int:
        """Calls that failed, since the start."""
        return self.link.failures + self.beside.failures

    def take_tokens(
        self, key: str, policy: LimitPolicy, want: int, least: int, *, beside: bool = False
    ) -> tuple[int, int]:
        """(granted, microseconds to wait): ``want`` or as many as there are, and none rather than fewer than ``least``."""
        granted, wait_us = self._script(beside, _TOKENS, key, policy.per_s, policy.burst, want, least)
        return int(granted), int(wait_us)

    def take_slots(self, key: str, want: int, limit: int, *, beside: bool = False) -> int:
        return int(self._script(beside, _SLOTS, key, self._me, want, limit, int(_SLOT_LEASE_S * 1000)))

    def _script(self, beside: bool, text: str, key: str, *arguments: Any) -> Any:
        def work(client: Any) -> Any:
            script = self._scripts.get(text) or self._scripts.setdefault(text, client.register_script(text))
            return script(keys=[key], args=arguments, client=client)

        return (self.beside if beside else self.link).call(work)

    def ask(self, rate: SharedRate) -> None:
        self._asking.put(rate)

    def hold(self, slots: SharedSlots) -> None:
        self._holding[slots] = None

    def _run(self) -> None:
        renew_at_s = self.now()
        while True:
            try:
                asking = self._asking.get(timeout=_SLOT_LEASE_S / 3)
                if asking is None:
                    return
                asking.refill()
            except queue.Empty:
                pass
            if self.now() >= renew_at_s:
                renew_at_s = self.now() + _SLOT_LEASE_S / 3
                for slots in list(self._holding):
                    if not slots.renew():
                        self._holding.pop(slots, None)

    def close(self) -> None:
        self._asking.put(None)
        self._thread.join(timeout=5)
        self.link.close()
        self.beside.close()
