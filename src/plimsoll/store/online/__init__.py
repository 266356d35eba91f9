"""Online features: the last applied timeline row of each entity, packed. One lookup, one row, no object per value.

A store behind the port ``OnlineFeatures``: in the process, in a SQLite file that several processes share, in Redis for
several machines. Names are imported when they are first used: Redis' client only where Redis is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plimsoll.lazy import names_of

if TYPE_CHECKING:
    from plimsoll.store.online.guarded import GuardedOnline
    from plimsoll.store.online.memory import MemoryOnline
    from plimsoll.store.online.redis import RedisOnline
    from plimsoll.store.online.sqlite import SqliteOnline

__all__ = ["GuardedOnline", "MemoryOnline", "RedisOnline", "SqliteOnline"]

_HOME = {"GuardedOnline": "guarded", "MemoryOnline": "memory", "RedisOnline": "redis", "SqliteOnline": "sqlite"}

__getattr__ = names_of(__name__, _HOME)
