"""The example's declaration: what it promises, and that a first release can be made of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from plimsoll.capability import Capability, load
from plimsoll.data import Contract

NAMES = ("data", "features", "model")


@pytest.fixture(scope="module")
def declared(folder: Path) -> Iterator[Capability]:
    """``examples/flights/capability.py``; its modules have common names, so what was there is put back."""
    before = {name: sys.modules.pop(name, None) for name in NAMES}
    yield load(folder)
    for name, was in before.items():
        sys.modules.pop(name, None)
        if was is not None:
            sys.modules[name] = was


def test_it_is_judged_by_days_of_new_york(declared: Capability) -> None:
    """The flights of a day share its weather; an event-wise sequence would call every storm a difference."""
    assert (declared.source.block, declared.source.timezone) == ("day", "America/New_York")


def test_both_stages_compare_with_the_champion_and_watch_the_machinery(declared: Capability) -> None:
    """Shadow and canary inherit the gate's comparison and the lease's operational limits."""
    assert [s.kind for s in declared.stages] == ["shadow", "canary", "live"]
    for stage in declared.stages[:-1]:
        assert [str(r) for r in stage.requires] == [
            "log_loss no worse than the champion by 0.015",
            "error_rate at most 0.005",
            "latency_p95_ms at most 50",
        ]


def test_every_column_that_it_names_is_in_its_contracts(declared: Capability) -> None:
    """Slices, times, the label, and what each view is asked by."""
    questions = Contract.load(declared.folder / declared.source.contract)
    source = declared.source
    named = [source.asked_at, source.unit, source.arrives_at, declared.task.label, *declared.slices]
    for name in (*named, *(view.entity for view in declared.views)):
        assert questions.column(name).name == name
    for table in declared.tables:
        assert Contract.load(declared.folder / table.contract).column(table.arrives_at).type == "timestamp"


def test_the_maturity_window_is_the_one_of_the_data(declared: Capability) -> None:
    """``final_at`` gives an outcome up 36 hours after the question; so does the loop."""
    assert declared.maturity.total_seconds() == 36 * 3600
