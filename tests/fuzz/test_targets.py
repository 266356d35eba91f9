"""Every target over its seeds, cut off and with noise in them: what ``make fuzz`` begins with is right itself."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .targets import TARGETS, door


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_keep_every_promise(name: str) -> None:
    """Whole, and cut off anywhere."""
    for seed in TARGETS[name].seeds:
        for end in range(len(seed), 0, -7):
            TARGETS[name].run(seed[:end])


def test_connections_are_answered() -> None:
    """What the fuzzer begins with gets as far as answers."""
    said = [door().said([seed[1:]]) for seed in TARGETS["http"].seeds]
    assert said == [[200, 200], [400], [200], [100, 400], [200]]


@pytest.mark.parametrize("name", TARGETS)
@given(st.data())
@settings(max_examples=60, deadline=None)
def test_noise_breaks_no_promise(name: str, data: st.DataObject) -> None:
    """Some bytes of a seed are others."""
    seed = bytearray(data.draw(st.sampled_from(TARGETS[name].seeds)))
    at = data.draw(st.integers(0, len(seed)))
    seed[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=8))
    TARGETS[name].run(bytes(seed))
