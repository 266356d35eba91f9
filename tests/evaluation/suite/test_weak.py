"""Weak segments are found on some blocks and confirmed on others; luck is not confirmed."""

from __future__ import annotations

from typing import Any

import numpy as np

from plimsoll.evaluation.suite.bins import Binned, binned
from plimsoll.evaluation.suite.weak import Weak, weak_segments

LEVELS = {"carrier": tuple("ABCDEF"), "origin": ("EWR", "JFK", "LGA")}


def rows(seed: int = 0, *, weak: float = 0.0, blocks: int = 20, each: int = 300) -> tuple[Any, Any, Binned]:
    """Losses with a day's own luck; ``weak`` more for carrier B in the evening."""
    rng = np.random.default_rng(seed)
    n = blocks * each
    days = np.repeat(np.arange(blocks), each)
    X = np.stack([rng.integers(0, 6, n), rng.integers(0, 3, n), rng.uniform(0, 24, n), rng.normal(size=n)], axis=1)
    losses = rng.exponential(0.5, n) * np.exp(rng.normal(0, 0.3, blocks))[days]
    losses = losses + weak * ((X[:, 0] == 1) & (X[:, 2] >= 18))
    return losses, days, binned(X.astype(np.float32), ["carrier", "origin", "hour", "noise"], LEVELS)


def confirmed(found: Weak) -> list[tuple[str, ...]]:
    return [s.conditions for s in found.segments if s.confirmed]


def test_a_weak_pair_is_found_and_confirmed() -> None:
    """By name, with its size, what it loses and a bound above zero."""
    losses, days, features = rows(weak=0.6)
    found = weak_segments("log_loss", losses, days, features)
    first = found.segments[0]
    assert first.confirmed and first.conditions[0] == "carrier = B" and first.conditions[1].startswith("hour 18")
    assert 0.2 < first.low < first.difference < 0.8 and 0.03 < first.share < 0.05 and first.blocks == 10
    assert found.looked_at > 50 and len(found.segments) <= 10


def test_what_luck_finds_luck_does_not_confirm() -> None:
    """Of forty searches through rows without a weak segment, 5 % at most confirm one; more than five would be chance."""
    lucky = sum(bool(confirmed(weak_segments("log_loss", *rows(seed)))) for seed in range(40))
    assert lucky <= 5


def test_a_weakness_that_is_gone_is_not_confirmed() -> None:
    """Found early, tested late."""
    losses, days, features = rows(weak=0.6)
    healed, _, _ = rows(weak=0.0)
    found = weak_segments("log_loss", np.where(days < 10, losses, healed), days, features)
    assert found.segments and not confirmed(found)


def test_rows_without_an_outcome_say_nothing() -> None:
    """Few rows, none, or a single block: no segments, and no error."""
    losses, days, features = rows(weak=0.6)
    for kept in (days < 0, days == 3, np.arange(len(days)) % 100 == 0):
        assert weak_segments("log_loss", np.where(kept, losses, np.nan), days, features).segments == ()
    nothing = binned(np.empty((len(days), 0), dtype=np.float32), [], {})
    assert weak_segments("log_loss", losses, days, nothing).looked_at == 0


def test_segments_that_are_one_are_told_once() -> None:
    """A column that is another's copy adds no second name."""
    losses, days, features = rows(weak=0.6)
    twice = Binned(
        names=(*features.names, "again"),
        codes=np.column_stack([features.codes, features.codes[:, 0]]),
        parts=(*features.parts, features.parts[0]),
    )
    assert confirmed(weak_segments("log_loss", losses, days, twice)) == confirmed(
        weak_segments("log_loss", losses, days, features)
    )
