"""Online features in Redis, for replicas on several machines.

A view's rows are one hash: entity → known_at (8 bytes) and packed values, so that one ``HMGET`` reads many of one
state. New rows are loaded into a hash aside; one transaction renames it into place, and the old one is unlinked, which
Redis does in the background. Every change of rows is one script that first looks at the view's mark.

Every call has a deadline; a broken connection is tried once more on a new one. ``known_at`` is compared in a script, as
a double: exact until the year 2255.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar
from uuid import uuid4

from plimsoll.errors import Conflict, Unavailable
from plimsoll.kernel.ports import OnlineRow, OnlineView, Step
from plimsoll.store.online.memory import Row, moved
from plimsoll.store.online.scripts import MOVED, TURN_OVER, WRITE
from plimsoll.store.redis_client import redis_client

BATCH = 1_000
"""Rows in one script: Redis does nothing else meanwhile, for about two milliseconds."""
PATIENCE_S = 60.0
"""How long a load waits for another one to end."""
LOAD_TTL_MS = 15_000
"""A load that is silent for so long is taken for dead."""
_AT = struct.Struct("<q")
Answer = TypeVar("Answer")


class RedisOnline:
    """The port ``OnlineFeatures`` in the Redis at ``url``, under keys that begin with ``prefix``.

    A read waits for ``timeout_s`` at most, a write for ten times as long. Redis need not be there when this is
    constructed. Raises UsageError for a URL that is none.
    """

    far = True

    def __init__(self, url: str, *, prefix: str = "plimsoll", timeout_s: float = 0.05) -> None:
        self._redis = redis_client(url, timeout_s=timeout_s, again=1)
        self._writer = redis_client(url, timeout_s=10 * timeout_s, again=1)
        self._prefix = f"{{{prefix}}}:online"
        self._place = url.rpartition("@")[2]
        self._write = self._writer.register_script(WRITE)
        self._turn = self._writer.register_script(TURN_OVER)
        self._repaired: list[str] = []

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────

    def get(self, view: str, entity: str, as_of_us: int | None = None) -> Row | None:
        with self._translated(f"reading a row of {view}"):
            return _row(self._redis.hget(self._rows(view), entity))

    def get_many(self, view: str, entities: Sequence[str], as_of_us: Sequence[int] | None = None) -> list[Row | None]:
        if not entities:
            return []
        with self._translated(f"reading rows of {view}"):
            return [_row(value) for value in self._redis.hmget(self._rows(view), list(entities))]

    def mark(self, view: str) -> str | None:
        with self._translated(f"reading the mark of {view}"):
            found = self._writer.hget(self._about(view), "mark")
        return None if found is None else found.decode()

    def rows(self, view: str) -> Iterator[OnlineRow]:
        with self._translated(f"reading the rows of {view}"):
            for entity, value in self._writer.hscan_iter(self._rows(view), count=BATCH):
                yield entity.decode(), _AT.unpack_from(value)[0], value[8:]

    def views(self) -> list[OnlineView]:
        with self._translated("reading what the online features are"):
            names = sorted(name.decode() for name in self._writer.smembers(f"{self._prefix}:views"))
            asked = self._writer.pipeline(transaction=False)
            for name in names:
                asked.hmget(self._about(name), "mark", "newest").hlen(self._rows(name))
            found = asked.execute()
        return [
            OnlineView(name, (mark or b"").decode(), count, None if newest is None else int(newest))
            for name, (mark, newest), count in zip(names, found[::2], found[1::2], strict=True)
        ]

    # ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────

    def apply(self, view: str, rows: Iterable[OnlineRow], *, step: Step | None = None) -> int:
        return self._written("newer", view, [(entity, _value(at, packed)) for entity, at, packed in rows], step)

    def correct(
        self, view: str, rows: Iterable[OnlineRow], *, gone: Iterable[str] = (), step: Step | None = None
    ) -> int:
        given = {entity: _value(at, packed) for entity, at, packed in rows}
        changes = [*given.items(), *((entity, b"") for entity in gone)]
        self._written("set", view, changes, step)
        return len(given)

    def _written(self, how: str, view: str, changes: list[tuple[str, bytes]], step: Step | None) -> int:
        """In one script where they fit, else in several: the mark is unknown from the first to the last of them, so
        that one that breaks off in between leaves no mark that lies."""
        after, count, parts = step.after if step else "", 0, max(1, -(-len(changes) // BATCH))
        before: str | None = step.before if step else MOVED
        for i in range(parts):
            part = changes[i * BATCH : (i + 1) * BATCH]
            mark = after if i == parts - 1 else f"?{uuid4().hex}"
            count += self._one_write(how, view, part, before, mark, step)
            before = mark if step else MOVED
        return count

    def _one_write(
        self, how: str, view: str, part: list[tuple[str, bytes]], before: str | None, mark: str, step: Step | None
    ) -> int:
        keys = [self._about(view), self._rows(view), f"{self._prefix}:views"]
        flat = [word for change in part for word in change]
        with self._translated(f"writing rows of {view}"):
            done = self._write(keys, [how, view, "\0" if before is None else before, mark, *flat])
        if isinstance(done, bytes) and step is not None:
            raise moved(view, step, None if done == b"\0" else done.decode())
        return int(done)

    def replace(self, view: str, rows: Iterable[OnlineRow], *, mark: str = "") -> int:
        token = uuid4().hex
        with self._loading(view, token):
            self._clear(view)  # what a load left that was killed: nobody but us loads this view now
            if mark and self.mark(view) == mark:
                return 0
            aside = self._rows(view, token)
            with self._translated(f"beginning to load {view}"):
                self._writer.hset(self._about(view), mapping={"loading": aside, "touched": 0})
                self._writer.hdel(self._about(view), "loading_newest")
            try:
                count = self._load(view, token, iter(rows))
                with self._translated(f"turning {view} over to its new rows"):
                    self._turn([self._about(view), self._rows(view), f"{self._prefix}:views"], [view, mark])
            finally:
                self._clear(view)
        return count

    def forget(self, view: str) -> None:
        with self._loading(view, uuid4().hex), self._translated(f"forgetting {view}"):
            self._writer.unlink(self._about(view), self._rows(view), self._rows(view, "old"))
            self._writer.srem(f"{self._prefix}:views", view)

    def repairs(self) -> list[str]:
        """Looks for what killed loads left, if Redis is there."""
        try:
            with self._translated("looking for what killed loads left"):
                names = [name.decode() for name in self._writer.smembers(f"{self._prefix}:views")]
                dead = [name for name in names if not self._writer.exists(self._lock(name)) and self._clear(name)]
        except Unavailable:
            return self._repaired
        said = "removed the rows of {} that a killed load left; the ones before it serve"
        self._repaired += [said.format(name) for name in dead]
        return self._repaired

    def close(self) -> None:
        self._redis.close()
        self._writer.close()

    def _load(self, view: str, token: str, rows: Iterator[OnlineRow]) -> int:
        aside, seen = self._rows(view, token), set[str]()
        while batch := list(islice(rows, BATCH)):
            self._still_mine(view, token)
            seen.update(entity for entity, _, _ in batch)
            flat = [word for entity, at, packed in batch for word in (entity, _value(at, packed))]
            with self._translated(f"loading rows of {view}"):
                self._write([self._about(view), aside, ""], ["load", view, MOVED, "", *flat])
        return len(seen)

    def _still_mine(self, view: str, token: str) -> None:
        """Renew the lock. Raises Conflict if this load was silent for so long that another took over."""
        with self._translated(f"loading rows of {view}"):
            if self._writer.get(self._lock(view)) != token.encode():
                raise Conflict(f"another load of {view} took over from this one, which was silent for too long")
            self._writer.pexpire(self._lock(view), LOAD_TTL_MS)

    def _clear(self, view: str) -> bool:
        """Drop what a load left aside; whether there was anything."""
        with self._translated(f"clearing what a load of {view} left"):
            aside = self._writer.hget(self._about(view), "loading")
            self._writer.unlink(self._rows(view, "old"), *([aside] if aside else []))
            self._writer.hdel(self._about(view), "loading", "touched", "loading_newest")
        return aside is not None

    @contextmanager
    def _loading(self, view: str, token: str) -> Iterator[None]:
        """One load of a view at a time, whoever loads. The lock of a killed one runs out."""
        until = time.monotonic() + PATIENCE_S
        with self._translated(f"beginning to load {view}"):
            while not self._writer.set(self._lock(view), token, nx=True, px=LOAD_TTL_MS):
                if time.monotonic() > until:
                    raise Unavailable(f"waited {PATIENCE_S:g} s for another load of {view} to end")
                time.sleep(0.05)
        try:
            yield
        finally:
            with self._translated(f"ending the load of {view}"):
                if self._writer.get(self._lock(view)) == token.encode():
                    self._writer.delete(self._lock(view))

    # ── names, values, errors ────────────────────────────────────────────────────────────────────────────────────

    def _rows(self, view: str, aside: str = "") -> str:
        return f"{self._prefix}:rows:{view}:{aside}"

    def _about(self, view: str) -> str:
        return f"{self._prefix}:about:{view}"

    def _lock(self, view: str) -> str:
        return f"{self._prefix}:lock:{view}"

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        from redis.exceptions import RedisError

        try:
            yield
        except RedisError as error:
            raise Unavailable(f"{what} failed: {error} ({self._place})", hint="is Redis up?") from error


def _value(known_at_us: int, packed: bytes) -> bytes:
    return _AT.pack(known_at_us) + packed


def _row(value: bytes | None) -> Row | None:
    return None if value is None else (_AT.unpack_from(value)[0], value[8:])
