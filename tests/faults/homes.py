"""Homes made of a few bytes: a catalog with a line, objects, events in every state, a key."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from plimsoll.kernel.chain import Entry
from plimsoll.kernel.records import Answer, Event
from plimsoll.store import Checkpoints, LocalObjects, SegmentLog, SqlCatalog

NOON = datetime(2013, 2, 1, 12, tzinfo=UTC)


def event(name: str, note: str = "") -> Event:
    served = Answer(release="r", role="live", score=0.5)
    return Event(id=name, capability="late", at=NOON, block="b", unit="u", inputs={"x": note}, served=served)


def make_home(home: Path, *, object_bytes: int = 10) -> Path:
    catalog = SqlCatalog(f"sqlite:///{home}/catalog.db", checkpoints=Checkpoints(home / "checkpoints"))
    catalog.append([Entry(at=NOON, capability="late", kind="k", subject="", summary="first")])
    catalog.close()
    LocalObjects(home / "objects").put(bytes(range(250)) * (object_bytes // 250) + b"a model")
    for n in range(2):
        log = SegmentLog(home / "events")
        log.append([event(f"e{n}")])
        log.close()
        if n == 0:
            log.compact()
    return home


def events_in(home: Path) -> list[str]:
    """The ids of the events in it, whose log is sound."""
    log = SegmentLog(home / "events", writer="reader")
    found = [record.id for record in log.read()[0] if isinstance(record, Event)]
    assert list(log.verify()) == []
    log.close()
    return found
