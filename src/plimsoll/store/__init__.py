"""KEEPS: the catalog (SQL), objects (blobs), events (log), online features and the ledger's checkpoints.

Each stands behind a port of ``plimsoll.kernel.ports``. Names are imported when they are first used, so that a
process that only reads objects never loads SQLAlchemy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plimsoll.lazy import names_of

if TYPE_CHECKING:
    from plimsoll.store.backup import back_up
    from plimsoll.store.catalog.reader import SqliteReader
    from plimsoll.store.catalog.revision import REVISION
    from plimsoll.store.catalog.sql import SqlCatalog
    from plimsoll.store.checkpoints import Checkpoints, ledger_faults
    from plimsoll.store.durable import append_line, replace_file, size_of, sync_folder, unavailable
    from plimsoll.store.events import EventQuery, Retention, SegmentLog, has_sealed, open_query
    from plimsoll.store.objects import LocalObjects
    from plimsoll.store.objects_remote import ObstoreObjects
    from plimsoll.store.online import GuardedOnline, MemoryOnline, RedisOnline, SqliteOnline
    from plimsoll.store.pepper import Pepper
    from plimsoll.store.restoring import restore, unfinished
    from plimsoll.store.sweep import collect
    from plimsoll.store.trust import Trust
    from plimsoll.store.upgrading import upgraded

__all__ = [
    "REVISION",
    "Checkpoints",
    "EventQuery",
    "GuardedOnline",
    "LocalObjects",
    "MemoryOnline",
    "ObstoreObjects",
    "Pepper",
    "RedisOnline",
    "Retention",
    "SegmentLog",
    "SqlCatalog",
    "SqliteOnline",
    "SqliteReader",
    "Trust",
    "append_line",
    "back_up",
    "collect",
    "has_sealed",
    "ledger_faults",
    "open_query",
    "replace_file",
    "restore",
    "size_of",
    "sync_folder",
    "unavailable",
    "unfinished",
    "upgraded",
]

_HOME = {
    "REVISION": "catalog.revision",
    "back_up": "backup",
    "restore": "restoring",
    "unfinished": "restoring",
    "upgraded": "upgrading",
    "Checkpoints": "checkpoints",
    "EventQuery": "events",
    "GuardedOnline": "online",
    "LocalObjects": "objects",
    "MemoryOnline": "online",
    "ObstoreObjects": "objects_remote",
    "Pepper": "pepper",
    "RedisOnline": "online",
    "Retention": "events",
    "SegmentLog": "events",
    "SqlCatalog": "catalog.sql",
    "SqliteOnline": "online",
    "SqliteReader": "catalog.reader",
    "Trust": "trust",
    "append_line": "durable",
    "collect": "sweep",
    "has_sealed": "events",
    "open_query": "events",
    "sync_folder": "durable",
    "unavailable": "durable",
    "ledger_faults": "checkpoints",
    "replace_file": "durable",
    "size_of": "durable",
}

__getattr__ = names_of(__name__, _HOME)
