"""`plimsoll log --verify` on a home that somebody, or a disk, has changed: whatever it was is found and named."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from plimsoll.cli import main
from plimsoll.errors import Damaged
from plimsoll.kernel.chain import Entry
from plimsoll.kernel.records import Answer, Event
from plimsoll.settings import Settings
from plimsoll.store import Checkpoints, LocalObjects, SegmentLog, SqlCatalog

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)


def entries(*summaries: str) -> list[Entry]:
    return [
        Entry(at=NOON + timedelta(hours=i), capability="late", kind="look", subject="", summary=summary)
        for i, summary in enumerate(summaries)
    ]


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    """Three lines with their checkpoints, an object, and a sealed segment of events."""
    settings = Settings(home=tmp_path / "home")
    catalog = SqlCatalog(settings.catalog_url, checkpoints=Checkpoints(settings.checkpoints))
    for entry in entries("one", "two", "three"):
        catalog.append([entry])
    catalog.close()
    LocalObjects(settings.objects).put(b"a model" * 100)
    log = SegmentLog(settings.segments)
    said = Answer(release="r1", role="live", score=0.5)
    log.append(
        [Event(id=f"e{i}", capability="late", at=NOON, block="b", unit="u", inputs={}, served=said) for i in range(50)]
    )
    log.close()
    return settings


@pytest.fixture
def verify(home: Settings, capsys: pytest.CaptureFixture[str]) -> Callable[[], tuple[int, str]]:
    """(exit code, all that was found)."""

    def run() -> tuple[int, str]:
        code = main(["log", "--verify", "--json", "--home", str(home.home)])
        return code, json.dumps(json.loads(capsys.readouterr().out)["faults"])

    return run


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_an_untouched_home_is_whole(verify: Any) -> None:
    """Exit code 0, nothing found."""
    code, found = verify()
    assert code == 0 and "one" not in found


def test_a_flipped_byte_in_an_object_is_named_and_the_object_never_read(home: Settings, verify: Any) -> None:
    """By its digest; whoever asks for it gets an error instead of other bytes."""
    (path,) = home.objects.glob("??/??/*")
    flip(path)
    code, found = verify()
    assert code == 4 and path.name[:12] in found
    with pytest.raises(Damaged):
        LocalObjects(home.objects).get(path.name)


def test_a_flipped_byte_in_a_segment_is_named(home: Settings, verify: Any) -> None:
    """The segment and where in it."""
    (path,) = home.segments.glob("*.seg")
    flip(path)
    code, found = verify()
    assert code == 4 and path.stem in found


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("UPDATE ledger SET summary = 'TWO' WHERE seq = 2", "line 2 was changed"),
        ("DELETE FROM ledger WHERE seq = 2", "line 2 is missing"),
        ("DELETE FROM ledger WHERE seq = 3", "tail was cut"),
    ],
)
def test_a_changed_a_missing_and_a_cut_line_are_named(home: Settings, verify: Any, sql: str, said: str) -> None:
    """The middle by the chain, the tail by a checkpoint outside the catalog."""
    with sqlite3.connect(home.catalog_file) as db:
        db.execute(sql)
    db.close()
    code, found = verify()
    assert code == 4 and said in found


def test_a_full_rewrite_is_named(home: Settings, verify: Any) -> None:
    """A ledger with another history and a perfect chain of its own is not the one that was signed."""
    home.catalog_file.unlink()
    forged = SqlCatalog(home.catalog_url)
    forged.append(entries("one", "nothing happened", "three", "four"))
    forged.close()
    code, found = verify()
    assert code == 4 and "the ledger was rewritten" in found
