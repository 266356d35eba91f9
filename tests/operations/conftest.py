"""Real parts on a clock that somebody moves: SQLite or PostgreSQL, objects, segments, a webhook that listens."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from plimsoll.capability import Capability, load
from plimsoll.operations import VirtualClock, Yard
from plimsoll.scaffold import sample_plan, write
from plimsoll.store import LocalObjects, SegmentLog, SqlCatalog
from store.conftest import postgres, postgres_url  # noqa: F401 - fixtures

from .given import T0


@dataclass
class Notes:
    """Keeps what people were told."""

    told: list[tuple[str, str]] = field(default_factory=list)

    def notify(self, kind: str, summary: str, details: Mapping[str, Any]) -> None:
        self.told.append((kind, summary))


@dataclass
class Place:
    """A home's parts, before anything happened in it."""

    catalog: SqlCatalog
    log: SegmentLog
    objects: LocalObjects
    clock: VirtualClock
    notes: Notes
    folder: Path

    @property
    def yard(self) -> Yard:
        return Yard(
            catalog=self.catalog,
            objects=self.objects,
            clock=self.clock,
            notifier=self.notes,
            folder=self.folder / "scratch",
        )


def make_place(folder: Path, url: str = "") -> Place:
    return Place(
        SqlCatalog(url or f"sqlite:///{folder}/catalog.db"),
        SegmentLog(folder / "events", durability="process"),
        LocalObjects(folder / "objects"),
        VirtualClock(T0),
        Notes(),
        folder,
    )


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = make_place(tmp_path / "home")
    yield made
    made.log.close()
    made.catalog.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def place_in_both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """The same on either database."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else ""
    made = make_place(tmp_path / "home", url)
    yield made
    made.log.close()
    made.catalog.close()


@pytest.fixture(scope="session")
def orders_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `plimsoll init orders` writes. Nobody changes it."""
    folder = tmp_path_factory.mktemp("orders") / "orders"
    write(sample_plan("orders", "binary"), folder)
    return folder


@pytest.fixture
def orders(orders_folder: Path) -> Capability:
    """Will an order be returned?"""
    return load(orders_folder)


class Listener:
    """A webhook that hears, and answers with ``status``."""

    def __init__(self) -> None:
        self.heard: queue.Queue[dict[str, Any]] = queue.Queue()
        self.status = 200
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                listener.heard.put(json.loads(body))  # before the answer: who was answered may look at once
                self.send_response(listener.status)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing: the test reads what was heard."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()


@pytest.fixture
def webhook() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.server.shutdown()
    listener.server.server_close()
    listener.thread.join()
