"""A step is done once for the same inputs, and a killed one was never done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from plimsoll.errors import Broken, UsageError
from plimsoll.store import LocalObjects, SqlCatalog
from plimsoll.training import run_key, step

INPUTS = {"data": "ab" * 32, "seed": 7, "params": {"trees": 60}}


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[tuple[SqlCatalog, LocalObjects]]:
    catalog = SqlCatalog(f"sqlite:///{tmp_path}/catalog.db")
    yield catalog, LocalObjects(tmp_path / "objects")
    catalog.close()


@pytest.fixture
def ran(stores: Any, clock: Any) -> Callable[..., Any]:
    """Runs a step and counts how often its work was done."""
    catalog, objects = stores
    done: list[int] = []

    def run(content: bytes = b"model", **inputs: Any) -> tuple[Any, int]:
        def work() -> dict[str, Any]:
            done.append(1)
            return {"artifacts": {"model": objects.put(content)}, "rows": 3}

        row = step(catalog, objects, name="train", inputs=INPUTS | inputs, work=work, clock=clock)
        return row, len(done)

    return run


def test_the_same_inputs_run_once(ran: Any, clock: Any) -> None:
    """The second time the first run is given back, outputs and all."""
    first, _ = ran()
    second, times = ran()
    assert (second, times) == (first, 1)
    assert first.outputs["rows"] == 3 and first.finished_at == clock.now()


def test_other_inputs_run_again(ran: Any) -> None:
    """Another seed is another run; so is another step with the same inputs."""
    one, _ = ran()
    two, times = ran(seed=8)
    assert times == 2 and one.key != two.key
    assert run_key("train", INPUTS) == one.key != run_key("evaluate", INPUTS)


def test_a_run_whose_artifact_was_collected_runs_again(ran: Any, stores: Any) -> None:
    """A digest without its bytes is no result."""
    row, _ = ran()
    stores[1].delete(row.outputs["artifacts"]["model"])
    again, times = ran()
    assert times == 2 and stores[1].get(again.outputs["artifacts"]["model"]) == b"model"


def test_a_run_whose_artifact_is_damaged_runs_again(ran: Any, stores: Any, tmp_path: Path) -> None:
    """A flipped byte is found at the reading, and made good."""
    row, _ = ran()
    what = row.outputs["artifacts"]["model"]
    path = next((tmp_path / "objects").rglob(what))
    path.chmod(0o600)
    path.write_bytes(b"modem")
    _, times = ran()
    assert times == 2 and stores[1].get(what) == b"model"


def test_an_artifact_that_was_not_put_is_broken(stores: Any, clock: Any) -> None:
    """A step cannot claim what it did not keep; nothing is recorded."""
    catalog, objects = stores
    with pytest.raises(Broken, match="names the model abababababab, which it did not put"):
        step(
            catalog,
            objects,
            name="train",
            inputs=INPUTS,
            work=lambda: {"artifacts": {"model": "ab" * 32}},
            clock=clock,
        )
    assert catalog.find_run(run_key("train", INPUTS)) is None


def test_a_step_that_raises_leaves_no_run(stores: Any, clock: Any) -> None:
    """The error goes through, and the next attempt does the work."""
    catalog, objects = stores

    def work() -> dict[str, Any]:
        raise UsageError("no rows")

    with pytest.raises(UsageError, match="no rows"):
        step(catalog, objects, name="train", inputs=INPUTS, work=work, clock=clock)
    assert catalog.find_run(run_key("train", INPUTS)) is None


@pytest.mark.parametrize("value", [Path("x"), float("nan"), b"bytes", {"nested": {1, object()}}])
def test_an_input_that_is_not_json_is_named(value: Any) -> None:
    """Before anything runs."""
    with pytest.raises(UsageError, match="the input 'rows' cannot be part of a key"):
        run_key("train", {"rows": value})


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from plimsoll.store import LocalObjects, SqlCatalog
from plimsoll.training import step
class Clock:
    def now(self): return datetime(2013, 2, 1, tzinfo=UTC)
objects = LocalObjects(sys.argv[1] + "/objects")
def work():
    objects.put(b"half of it")
    os.kill(os.getpid(), signal.SIGKILL)
step(SqlCatalog(f"sqlite:///{sys.argv[1]}/catalog.db"), objects, name="train", inputs={"seed": 1}, work=work,
     clock=Clock())
"""


def test_a_killed_step_was_never_done(tmp_path: Path, clock: Any) -> None:
    """kill -9 in the middle records no run; the next start does it from the beginning."""
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], env=dict(os.environ), check=False)
    assert killed.returncode == -signal.SIGKILL
    catalog, objects = SqlCatalog(f"sqlite:///{tmp_path}/catalog.db"), LocalObjects(tmp_path / "objects")
    assert catalog.find_run(run_key("train", {"seed": 1})) is None
    row = step(catalog, objects, name="train", inputs={"seed": 1}, work=lambda: {"rows": 1}, clock=clock)
    assert row.outputs == {"rows": 1}
    catalog.close()
