"""Admission at a running server: REST, gRPC, events, and what goes on while keys change."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest

from plimsoll import governance
from plimsoll.kernel.access import Scopes
from plimsoll.kernel.records import Event
from plimsoll.sections import Access, Limits
from plimsoll.serving import open_admission
from plimsoll.serving.caching import AnswerCache, RedisAnswers

from ..calling import Channel, infer_request
from ..conftest import Yard, live, make_yard, parcel, toy
from ..running import Running, running, tensor, two_parcels
from .conftest import House, RedisServer

HOUR = timedelta(hours=1)
ASK = "/v1/capabilities/parcel-late/ask"
INFER = "/v2/models/parcel-late/infer"


@pytest.fixture
def yard(tmp_path: Any) -> Iterator[Yard]:
    made = make_yard(tmp_path / "yard", toy())
    yield made
    made.log.close()


def guarded(house: House, **limits: Any) -> Any:
    return open_admission(Access(required=True), Limits(**limits), house.catalog.access, house.path)


def ask(up: Running, credential: str) -> int:
    return up.call("POST", ASK, {"inputs": parcel(1)}, authorization=f"Bearer {credential}")[0]


def test_an_event_says_who_asked_and_for_whom(house: House, yard: Yard) -> None:
    """Tenant and the key's id; the credential is nowhere in the log."""
    issued = house.issue("acme")
    with running(yard, live("fallback"), admission=guarded(house)) as up:
        assert ask(up, issued.credential) == 200
        assert ask(up, issued.credential + "x") == 401
        assert up.call("POST", ASK, {"inputs": parcel(1)})[0] == 401
    (event,) = [record for record in yard.log.read()[0] if isinstance(record, Event)]
    assert (event.tenant, event.principal) == ("acme", f"key:{issued.row.id}")


def test_each_route_asks_for_its_scope(house: House, yard: Yard) -> None:
    """Asking, telling and looking at the capability; health and metrics are for everybody."""
    asks = house.issue(scopes=Scopes(actions=("ask",))).credential
    tells = house.issue(scopes=Scopes(actions=("tell",), capabilities=("parcel-late",))).credential
    outcome = {"event_id": "x", "label": 1}
    with running(yard, live("fallback"), admission=guarded(house)) as up:

        def status(method: str, path: str, credential: str, body: Any = None) -> int:
            return up.call(method, path, body, authorization=f"Bearer {credential}")[0]

        assert (status("POST", ASK, asks, {"inputs": parcel(1)}), status("POST", ASK, tells, {})) == (200, 403)
        assert (status("POST", "/v1/outcomes", asks, outcome), status("POST", "/v1/outcomes", tells, outcome)) in (
            (403, 200),
            (403, 400),
        )
        assert (
            up.call("GET", "/v2/models/parcel-late")[0] == 401 and status("GET", "/v2/models/parcel-late", asks) == 200
        )
        assert up.call_raw("GET", "/metrics")[0] == up.call("GET", "/health/live")[0] == 200


def test_a_version_is_asked_by_who_may_load_and_ask(house: House, yard: Yard) -> None:
    """Over REST and gRPC, wherever they come from; a key that only asks is told what it lacks, and nothing is loaded."""
    asks = house.issue(scopes=Scopes(actions=("ask",))).credential
    both = house.issue(scopes=Scopes(actions=("ask", "load"))).credential
    rows = [yard.release(1.0), yard.release(-2.0)]
    body = {"inputs": two_parcels()}
    path = f"/v2/models/parcel-late/versions/{rows[1].digest}/infer"
    with running(yard, live(rows[0].digest), rows=rows, admission=guarded(house), grpc_port=0) as up:
        status, said = up.call("POST", path, body, authorization=f"Bearer {asks}")
        assert (status, "may not load" in said["error"]) == (403, True) and up.counter.versions == [rows[0].digest]
        assert up.call("POST", path, body, authorization=f"Bearer {both}")[0] == 200
        channel, asked = Channel(up.server.grpc_address), infer_request(two_parcels(), model_version=rows[1].digest)
        assert (
            channel.refused("ModelInfer", asked, metadata=[("authorization", f"Bearer {asks}")])[0]
            == "PERMISSION_DENIED"
        )
        assert channel.call("ModelInfer", asked, metadata=[("authorization", f"Bearer {both}")]).model_name
        channel.close()


