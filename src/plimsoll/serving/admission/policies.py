"""Which limits hold for whom: the first rule that fits a tenant and a capability, else what holds for all."""

from __future__ import annotations

from typing import Literal

import msgspec

from plimsoll.sections import Limits, Rule


class LimitPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of one tenant on one capability. 0 is no limit."""

    per_s: float = 0.0
    burst: float = 0.0
    concurrent: int = 0
    when_away: Literal["open", "closed"] = "open"

    @property
    def limits(self) -> bool:
        return bool(self.per_s or self.concurrent)


def policy_of(limits: Limits, tenant: str, capability: str) -> LimitPolicy:
    """The limits that hold for ``tenant`` on ``capability``."""
    for rule in limits.rules:
        if rule.tenant in ("*", tenant) and rule.capability in ("*", capability):
            return _policy(rule)
    return _policy(limits)


def _policy(said: Rule | Limits) -> LimitPolicy:
    """A burst that was not said is one second's worth, and at least one request."""
    return LimitPolicy(
        per_s=said.requests_per_s,
        burst=max(1.0, said.burst or said.requests_per_s),
        concurrent=said.concurrent,
        when_away=said.when_away,
    )
