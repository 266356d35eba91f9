from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from plimsoll.errors import UsageError
from plimsoll.kernel.records import FALLBACK, Beside, Event
from plimsoll.kernel.rollout import Deployment
from plimsoll.serving.listening import listening

from .conftest import live, make_yard, packed, parcel, rolling, toy
from .running import Running, deploy, running, two_parcels


@pytest.fixture(scope="module")
def up(tmp_path_factory: Any) -> Iterator[Running]:
    """One server with one live release, for the tests that leave it as it is."""
    yard = make_yard(tmp_path_factory.mktemp("up"), toy())
    row = yard.release()
    with running(yard, live(row.digest), rows=[row]) as made:
        yield made
    yard.log.close()


def test_it_is_alive_and_ready(up: Running) -> None:
    """The health routes of the protocol and our own agree."""
    for path in ("/health/live", "/v2/health/live"):
        assert up.call("GET", path) == (200, {"live": True})
    for path in ("/health/ready", "/v2/health/ready"):
        assert up.call("GET", path) == (200, {"ready": True})


def test_metrics_are_in_the_exposition_format(up: Running) -> None:
    """What was answered is counted by role and action."""
    up.infer(*two_parcels())
    _, text, headers = up.call_raw("GET", "/metrics")
    assert 'plimsoll_answers_total{action="answer",capability="parcel-late",role="live"}' in text.decode()
    assert 'plimsoll_ready{capability="parcel-late"} 1.0' in text.decode()
    assert headers["content-type"].startswith("text/plain; version=")


def test_the_deployment_is_readable(up: Running) -> None:
    """Who serves which share, and what is loaded."""
    status, said = up.call("GET", "/v1/capabilities/parcel-late/deployment")
    assert status == 200
    assert list(said["shares"].values()) == [1.0]
    assert said["loaded"] == list(said["shares"])


def test_errors_have_one_shape(up: Running) -> None:
    """A path that is none and a method that is wrong are said in JSON, too."""
    assert up.call("GET", "/v3")[0] == 404
    status, said = up.call("GET", "/v1/outcomes")
    assert (status, said) == (405, {"error": "GET /v1/outcomes: Method Not Allowed"})


def test_a_question_may_be_plain_json(up: Running) -> None:
    """Its columns as fields, without tensors; a wrong one is named."""
    path = "/v1/capabilities/parcel-late"
    status, said = up.call("POST", path, parcel(1))
    assert (status, said["action"]) == (200, "answer")
    assert said["score"] == up.call("POST", f"{path}/ask", {"inputs": parcel(1)})[1]["score"]
    assert up.call("POST", f"{path}/", parcel(1))[0] == 200
    status, said = up.call("POST", path, parcel(1) | {"weight": "heavy"})
    assert (status, said) == (400, {"error": "the column 'weight' must be a number, not 'heavy'"})
    status, said = up.call("POST", path, parcel(1) | {"wieght": 1})
    assert (status, "did you mean 'weight'?" in said["error"]) == (400, True)


@pytest.mark.parametrize(
    "wrong",
    [
        {"floor": 2**63},
        {"floor": -(10**30)},
        {"floor": -(2**63) - 1},
        {"weight": 10**400},
        {"asked": "0001-01-01T00:00:00+14:00"},
        {"asked": "9999-12-31T23:59:59-12:00"},
    ],
    ids=str,
)
def test_what_could_not_be_recorded_is_refused(up: Running, wrong: dict[str, Any]) -> None:
    """Alone: it must not fail the turn that others are answered in."""
    status, said = up.call("POST", "/v1/capabilities/parcel-late", parcel(1) | wrong)
    assert (status, next(iter(wrong)) in said["error"]) == (400, True)


def test_numbers_and_times_may_be_written_otherwise(up: Running) -> None:
    """An integer beyond 64 bits is a number; T and Z may be small letters (RFC 3339)."""
    for other in ({"weight": 10**30}, {"floor": 2.0}, {"asked": "2026-03-01t12:00:00z"}):
        assert up.call("POST", "/v1/capabilities/parcel-late", parcel(1) | other)[0] == 200