def test_a_key_is_rotated_and_revoked_under_load(house: House, yard: Yard) -> None:
    """Nobody who changes over within the overlap is refused; the revoked one is, within a second, and no other."""
    first = house.issue()
    other = house.issue()
    statuses: dict[str, list[int]] = {"rotating": [], "other": []}
    credential = {"rotating": first.credential, "other": other.credential}
    stop = threading.Event()
    with running(yard, live("fallback"), admission=guarded(house), refresh_every_s=0.05) as up:

        def load(who: str) -> None:
            while not stop.is_set():
                statuses[who].append(ask(up, credential[who]))

        threads = [threading.Thread(target=load, args=(who,)) for who in statuses]
        for thread in threads:
            thread.start()
        new = governance.rotate(house.catalog.access, house.pepper, first.row.id, overlap=HOUR, actor="a", now=now())
        assert until(lambda: ask(up, new.credential) == 200)
        credential["rotating"] = new.credential
        assert until(lambda: len(statuses["rotating"]) > 20)
        assert set(statuses["rotating"]) == {200}
        governance.revoke(house.catalog.access, first.row.id, reason="x", actor="a", now=now())
        assert until(lambda: statuses["rotating"][-1] == 401, tries=100)
        stop.set()
        for thread in threads:
            thread.join()
    assert set(statuses["other"]) == {200}


def test_an_idempotency_key_is_a_tenants_own(house: House, yard: Yard) -> None:
    """The same key and body of another tenant is another question; of the same tenant it is the first answer again."""
    credentials = [house.issue(tenant).credential for tenant in ("a", "b", "a")]
    with running(yard, live("fallback"), admission=guarded(house)) as up:
        ids = [
            up.call("POST", ASK, {"inputs": parcel(1)}, authorization=f"Bearer {c}", idempotency_key="k")[1]["event_id"]
            for c in credentials
        ]
    assert ids[0] == ids[2] != ids[1]


def test_a_limit_is_a_429_that_says_when(house: House, yard: Yard) -> None:
    """Over REST; the next tenant is answered."""
    loud, quiet = house.issue("loud").credential, house.issue("quiet").credential
    with running(yard, live("fallback"), admission=guarded(house, requests_per_s=0.5, burst=1)) as up:
        assert ask(up, loud) == 200
        status, _, headers = up.call_raw("POST", ASK, {"inputs": parcel(1)}, authorization=f"Bearer {loud}")
        assert status == 429 and headers["retry-after"] == "2"
        assert ask(up, quiet) == 200


def test_every_question_of_a_request_counts(house: House, yard: Yard) -> None:
    """Over both edges: what is put into one request is as much as if it were asked one by one."""
    tenants = [house.issue(name).credential for name in ("rest", "grpc", "large")]
    limits = {"requests_per_s": 0.001, "burst": 3}
    with running(yard, live("fallback"), admission=guarded(house, **limits), grpc_port=0) as up:
        channel = Channel(up.server.grpc_address)

        def rest(count: int, credential: str = tenants[0]) -> int:
            return up.call("POST", INFER, {"inputs": parcels(count)}, authorization=f"Bearer {credential}")[0]

        def over_grpc(count: int) -> str:
            key = [("authorization", f"Bearer {tenants[1]}")]
            try:
                channel.call("ModelInfer", infer_request(parcels(count)), metadata=key)
            except grpc.RpcError as error:
                return str(error.code().name)  # type: ignore[attr-defined]
            return "OK"

        assert [rest(2), rest(2), over_grpc(2), over_grpc(2)] == [200, 429, "OK", "RESOURCE_EXHAUSTED"]
        assert rest(4, tenants[2]) == 400, "it would never fit"
        channel.close()
    assert sum(isinstance(record, Event) for record in yard.log.read()[0]) == 4


def parcels(count: int) -> list[dict[str, Any]]:
    return [
        tensor("parcel", [f"p{i}" for i in range(count)]),
        tensor("weight", [1.0] * count, "FP64"),
        tensor("depot", ["north"] * count),
    ]


def now() -> datetime:
    return datetime.now(UTC)


def until(holds: Any, tries: int = 1000) -> bool:
    waited = threading.Event()
    return any(holds() or waited.wait(0.01) for _ in range(tries))


def test_redis_stops_and_starts_under_load(house: House, yard: Yard, redis_server: RedisServer) -> None:
    """Limits that are open and a cache that fails open: every request is answered, before, meanwhile and after."""
    issued = house.issue()
    limits = {"requests_per_s": 1e6, "concurrent": 1000, "shared": redis_server.url, "timeout_ms": 200.0}
    door = guarded(house, **limits)
    cache = AnswerCache(RedisAnswers(redis_server.url, timeout_ms=200), ttl_s=60)
    statuses: list[int] = []
    stop = threading.Event()
    row = yard.release()
    with running(yard, live(row.digest), rows=[row], admission=door, cache=cache) as up:

        def load() -> None:
            while not stop.is_set():
                statuses.append(ask(up, issued.credential))

        threads = [threading.Thread(target=load) for _ in range(2)]
        for thread in threads:
            thread.start()
        assert until(lambda: cache.counts.hits > 5)
        redis_server.stop()
        assert until(lambda: door.shared.link.failures > 0)
        before = len(statuses)
        assert until(lambda: len(statuses) > before + 20)
        redis_server.start()
        hits = cache.counts.hits
        assert until(lambda: cache.counts.hits > hits)
        stop.set()
        for thread in threads:
            thread.join()
    door.close()
    cache.close()
    assert set(statuses) == {200}
