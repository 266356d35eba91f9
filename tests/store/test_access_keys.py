"""The port Keys on SQLite and PostgreSQL, and the pepper's file."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from plimsoll.errors import Conflict, Damaged, Refused, UsageError
from plimsoll.kernel.access import KeyRow, Scopes, Secret
from plimsoll.kernel.chain import Entry, faults
from plimsoll.store import Pepper, SqlCatalog, SqliteReader
from plimsoll.store.catalog.engine import Database

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def key(name: str = "k1") -> KeyRow:
    return KeyRow(
        id=name,
        name="checkout",
        tenant="shop",
        scopes=Scopes(capabilities=("late",)),
        created_at=NOON,
        secrets=(Secret(digest="d", pepper="p", expires_at=NOON),),
        priority="batch",
        expires_at=NOON + HOUR,
    )


def test_a_key_comes_back_as_it_was(catalog: SqlCatalog, entry: Callable[..., Entry]) -> None:
    """Scopes, secrets and times; the version counts the change and the ledger has its line."""
    assert catalog.access.all() == (0, [])
    catalog.access.add(key(), entry("issued"))
    assert catalog.access.all() == (1, [key()]) and catalog.access_keys() == [key()]
    assert [line.entry.summary for line in catalog.ledger()] == ["issued"]


def test_an_id_is_taken_once(catalog: SqlCatalog, entry: Callable[..., Entry]) -> None:
    """The second one is a conflict, and leaves neither a count nor a line."""
    catalog.access.add(key(), entry())
    with pytest.raises(Conflict):
        catalog.access.add(key(), entry())
    assert catalog.access.version() == 1 and catalog.ledger_head()[0] == 1


def test_changes_of_one_key_do_not_lose_each_other(catalog: SqlCatalog, entry: Callable[..., Entry]) -> None:
    """Each sees what the one before wrote."""
    catalog.access.add(key(), entry())

    def longer(row: KeyRow) -> tuple[KeyRow, Entry]:
        return msgspec.structs.replace(row, name=row.name + "!"), entry()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: catalog.access.change("k1", longer), range(8)))
    assert catalog.access_keys()[0].name == "checkout" + "!" * 8 and catalog.access.version() == 9
    assert list(faults(catalog.ledger(), [])) == []


def test_a_key_that_is_not_there_cannot_be_changed(catalog: SqlCatalog, entry: Callable[..., Entry]) -> None:
    """Nor does a change that is refused write anything."""
    with pytest.raises(UsageError, match="no key 'k1'"):
        catalog.access.change("k1", lambda row: (row, entry()))
    assert catalog.access.version() == 0


def test_last_use_only_moves_forward_and_is_no_change(catalog: SqlCatalog, entry: Callable[..., Entry]) -> None:
    """Servers need not read the keys again for it."""
    catalog.access.add(key(), entry())
    for at in (NOON + HOUR, NOON):
        catalog.access.used({"k1": at, "unknown": at})
    assert catalog.access_keys()[0].last_used_at == NOON + HOUR and catalog.access.version() == 1


def test_the_light_reader_lists_the_same_keys(tmp_path: Path, entry: Callable[..., Entry]) -> None:
    """In the same order."""
    catalog = SqlCatalog(f"sqlite:///{tmp_path}/catalog.db")
    for name in ("k2", "k1"):
        catalog.access.add(key(name), entry())
    reader = SqliteReader.at(tmp_path / "catalog.db")
    assert reader is not None and reader.access_keys() == catalog.access_keys() == [key("k1"), key("k2")]
    reader.close()
    catalog.close()


def test_a_key_that_was_tampered_with_is_damaged(catalog_url: str, entry: Callable[..., Entry]) -> None:
    """Rather than half read."""
    catalog = SqlCatalog(catalog_url)
    catalog.access.add(key(), entry())
    database = Database(catalog_url)
    with database.writing() as connection:
        connection.exec_driver_sql('UPDATE access_keys SET scopes = \'{"actions": ["everything"]}\'')
    database.close()
    with pytest.raises(Damaged, match="key 'k1'"):
        catalog.access_keys()
    catalog.close()


def test_the_pepper_is_made_once_and_for_its_owner(tmp_path: Path) -> None:
    """However many make it at the same time."""
    path = tmp_path / "access" / "pepper"
    with ThreadPoolExecutor(4) as pool:
        made = {p.fingerprint for p in pool.map(lambda _: Pepper.kept(path), range(8))}
    assert len(made) == 1 and path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700


def test_a_pepper_that_everybody_may_read_is_refused(tmp_path: Path) -> None:
    """With the command that mends it."""
    path = tmp_path / "pepper"
    Pepper.kept(path)
    path.chmod(0o644)
    with pytest.raises(Refused, match="chmod 600"):
        Pepper.read(path)


def test_a_pepper_that_is_missing_or_short_is_said(tmp_path: Path) -> None:
    """A server with keys cannot do without."""
    with pytest.raises(UsageError, match="no pepper"):
        Pepper.read(tmp_path / "none")
    (short := tmp_path / "short").write_bytes(b"salt")
    short.chmod(0o600)
    with pytest.raises(UsageError, match="4 bytes"):
        Pepper.read(short)


def test_a_secret_opens_under_its_own_pepper_only(tmp_path: Path) -> None:
    """Another home's pepper makes other digests, and is named."""
    ours, theirs = (Pepper.kept(tmp_path / name / "pepper") for name in ("a", "b"))
    assert ours.opens("s", ours.sealed("s")) and not theirs.opens("s", ours.sealed("s"))
    assert ours.fingerprint != theirs.fingerprint