def test_a_wrong_method_says_the_right_one(up: Running) -> None:
    """405 with Allow (RFC 9110, section 15.5.6)."""
    status, _, headers = up.call_raw("DELETE", "/v1/outcomes")
    assert (status, headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("key", ["", "with space", "x" * 256, "é"])
def test_a_key_that_is_none_is_refused(up: Running, key: str) -> None:
    """An Idempotency-Key is visible ASCII."""
    path = "/v1/capabilities/parcel-late"
    status, said, _ = up.call_raw("POST", path, parcel(1), idempotency_key=key.encode("latin-1"))
    assert (status, b"Idempotency-Key" in said) == (400, True)


def test_too_many_waiting_is_503(yard: Any) -> None:
    """The queue is bounded; what it cannot take is told when to come back."""
    row = yard.release()
    with running(yard, live(row.digest), rows=[row], most_waiting=1) as up:
        status, said = up.infer(*two_parcels())
        assert (status, "the limit is 1" in said["error"]) == (503, True)
        assert up.call("POST", "/v1/capabilities/parcel-late/ask", {"inputs": parcel(1)})[0] == 200


def test_a_body_over_the_limit_is_refused(yard: Any) -> None:
    """Whether its length is declared or it is streamed in chunks."""
    with running(yard, body_limit_bytes=2000) as up:
        body = b'{"inputs": [' + b" " * 3000 + b"]}"
        status, said = up.call("POST", "/v2/models/parcel-late/infer", body)
        assert (status, "2,000 bytes" in said["error"]) == (413, True)
        assert _chunked(up, body) == 413


def _chunked(up: Running, body: bytes) -> int:
    with socket.create_connection(("127.0.0.1", up.port), timeout=10) as raw:
        raw.sendall(b"POST /v1/outcomes HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        raw.sendall(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
        return int(raw.recv(100).split()[1])


def test_a_port_in_use_says_so() -> None:
    """With what to do about it, and before anything else has happened."""
    taken = listening("127.0.0.1", 0)
    port = taken.getsockname()[1]
    with pytest.raises(UsageError, match=f"port {port} .* is in use") as caught:
        listening("127.0.0.1", port)
    assert f"--port {port + 1}" in caught.value.hint
    taken.close()


def test_a_host_that_is_not_ours_says_so() -> None:
    """An address of another machine cannot be listened on."""
    with pytest.raises(UsageError, match=r"cannot listen on 192\.0\.2\.1"):
        listening("192.0.2.1", 8080)


def test_without_a_release_the_fallback_serves(yard: Any) -> None:
    """A capability answers from its first minute."""
    with running(yard) as up, up.client() as client:
        assert up.call("GET", "/health/ready")[0] == 200
        answer = client.ask(**parcel(1))
        assert (answer.release, answer.action, answer.score) == (FALLBACK, "fallback", 0.1)


def test_with_nothing_to_serve_it_is_not_ready(yard_of: Any) -> None:
    """No release, no fallback: alive, but not ready, and a question is answered with 503 and when to come back."""
    with running(yard_of(fallback=None)) as up:
        assert up.call("GET", "/health/live")[0] == 200
        status, said = up.call("GET", "/health/ready")
        assert (status, "no release is live" in said["error"]) == (503, True)
        status, _, headers = up.call_raw("POST", "/v1/capabilities/parcel-late/ask", {"inputs": parcel(1)})
        assert (status, headers["retry-after"]) == (503, "5")


def test_a_release_that_differs_keeps_the_replica_unready(yard: Any) -> None:
    """A live release that does not reproduce its golden answers here: not ready, and the reason is said."""
    row = yard.release(golden=packed(-1.0).golden)
    with running(yard, live(row.digest), rows=[row]) as up:
        status, said = up.call("GET", "/v2/models/parcel-late/ready")
        assert (status, said["ready"]) == (503, False)
        assert "golden" in up.call("GET", "/health/ready")[1]["error"]


def test_a_canary_that_differs_takes_nothing_down(yard: Any) -> None:
    """The replica stays ready, and the live release answers the canary's units."""
    old, new = yard.release(1.0), yard.release(-1.0, golden=packed(1.0).golden)
    with running(yard, rolling(new.digest, old.digest, share=0.9), rows=[old, new]) as up, up.client() as client:
        assert up.call("GET", "/health/ready")[0] == 200
        assert {client.ask(**parcel(i)).release for i in range(10)} == {old.digest}


def test_a_catalog_that_is_away_changes_nothing(yard: Any) -> None:
    """What serves goes on while the deployment cannot be read."""
    row = yard.release()
    with running(yard, live(row.digest), rows=[row], refresh_every_s=0.01) as up, up.client() as client:
        up.catalog.close()
        (yard.folder / "catalog.db").write_bytes(b"no database")
        assert {client.ask(**parcel(i)).release for i in range(30)} == {row.digest}


def test_a_rollback_from_elsewhere_is_served(yard: Any) -> None:
    """A commit by anybody, in any process, is followed; what was asked before is answered as before."""
    old, new = yard.release(1.0), yard.release(-1.0)
    with running(yard, live(new.digest, predecessors=(old.digest,)), rows=[old, new]) as up, up.client() as client:
        assert client.ask(**parcel(1)).release == new.digest
        deploy(up.catalog, live(old.digest))
        pause = threading.Event()
        while client.ask(**parcel(1)).release != old.digest:
            pause.wait(0.02)  # the server polls; there is nothing to be told by


def test_a_commit_in_process_is_served_at_once(yard: Any) -> None:
    """Whoever commits beside the server pushes it."""
    old, new = yard.release(1.0), yard.release(-1.0)
    with running(yard, live(new.digest), rows=[old, new], refresh_every_s=3600) as up, up.client() as client:
        deploy(up.catalog, live(old.digest))
        assert up.counter.refresh() is True
        assert client.ask(**parcel(1)).release == old.digest
        assert up.counter.refresh() is False


def test_everybody_asked_at_once_is_answered_and_recorded(yard: Any) -> None:
    """Many callers at once: one event each, each with its own answer, and everybody else's beside it."""
    old, new = yard.release(1.0), yard.release(-1.0)
    with running(yard, rolling(new.digest, old.digest, share=0.25), rows=[old, new]) as up:

        def ask(worker: int) -> list[str]:
            with up.client() as client:
                return [client.ask(**parcel(worker * 100 + i)).event_id for i in range(25)]

        with ThreadPoolExecutor(8) as pool:
            answered = [event for events in pool.map(ask, range(8)) for event in events]
    records = yard.log.read()[0]
    events = {r.id: r for r in records if isinstance(r, Event)}
    besides = {r.event: r for r in records if isinstance(r, Beside)}
    assert len(set(answered)) == 200
    assert set(answered) == set(events) == set(besides)
    assert all(len(b.answers) == 2 for b in besides.values())


def test_what_the_queue_cannot_take_is_recorded_as_lost(yard: Any) -> None:
    """Exposures without anything beside them are counted, never silently missing."""
    row = yard.release()
    with running(yard, live(row.digest), rows=[row], most_beside=0) as up:
        up.infer(*two_parcels())
    besides = [r for r in yard.log.read()[0] if isinstance(r, Beside)]
    assert [b.answers for b in besides] == [(), ()]


def test_a_log_that_cannot_write_means_503(yard: Any) -> None:
    """Nothing unrecorded is answered."""
    row = yard.release()
    with running(yard, live(row.digest), rows=[row]) as up:
        yard.log.close()
        status, said, headers = up.call_raw("POST", "/v1/capabilities/parcel-late/ask", {"inputs": parcel(1)})
        assert (status, "retry-after" in headers, b"score" in said) == (503, True, False)


def test_unrecorded_answers_are_opt_in_and_counted(yard: Any) -> None:
    """Who prefers an answer to a record gets one, and can see how many there were."""
    row = yard.release()
    with running(yard, live(row.digest), rows=[row], answer_unrecorded=True) as up:
        yard.log.close()
        assert up.call("POST", "/v1/capabilities/parcel-late/ask", {"inputs": parcel(1)})[0] == 200
        assert b'plimsoll_unrecorded_total{capability="parcel-late"} 1.0' in up.call_raw("GET", "/metrics")[1]


def test_a_stopping_server_finishes_what_it_began(yard: Any) -> None:
    """Not ready first; what is asked meanwhile is answered; it ends when it has drained, or at a second signal."""
    with running(yard, Deployment(capability="parcel-late"), drain_s=600) as up, up.client() as client:
        up.server.stop()
        assert up.call("GET", "/health/ready") == (503, {"ready": False, "error": "the server is stopping"})
        assert client.ask(**parcel(1)).action == "fallback"
        assert up.server._server is not None
        up.server._server.handle_exit(signal.SIGTERM, None)


def test_a_server_that_was_stopped_before_it_began_ends_at_once(yard: Any) -> None:
    """A signal that comes while it loads is not forgotten."""
    with running(yard) as up:
        up.server.stop()
        early = up.server
    listener = early.listen()
    asyncio.run(early.run(listener))
    listener.close()
