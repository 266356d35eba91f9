"""A model that leaks memory: its worker is replaced in good order, and people are told."""

from __future__ import annotations

from pathlib import Path

from processes import Asking, Up, recorded, run, scaffold
from test_workers import metric, started

LEAK = """
KEPT = []


def fallback(columns):
    KEPT.append(b"x" * 8_000_000)
    return"""


def test_a_worker_that_leaks_is_replaced_and_nobody_notices(tmp_path: Path) -> None:
    """Over its limit it is drained while the other answers; it is said, counted, and found by the doctor."""
    folder = scaffold(tmp_path / "orders")
    declared = folder / "capability.py"
    text = declared.read_text()
    head, _, tail = text.partition("def fallback(columns):")
    declared.write_text(head.rstrip("\n") + LEAK + tail.partition("    return")[2])
    with (folder / "plimsoll.toml").open("a") as settings:
        settings.write("[server]\nmemory_limit_mb = 500\n")
    with Up(folder, "--workers", "2") as up:
        before = started(up)
        asking = Asking(up.url)
        why = up.hear("is replaced: the process holds")
        assert "and 500 are allowed, with nothing left to unload" in why
        name = why.partition(" is replaced")[0]
        up.hear(f"{name} is ready")
        asking.until(5)
        asking.end()
        assert asking.failed == 0 and started(up)[name] != before[name]
        assert metric(up, "plimsoll_worker_restarts_total") >= 1
        assert up.stop() == 0
    assert set(asking.acknowledged) <= set(recorded(folder))
    (found,) = [f for f in run(folder, "doctor")[1]["findings"] if f["what"] == "workers"]
    assert found["state"] == "warning" and f"{name} was replaced" in found["said"] and "holds" in found["said"]
