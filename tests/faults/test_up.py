"""`plimsoll up` from end to end, alone and beside another one, through signals, kills and a full disk."""

from __future__ import annotations

import resource
import signal
from pathlib import Path

import pytest
from processes import ORDER, Asking, Up, catalog_of, hold_lease, recorded, release_of, run, scaffold, until

from plimsoll.errors import Unavailable


def kinds(folder: Path) -> list[str]:
    catalog = catalog_of(folder)
    found = [line.entry.kind for line in catalog.ledger()]
    catalog.close()
    return found


def test_a_day_in_the_life_of_a_server(folder: Path) -> None:
    """Asked over OIP and by the client, told, rolled back from elsewhere, stopped with 0, and started again."""
    release = release_of(folder)
    hold_lease(folder, release)
    with Up(folder) as up, up.client() as client:
        answer = client.ask(**ORDER)
        assert answer.release == release and answer.score is not None
        tensors = [
            {"name": name, "shape": [1], "datatype": kind, "data": [ORDER[name]]}
            for name, kind in [("order_id", "BYTES"), ("channel", "BYTES"), ("price_eur", "FP64"), ("items", "INT64")]
        ]
        status, said = up.call("POST", "/v2/models/orders/infer", {"inputs": tensors})
        assert status == 200 and said["outputs"][1]["data"] == [release]
        assert said["outputs"][0]["data"][0] == pytest.approx(answer.score)
        assert client.tell(answer.event_id, 1).accepted == 1
        code, rolled = run(folder, "rollback", "--reason", "nonsense for shops")
        assert code == 0 and rolled["live"] == "fallback"
        until(lambda: client.ask(**ORDER).release == "fallback")
        assert up.stop() == 0
    with Up(folder) as again, again.client() as client:
        assert client.ask(**ORDER).release == "fallback"
        assert client.tell(answer.event_id, 1).duplicate == 1, "it knows what the one before was told"
        assert again.stop() == 0
    assert "rolled_back" in kinds(folder) and max(recorded(folder).values()) == 1
    assert run(folder, "log", "--verify")[0] == 0


def test_two_servers_on_one_home_both_serve_and_one_decides(folder: Path) -> None:
    """One starts the rollout; when that one is killed, the other decides about the next."""
    with Up(folder) as one, Up(folder) as two, one.client() as first, two.client() as second:
        until(lambda: "started" in kinds(folder))
        answers = [client.ask(**ORDER) for client in (first, second) for _ in range(5)]
        assert {a.release for a in answers} == {"fallback"}
        assert second.tell(answers[0].event_id, 0).accepted == 1, "either knows what the other answered"
        assert kinds(folder).count("started") == 1
        assert one.stop(signal.SIGKILL) == -9
        assert run(folder, "rollout", "abort", "--reason", "another is coming")[0] == 0
        path = folder / "capability.py"
        path.write_text(path.read_text().replace("owner=", "seed=5,\n    owner="))
        assert run(folder, "release", "--label", "second")[0] == 0
        until(lambda: kinds(folder).count("started") == 2)
        assert second.ask(**ORDER).release == "fallback" and two.stop() == 0
    assert set(recorded(folder)) >= {a.event_id for a in answers} and run(folder, "log", "--verify")[0] == 0


