"""`plimsoll up --workers` over several capabilities: all workers serve all of them, and none of it depends on one."""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import ORDER, Asking, Up, recorded, release_of, run, until
from test_services import NATS, Own, Stream, own_nats  # noqa: F401 - a fixture
from test_workers import exposition, started
from tests.serving.calling import Channel, infer_request

from plimsoll.kernel.columns import Events
from plimsoll.kernel.records import Event
from plimsoll.store.events.reading import framed_records
from plimsoll.store.events.segments import listing

NAMES = ("orders", "returns")
TENSORS = [
    {"name": name, "shape": [1], "datatype": kind, "data": [ORDER[name]]}
    for name, kind in [("order_id", "BYTES"), ("channel", "BYTES"), ("price_eur", "FP64"), ("items", "INT64")]
]


@pytest.fixture
def grpc_port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setenv("PLIMSOLL_SERVER_GRPC_PORT", str(port))
    yield port


def versions(up: Up, capability: str) -> list[str]:
    """Of the deployment that each worker serves."""
    found = re.findall(rf'plimsoll_deployment_version{{worker="\d+",capability="{capability}"}} (\S+)', exposition(up))
    return list(map(str, found))


def over_grpc(port: int, name: str) -> str:
    """Who answered."""
    channel = Channel(f"127.0.0.1:{port}")
    try:
        reply = channel.call("ModelInfer", infer_request(TENSORS, model_name=name))
        release: bytes = reply.outputs[1].contents.bytes_contents[0]
        return release.decode()
    finally:
        channel.close()


def writers(shop: Path) -> dict[str, set[str]]:
    """Whose events each writer has recorded."""
    found: dict[str, set[str]] = {}
    for segment in listing(shop / ".plimsoll" / "events"):
        records = [record for some, _ in framed_records(segment, 0) for record in some]
        found.setdefault(segment.writer, set()).update(r.capability for r in records if isinstance(r, Event | Events))
    return found


def test_every_worker_answers_for_all_and_follows_a_rollback_of_one(shop: Path, grpc_port: int) -> None:
    """Over REST and gRPC; the other capability's release goes on."""
    releases = {name: release_of(shop, name) for name in NAMES}
    with Up(shop, "--workers", "2") as up:
        up.hear("returns is served")
        for name in NAMES:
            status, said = up.call("POST", f"/v2/models/{name}/infer", {"inputs": TENSORS})
            assert (status, said["outputs"][1]["data"]) == (200, [releases[name]])
            assert over_grpc(grpc_port, name) == releases[name]
        (before,) = set(versions(up, "orders"))
        code, rolled = run(shop, "rollback", "--capability", "orders", "--reason", "nonsense for shops")
        assert code == 0 and rolled["live"] == "fallback"
        until(lambda: len(now := versions(up, "orders")) == 2 and before not in now)
        for _ in range(20):  # new connections: both workers are among those who answer
            with up.client("orders") as orders, up.client("returns") as returns:
                assert orders.ask(**ORDER).release == "fallback"
                assert returns.ask(**ORDER).release == releases["returns"]
        assert over_grpc(grpc_port, "orders") == "fallback"
        assert up.stop() == 0
    assert len(found := [names for names in writers(shop).values() if names]) == 2
    assert all(names == set(NAMES) for names in found), "each worker records all of them, in segments of its own"


def test_a_killed_worker_costs_neither_capability_an_acknowledged_event(shop: Path) -> None:
    """kill -9 of one of two while both are asked, then a stop: what was acknowledged is there, once."""
    with Up(shop, "--workers", "2") as up:
        asking = [Asking(up.url, name) for name in NAMES]
        for each in asking:
            each.until(15)
        os.kill(started(up)["worker 2"], signal.SIGKILL)
        up.hear("worker 2 ended (killed by SIGKILL)")
        up.hear("worker 2 is ready")
        for each in asking:
            each.until(15)
        assert up.stop() == 0, "drained, although both go on asking"
        for each in asking:
            each.end()
    found = recorded(shop)
    for each in asking:
        assert set(each.acknowledged) <= set(found)
    assert set(found.values()) == {1}


def test_rows_over_nats_reach_the_tables_of_all(own_nats: Own, shop: Path) -> None:  # noqa: F811
    """One consumer, in the process that decides; a row of each table is taken once, whatever a worker is sent again."""
    stream = Stream(own_nats, consumer="plimsoll-orders-returns")
    with (shop / "plimsoll.toml").open("a") as settings:
        settings.write(NATS.format(port=own_nats.port))
    with Up(shop, "--workers", "2") as up:
        assert any("rows are taken from pushed.>" in said for said in up.said)
        for name in NAMES:
            stream.publish(f"{name}-1", table=name)
        until(stream.settled)
        for name in NAMES:
            again = {"rows": [{"order_id": "n1"}], "ids": [f"{name}-1:0"]}
            status, said = up.call("POST", f"/v1/features/{name}", again)
            assert (status, said["duplicate"], said["accepted"]) == (200, 1, 0)
            assert not said["applied"], "a worker leaves that to the loop"
        assert up.stop() == 0
