"""`plimsoll up --workers`: many processes on one port, killed, replaced and stopped under load."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import threading
from pathlib import Path

import grpc
import pytest
from processes import PATIENCE_S, Asking, Up, hold_lease, recorded, release_of, run


def started(up: Up) -> dict[str, int]:
    """Name → process, of all that said that they are ready."""
    said = [line for line in up.said if "is ready (process" in line]
    return {line.partition(" is ready")[0]: int(line.rpartition(" ")[2].rstrip(")")) for line in said}


def exposition(up: Up) -> str:
    """What all workers counted."""
    connection = http.client.HTTPConnection("127.0.0.1", up.port, timeout=PATIENCE_S)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return text


def metric(up: Up, name: str) -> float:
    """The sum of a family over all workers and labels."""
    lines = [line for line in exposition(up).splitlines() if line.startswith(name + "{")]
    assert all('worker="' in line for line in lines)
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def test_a_killed_worker_costs_nobody_an_acknowledged_event(folder: Path) -> None:
    """kill -9 of one of two under load: the other goes on, another takes its place, and every answer that was given is
    in the log, once."""
    hold_lease(folder, release_of(folder))
    with Up(folder, "--workers", "2") as up:
        before = started(up)
        assert set(before) == {"the loop", "worker 1", "worker 2"}
        asking = Asking(up.url)
        asking.until(20)
        os.kill(before["worker 1"], signal.SIGKILL)
        up.hear("worker 1 ended (killed by SIGKILL)")
        up.hear("worker 1 is ready")
        asking.until(20)
        asking.end()
        assert asking.failed == 0, "a connection that broke is tried again, and somebody is always there"
        assert up.stop() == 0
    found = recorded(folder)
    assert set(asking.acknowledged) <= set(found) and set(found.values()) == {1}


def test_workers_count_together_and_show_one_page(folder: Path) -> None:
    """A scrape of any worker has what all of them counted; the page and a stop are for the whole."""
    hold_lease(folder, release_of(folder))
    with Up(folder, "--workers", "2") as up:
        asking = Asking(up.url)
        asking.until(10)
        asking.end()
        answered = len(asking.acknowledged)
        while metric(up, "plimsoll_answers_total") < answered:  # the others' newest counts are a second old
            threading.Event().wait(0.05)
        assert metric(up, "plimsoll_answers_total") == answered
        connection = http.client.HTTPConnection("127.0.0.1", up.port, timeout=PATIENCE_S)
        connection.request("GET", "/")
        response = connection.getresponse()
        page = response.read().decode()
        connection.close()
        assert response.status == 200 and "What is live" in page and "orders" in page
        assert "default-src 'none'" in response.headers["content-security-policy"]
        workers = started(up)
        assert up.stop() == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers.values())


def test_a_hangup_replaces_every_worker_and_drops_no_request(folder: Path) -> None:
    """One by one, under load: new processes, and not one failed request."""
    hold_lease(folder, release_of(folder))
    with Up(folder, "--workers", "2") as up:
        before = started(up)
        asking = Asking(up.url)
        up.process.send_signal(signal.SIGHUP)
        up.hear("replacing 3")
        for _ in before:
            up.hear("is ready")
        asking.until(10)
        asking.end()
        after = started(up)
        assert set(after.values()).isdisjoint(before.values()) and asking.failed == 0
        assert up.stop() == 0
    assert set(asking.acknowledged) <= set(recorded(folder))


def test_a_port_that_is_taken_is_said_once(folder: Path) -> None:
    """By the supervisor, before any worker is started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, said = run(folder, "up", "--workers", "2", "--port", str(taken.getsockname()[1]))
    assert code == 2 and "is in use" in said["error"]


def test_a_supervisor_that_is_killed_leaves_no_worker_behind(folder: Path) -> None:
    """Nobody would restart them, and nobody would stop them: they drain and end."""
    with Up(folder, "--workers", "2") as up:
        workers = started(up)
        up.process.kill()
        up.process.wait(timeout=PATIENCE_S)
        while any(Path(f"/proc/{pid}").exists() for pid in workers.values()):
            threading.Event().wait(0.05)
        assert up.stop() == -signal.SIGKILL


def test_all_workers_answer_over_grpc_at_one_port(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And go on when one of them is replaced."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setenv("PLIMSOLL_SERVER_GRPC_PORT", str(port))
    with Up(folder, "--workers", "2") as up:
        os.kill(started(up)["worker 1"], signal.SIGKILL)
        up.hear("worker 1 is ready")
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            live = channel.unary_unary("/inference.GRPCInferenceService/ServerLive")
            assert live(b"", timeout=PATIENCE_S, wait_for_ready=True) == b"\x08\x01"
        assert up.stop() == 0
