"""What `plimsoll up` writes down: no byte of a redacted value on the disk or in a log; a killed compaction loses nothing."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from processes import ORDER, Up, run, scaffold, until

from plimsoll.kernel.records import Event
from plimsoll.store import SegmentLog, has_sealed

SECRET = "wholesale-and-secret"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A capability that answers from its fallback and whose contract keeps ``channel`` private."""
    folder = scaffold(tmp_path / "orders")
    contract = folder / "contracts" / "orders.odcs.yaml"
    text = contract.read_text()
    assert '- name: "channel"' in text
    contract.write_text(text.replace('name: "channel"\n', 'name: "channel"\n        classification: confidential\n'))
    return folder


def holding(folder: Path, needle: bytes) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and needle in path.read_bytes()]


def test_a_redacted_value_is_in_no_byte_that_stays(folder: Path) -> None:
    """Not in the segments, not in the catalog, not in Parquet, not in what the server says; equal values stay equal."""
    with Up(folder) as up, up.client() as client:
        for order in ("o1", "o2"):
            client.ask(**ORDER | {"order_id": order, "channel": SECRET})
        up.call("POST", "/v1/capabilities/orders", {"inputs": ORDER | {"channel": SECRET, "items": "many"}})
        assert up.stop() == 0
        said = "".join([*up.said, *up.errors])
    events = folder / ".plimsoll" / "events"
    kept = [record for record in SegmentLog(events, writer="reader").read()[0] if isinstance(record, Event)]
    assert len(kept) == 2 and len({event.inputs["channel"] for event in kept}) == 1
    SegmentLog(events, writer="reader").compact()
    assert SECRET not in said and not holding(folder / ".plimsoll", SECRET.encode())


def test_the_key_of_redaction_is_its_owners_only(folder: Path) -> None:
    """And the same after a restart, so that hashes join over it."""
    values = set()
    for order in ("o1", "o2"):
        with Up(folder) as up, up.client() as client:
            client.ask(**ORDER | {"order_id": order})
            assert up.stop() == 0
    events = SegmentLog(folder / ".plimsoll" / "events", writer="reader").read()[0]
    values = {record.inputs["channel"] for record in events if isinstance(record, Event)}
    key = folder / ".plimsoll" / "recording" / "recording.key"
    assert len(values) == 1 and key.stat().st_mode & 0o077 == 0


def test_events_are_asked_while_they_are_recorded(folder: Path) -> None:
    """The open segment too; ``inputs`` has the contract's types."""
    with Up(folder) as up, up.client() as client:
        client.ask(**ORDER)
        code, rows = run(folder, "events", "--sql", "SELECT inputs.items AS items, action FROM events")
        assert (code, rows) == (0, [{"items": 2, "action": "fallback"}])
        assert up.stop() == 0


def test_a_server_that_is_killed_leaves_a_log_that_compacts(folder: Path) -> None:
    """The next one seals what was open."""
    with Up(folder) as up, up.client() as client:
        client.ask(**ORDER)
        up.stop(signal.SIGKILL)
    events = folder / ".plimsoll" / "events"
    with Up(folder) as up:
        until(lambda: up.call("GET", "/health/live")[0] == 200 and has_sealed(events))
        assert up.stop() == 0
    log = SegmentLog(events, writer="reader")
    log.compact()
    assert [r.inputs["items"] for r in log.read()[0] if isinstance(r, Event)] == [2] and list(log.verify()) == []
