"""What is wrong with a set-up is found, named, and comes with what to do."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from plimsoll.kernel.chain import Entry
from plimsoll.scaffold import sample_plan, write
from plimsoll.store import Checkpoints, SqlCatalog


@pytest.fixture
def look(run: Any, home: Any, tmp_path: Path) -> Any:
    """The findings about the home, by what they are about; of several about one thing, the worst."""

    def look(*arguments: str | Path, folder: Path = tmp_path) -> tuple[int, dict[str, dict[str, str]]]:
        ran = run("doctor", folder, "--home", home.path, "--json", *arguments)
        order = ("ok", "warning", "fault")
        found = sorted(ran.document["findings"], key=lambda f: order.index(f["state"]))
        return ran.code, {f["what"]: f for f in found}

    return look


def settings_of(folder: Path, text: str) -> Path:
    (folder / "plimsoll.toml").write_text(text)
    return folder


def test_a_sound_set_up_has_no_fault(look: Any) -> None:
    """Exit code 0; what was looked at is said, so that silence is not taken for health."""
    code, found = look()
    assert code == 0 and {"python", "settings", "home", "disk", "catalog", "ledger", "port"} <= found.keys()
    assert found["catalog"]["said"].startswith("1 capabilities")


def test_doctor_makes_nothing(run: Any, tmp_path: Path) -> None:
    """A home that is not there is a warning, and still not there afterwards."""
    ran = run("doctor", tmp_path, "--home", tmp_path / "none", "--json")
    assert ran.code == 0 and not (tmp_path / "none").exists()
    assert any(f["what"] == "home" and "plimsoll release" in f["hint"] for f in ran.document["findings"])


def test_a_slip_in_the_settings_is_a_finding(look: Any, tmp_path: Path) -> None:
    """Not a traceback: the file, the line and the nearest right name."""
    code, found = look(folder=settings_of(tmp_path, "[server]\nprot = 1\n"))
    assert code == 3 and "line 2" in found["settings"]["said"] and "server.port" in found["settings"]["hint"]


def test_a_damaged_object_of_a_deployed_release_is_at_fault(look: Any, home: Any) -> None:
    """The release that serves is named, and what to do."""
    for path in (home.path / "objects").rglob("*"):
        if path.is_file():
            path.chmod(0o600)
            path.write_bytes(b"something else")
    code, found = look()
    assert code == 3 and "the model of release" in found["objects"]["said"] and "backup" in found["objects"]["hint"]


def test_a_ledger_that_ends_before_its_checkpoint_is_at_fault(look: Any, home: Any) -> None:
    """A cut tail shows without reading the whole chain."""
    Checkpoints(home.path / "checkpoints").mark(99, "00" * 32, datetime(2025, 3, 9, tzinfo=UTC))
    code, found = look()
    assert code == 3 and "line 99" in found["ledger"]["said"]


def test_a_key_that_others_may_read_is_at_fault(look: Any, home: Any) -> None:
    """With the command that mends it."""
    key = home.path / "checkpoints" / "checkpoints.key"
    key.chmod(0o644)
    code, found = look()
    assert code == 3 and found["keys"]["hint"] == f"chmod 600 {key}"


def test_a_clock_behind_the_ledger_is_at_fault(look: Any, home: Any) -> None:
    """Nothing would be decided until it has caught up."""
    catalog = SqlCatalog(f"sqlite:///{home.path}/catalog.db")
    ahead = datetime.now(UTC) + timedelta(hours=3)
    catalog.append([Entry(at=ahead, capability="returns", kind="note", subject="", summary="from the future")])
    catalog.close()
    code, found = look()
    assert code == 3 and "behind the newest line" in found["clock"]["said"]


def test_a_taken_port_is_said(look: Any, tmp_path: Path) -> None:
    """It may be this very server, so it is a warning."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, found = look(folder=settings_of(tmp_path, f"[server]\nport = {port}\n"))
    assert code == 0 and found["port"]["state"] == "warning" and str(port) in found["port"]["said"]


def test_a_webhook_that_nobody_answers_is_at_fault(look: Any, tmp_path: Path) -> None:
    """It is only connected to: a doctor raises no alarm."""
    code, found = look(folder=settings_of(tmp_path, '[webhook]\nurl = "http://127.0.0.1:9/hook"\n'))
    assert code == 3 and "does not answer" in found["webhook"]["said"]


def test_a_capability_that_cannot_be_loaded_is_a_finding(look: Any, tmp_path: Path) -> None:
    """Whatever is wrong in the file, the rest of the set-up is looked over too."""
    folder = tmp_path / "orders"
    write(sample_plan("orders", "binary"), folder)
    assert look(folder=folder)[1]["capability"]["said"].startswith("orders, owned by")
    (folder / "capability.py").write_text("import a_module_nobody_has\n")
    code, found = look(folder=folder)
    assert code == 3 and "a_module_nobody_has" in found["capability"]["said"] and "catalog" in found


def test_the_page_for_people_ends_with_a_count(run: Any, home: Any, tmp_path: Path) -> None:
    """One glance says whether to read on."""
    ran = run("doctor", tmp_path, "--home", home.path)
    assert ran.code == 0 and ran.out.strip().splitlines()[-1].endswith("to look at")
