"""A real server on a loopback port, in a thread of this process."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from plimsoll.capability import Capability
from plimsoll.client import Client
from plimsoll.kernel.ports import Commit
from plimsoll.kernel.rollout import Deployment
from plimsoll.serving import Counter, House, Server, ServerSettings
from plimsoll.store import SqlCatalog

from .conftest import Yard

CONTRACT = """\
apiVersion: v3.2.0
kind: DataContract
id: parcels
version: 1.0.0
status: active
name: parcels
schema:
  - name: parcels
    physicalType: table
    customProperties:
      - {property: knownAt, value: asked_at}
    properties:
      - {name: parcel, logicalType: string, required: true}
      - {name: asked, logicalType: timestamp, required: true}
      - {name: weight, logicalType: number}
      - {name: depot, logicalType: string}
      - {name: floor, logicalType: integer}
      - {name: fragile, logicalType: boolean}
      - name: late
        logicalType: boolean
        customProperties: [{property: knownAt, value: {column: asked_at, offset: PT5H}}]
"""


class WallClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass
class Running:
    """A server that listens, and a plain way to talk to it."""

    server: Server
    catalog: SqlCatalog
    port: int

    @property
    def counter(self) -> Counter:
        """Of the yard's own capability."""
        return next(iter(self.server.counters.values()))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, **options: Any) -> Client:
        return Client(self.url, "parcel-late", **options)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """(status, body as JSON)."""
        status, said, _ = self.call_raw(method, path, body, **headers)
        return status, json.loads(said)

    def call_raw(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, bytes, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        sent = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        connection.request(method, path, sent, {k.replace("_", "-"): v for k, v in headers.items()})
        response = connection.getresponse()
        said = response.read()
        connection.close()
        return response.status, said, response.headers

    def infer(self, *tensors: dict[str, Any], **more: Any) -> tuple[int, Any]:
        return self.call("POST", "/v2/models/parcel-late/infer", {"inputs": tensors, **more})


def tensor(name: str, data: list[Any], datatype: str = "BYTES", shape: list[int] | None = None) -> dict[str, Any]:
    return {"name": name, "shape": shape or [len(data)], "datatype": datatype, "data": data}


def two_parcels() -> list[dict[str, Any]]:
    return [
        tensor("parcel", ["p1", "p2"]),
        tensor("weight", [2.0, -1.5], "FP64"),
        tensor("depot", ["north", "south"]),
    ]


def deploy(catalog: SqlCatalog, deployment: Deployment) -> Deployment:
    """Commit it as the newest."""
    version = catalog.deployment(deployment.capability).version
    made = Deployment(**{f: getattr(deployment, f) for f in deployment.__struct_fields__} | {"version": version})
    return catalog.commit(Commit(deployment=made, entries=()), None)


def until(true: Callable[[], bool], *, within_s: float = 20.0) -> None:
    """Ask until it is so."""
    ends, pause = time.monotonic() + within_s, threading.Event()
    while not true():
        assert time.monotonic() < ends, "it never came"
        pause.wait(0.01)


SHARED = ("admission", "tracer", "prices", "requests", "hold", "trust")
OWN = ("policy", "cache")
PLUGS = (*SHARED, *OWN, "certificates", "feed")


@contextmanager
def running(
    yard: Yard,
    deployment: Deployment | None = None,
    *,
    rows: Any = (),
    beside: Sequence[Capability] = (),
    **options: Any,
) -> Iterator[Running]:
    """A server over ``yard`` that serves ``deployment``, listening until the block ends. ``beside``: more capabilities
    of the same server. ``options``: what plugs into it, and its settings."""
    plugs = {name: options.pop(name) for name in PLUGS if name in options}
    catalog = SqlCatalog(f"sqlite:///{yard.folder / 'catalog.db'}")
    for row in rows:
        catalog.add_release(row)
    if deployment is not None:
        deploy(catalog, deployment)
    house = House(
        catalog=catalog,
        objects=yard.objects,
        log=yard.log,
        online=yard.online,
        clock=WallClock(),
        settings=ServerSettings(port=0, **options),
        **{name: plugs.pop(name) for name in SHARED if name in plugs},
    )
    own = {name: plugs.pop(name) for name in OWN if name in plugs}
    counters = [Counter(declared_in(each, yard.folder), house, **own) for each in (yard.capability, *beside)]
    server = Server(counters, house, **plugs)
    listener = server.listen()
    thread = threading.Thread(target=lambda: asyncio.run(server.run(listener)))
    thread.start()
    try:
        yield Running(server, catalog, listener.getsockname()[1])
    finally:
        server.stop()
        thread.join(timeout=20)
        catalog.close()
    assert not thread.is_alive()


def declared_in(capability: Capability, folder: Path) -> Capability:
    """The capability, as if its file and its contract stood in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "parcels.odcs.yaml").write_text(CONTRACT)
    return capability.variant(folder=folder)
