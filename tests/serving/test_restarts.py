"""Which workers were replaced, written down beside their metrics."""

from __future__ import annotations

from pathlib import Path

import pytest

from plimsoll.serving.gathering import Gathered
from plimsoll.serving.restarts import Restarts, restarts_in


def test_what_was_noted_is_kept_and_in_everybodys_metrics(tmp_path: Path) -> None:
    """By the next supervisor, too; counts begin again with it."""
    for worker in ("worker 1", "worker 2"):
        restarts = Restarts(tmp_path)
        restarts.note(worker, "memory", "it holds 9 MB")
        restarts.renew()
    assert [(each.worker, each.why, each.said) for each in restarts_in(tmp_path)] == [
        ("worker 1", "memory", "it holds 9 MB"),
        ("worker 2", "memory", "it holds 9 MB"),
    ]
    text = Gathered(tmp_path / "metrics", lambda: b"", worker="7").text().decode()
    assert 'plimsoll_worker_restarts_total{worker="supervisor",why="memory"} 1.0' in text


def test_a_place_that_cannot_be_written_ends_no_supervisor(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """On a full disk the workers are looked after all the same."""
    (tmp_path / "run").write_bytes(b"a file where the folder should be")
    restarts = Restarts(tmp_path / "run")
    restarts.note("worker 1", "died", "exit code 1")
    restarts.renew()
    assert restarts_in(tmp_path / "run") == [] and "could not be written" in caplog.text