def test_a_server_that_stops_leaves_deciding_to_the_other_at_once(folder: Path) -> None:
    """A proper stop gives the lease back: nobody waits for it to run out."""
    text = (folder / "plimsoll.toml").read_text().replace("lease_s = 1.0", "lease_s = 600.0")
    (folder / "plimsoll.toml").write_text(text)
    with Up(folder) as one:
        one.hear("started")
        assert one.stop() == 0
    assert run(folder, "rollout", "abort", "--reason", "another is coming")[0] == 0
    path = folder / "capability.py"
    path.write_text(path.read_text().replace("owner=", "seed=6,\n    owner="))
    assert run(folder, "release")[0] == 0
    with Up(folder) as two:
        two.hear("started")
        assert two.stop() == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_stop_is_seen_before_it_is_felt(folder: Path, workers: str) -> None:
    """Under load: not ready any more, and still answering; whoever is sent elsewhere then has lost nothing."""
    with (folder / "plimsoll.toml").open("a") as settings:
        settings.write("[server]\ndrain_s = 600.0\n")
    with Up(folder, "--workers", workers) as up:
        asking = Asking(up.url)
        asking.until(10)
        assert up.call("GET", "/health/ready")[0] == 200
        up.process.send_signal(signal.SIGTERM)
        until(lambda: up.call("GET", "/health/ready")[0] == 503)
        asking.until(10)
        asking.end()
        assert asking.failed == 0 and up.stop() == 0
    found = recorded(folder)
    assert set(asking.acknowledged) <= set(found) and max(found.values()) == 1


def test_a_full_disk_is_503_and_afterwards_all_is_well(folder: Path) -> None:
    """What cannot be recorded is not answered; when there is space again it goes on, and nothing is doubled."""
    with Up(folder) as up, up.client(retries=0) as client:
        answered = [client.ask(**ORDER).event_id]
        resource.prlimit(up.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        with pytest.raises(Unavailable, match="recording events failed"):
            client.ask(**ORDER)
        status, said = up.call("POST", "/v1/capabilities/orders/ask", {"inputs": ORDER})
        assert status == 503 and said["error"]
        resource.prlimit(up.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        answered += [client.ask(**ORDER).event_id for _ in range(20)]
        assert up.stop() == 0
    found = recorded(folder)
    assert set(answered) == set(found) and max(found.values()) == 1


def test_kill_9_of_the_whole_thing_repairs_and_goes_on(folder: Path) -> None:
    """Three times, while asked: what was answered is there, and the rollout is where it was."""
    answered: list[str] = []
    for _ in range(3):
        with Up(folder) as up, up.client(retries=0) as client:
            until(lambda: "started" in kinds(folder))
            answered += [client.ask(**ORDER).event_id for _ in range(15)]
            assert up.stop(signal.SIGKILL) == -9
    assert kinds(folder).count("started") == 1 and set(answered) <= set(recorded(folder))
    code, status = run(folder, "status")
    assert code == 0 and status["capabilities"][0]["rollout"]["stage"] == "shadow"


def test_what_a_dead_server_left_is_repaired_and_said(folder: Path) -> None:
    """A record that was cut off in the middle: kept aside, named in the first lines, and in nobody's way."""
    with Up(folder) as up, up.client() as client:
        answered = client.ask(**ORDER).event_id
        assert up.stop(signal.SIGKILL) == -9
    (segment,) = (folder / ".plimsoll" / "events").glob("*.open")
    with segment.open("ab") as end:
        end.write(segment.read_bytes()[:40])
    with Up(folder) as again:
        assert any("repaired: segment" in said and "torn tail of 40 bytes" in said for said in again.said)
        assert again.stop() == 0
    assert set(recorded(folder)) == {answered} and run(folder, "log", "--verify")[0] == 0


def test_rows_are_pushed_to_a_running_server(tmp_path: Path) -> None:
    """Over HTTP; kept once, bad ones put aside, and there for the next release."""
    folder = scaffold(tmp_path / "orders")
    row = {"order_id": "p1", "ordered_at": "2025-02-01T10:00:00Z", "channel": "web", "price_eur": 30.0, "items": 2}
    with Up(folder) as up:
        status, said = up.call("POST", "/v1/features/orders", {"rows": [row, {"order_id": "p2"}], "ids": ["1", "2"]})
        assert status == 200, said
        assert said["quarantined"] >= 1 and said["accepted"] + said["quarantined"] == 2
        status, again = up.call("POST", "/v1/features/orders", {"rows": [row], "ids": ["1"]})
        assert again["accepted"] == 0
        status, said = up.call("POST", "/v1/features/ordres", {"rows": []})
        assert status == 400 and "ordres" in said["error"], said
        assert up.stop() == 0
