"""A compiled view: for every entity, what was known about it and since when; everything else reads this.

Rows are sorted by entity (code points) and ``known_at``; an entity has at most one row a moment. A question is
answered by the entity's last row with ``known_at <= asked_at``. The same rows, applied in order of ``known_at`` to a
store that keeps each entity's last one, are the online features.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from plimsoll.errors import Damaged
from plimsoll.features.columns import Column, Floats, codes_of, microseconds

HOUR_US = 3_600_000_000
PACKED = "<f4"  # how a row's values are packed online: float32, little-endian


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """``entities[i]`` has the rows ``starts[i]:starts[i + 1]``. Times are int64 microseconds since the epoch, UTC."""

    view: str
    names: tuple[str, ...]
    age: bool
    entities: tuple[str, ...]
    starts: NDArray[np.int64]
    known_at_us: NDArray[np.int64]
    values: Floats

    def __len__(self) -> int:
        return len(self.known_at_us)

    def as_of(self, entities: Column, asked_at: Column, *, missing_after_us: int = 0) -> Floats:
        """The values as they were known when asked: (questions × values, then age in hours where the view has it).

        ``asked_at`` are times, or microseconds since the epoch. NaN throughout where nothing was known, or nothing
        newer than ``missing_after_us`` (0: however old). Cost: two binary searches a question.
        """
        asked_at_us = microseconds(asked_at)
        found = self.find(entities, asked_at_us)
        out = np.empty((len(found), self.values.shape[1] + self.age), dtype=np.float32)
        if len(self):
            out[:, : self.values.shape[1]] = self.values[found]
            if self.age:
                out[:, -1] = (asked_at_us - self.known_at_us[found]) / HOUR_US
            if missing_after_us:
                out[asked_at_us - self.known_at_us[found] > missing_after_us] = np.nan
        out[found < 0] = np.nan
        return out

    def rows_between(self, after_us: int, until_us: int) -> Iterator[tuple[str, int, bytes]]:
        """The rows with ``after_us < known_at <= until_us``, in order of ``known_at``, as the online store takes
        them: (entity, known_at in µs, packed float32 values)."""
        first, last = np.searchsorted(self._ordered_us, (after_us, until_us), side="right")
        return self.rows_at(self._order[first:last])

    def rows_as_of(self, until_us: int) -> Iterator[tuple[str, int, bytes]]:
        """The last row of each entity that is known by ``until_us``, as ``rows_between`` gives rows: all that an online
        store needs to begin with."""
        found = self.find(self.entities, np.full(len(self.entities), until_us, dtype=np.int64))
        return self.rows_at(found[found >= 0])

    def rows_at(self, chosen: NDArray[np.int64]) -> Iterator[tuple[str, int, bytes]]:
        """These rows, by index, as ``rows_between`` gives rows."""
        packed = self.values[chosen].astype(PACKED, copy=False).tobytes()
        size = 4 * self.values.shape[1]
        rows = zip(self._codes_of_rows[chosen].tolist(), self.known_at_us[chosen].tolist(), strict=True)
        for i, (code, known_at_us) in enumerate(rows):
            yield self.entities[code], known_at_us, packed[i * size : (i + 1) * size]

    def until(self, until_us: int) -> Timeline:
        """As it was at ``until_us``: the rows known until then."""
        keep = self.known_at_us <= until_us
        counts = np.bincount(self._codes_of_rows[keep], minlength=len(self.entities))
        present = counts > 0
        return replace(
            self,
            entities=tuple(e for e, here in zip(self.entities, present.tolist(), strict=True) if here),
            starts=np.concatenate([[0], np.cumsum(counts[present])]).astype(np.int64),
            known_at_us=self.known_at_us[keep],
            values=self.values[keep],
        )

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything in it."""
        head = msgspec.json.encode([self.view, self.names, self.age, self.entities])
        parts = (self.starts.astype("<i8"), self.known_at_us.astype("<i8"), self.values.astype(PACKED))
        sha = hashlib.sha256(head)
        for part in parts:
            sha.update(part.tobytes())
        return sha.hexdigest()

    def to_parquet(self, path: Path) -> None:
        """One row a row: entity, known_at (µs), the values; what else belongs to it in the file's metadata."""
        import pyarrow as pa  # type: ignore[import-untyped]
        from pyarrow import parquet

        entity = pa.DictionaryArray.from_arrays(
            pa.array(self._codes_of_rows, pa.int32()), pa.array(self.entities, pa.string())
        )
        columns = {"entity": entity, "known_at": pa.array(self.known_at_us, pa.timestamp("us", "UTC"))}
        columns |= {name: pa.array(self.values[:, i]) for i, name in enumerate(self.names)}
        about = msgspec.json.encode([self.view, self.names, self.age, self.digest])
        parquet.write_table(pa.table(columns, metadata={"plimsoll": about}), path)

    @staticmethod
    def from_parquet(path: Path) -> Timeline:
        """Raises Damaged if it is not what ``to_parquet`` wrote."""
        from pyarrow import parquet

        table = parquet.read_table(path)
        about = (table.schema.metadata or {}).get(b"plimsoll")
        if about is None:
            raise Damaged(f"{path} is no timeline: its metadata are missing", hint="compile the view again")
        view, names, age, digest = msgspec.json.decode(about)
        entity = table.column("entity").combine_chunks()
        made = timeline_of_rows(
            view=view,
            names=tuple(names),
            age=age,
            codes=entity.indices.to_numpy(),
            entities=entity.dictionary.to_pylist(),
            known_at_us=table.column("known_at").to_numpy().astype("datetime64[us]").astype(np.int64),
            values=np.column_stack([table.column(name).to_numpy() for name in names]),
        )
        if made.digest != digest:
            raise Damaged(
                f"the timeline in {path} has the digest {made.digest[:12]}, it was written with {digest[:12]}",
                hint="delete it; it is compiled again from its snapshot",
            )
        return made

    def entities_of_rows(self) -> list[str]:
        """The entity of each row."""
        return [self.entities[code] for code in self._codes_of_rows.tolist()]

    def find(self, entities: Column, asked_at_us: NDArray[np.int64]) -> NDArray[np.int64]:
        """For each question the index of the row that answers it; −1 where there is none."""
        codes = codes_of(entities, self._codes, -1)
        if len(self) == 0:
            return codes
        ranks = np.searchsorted(self._moments, asked_at_us, side="right")
        last = np.searchsorted(self._keys, codes * self._stride + ranks, side="right") - 1
        return np.where((codes >= 0) & (last >= self.starts[codes]), last, -1)

    @cached_property
    def _codes(self) -> dict[str | None, int]:
        return {entity: code for code, entity in enumerate(self.entities)}

    @cached_property
    def _codes_of_rows(self) -> NDArray[np.int64]:
        return np.repeat(np.arange(len(self.entities)), np.diff(self.starts))

    @cached_property
    def _moments(self) -> NDArray[np.int64]:
        ordered = self._ordered_us
        return ordered[np.diff(ordered, prepend=ordered[:1] - 1) > 0]

    @property
    def _stride(self) -> int:
        return len(self._moments) + 1

    @cached_property
    def _keys(self) -> NDArray[np.int64]:
        """(entity, known_at) as one sorted integer. Ranks of times, not times: they fit whatever the entities."""
        ranks = np.empty(len(self), dtype=np.int64)
        ordered = self._ordered_us
        ranks[self._order] = np.cumsum(np.diff(ordered, prepend=ordered[:1] - 1) > 0)
        return self._codes_of_rows * self._stride + ranks

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        return np.argsort(self.known_at_us, kind="stable")

    @cached_property
    def _ordered_us(self) -> NDArray[np.int64]:
        return self.known_at_us[self._order]


def timeline_of_rows(
    *,
    view: str,
    names: tuple[str, ...],
    age: bool,
    codes: NDArray[np.integer],
    entities: list[str],
    known_at_us: NDArray[np.int64],
    values: Floats,
) -> Timeline:
    """A Timeline of rows that are sorted by entity and time; of several rows at one moment the last stays.

    ``codes[i]`` is the row's place in ``entities``, which is in order of first appearance.
    """
    ends = np.ones(len(codes), dtype=bool)
    ends[:-1] = (codes[1:] != codes[:-1]) | (known_at_us[1:] != known_at_us[:-1])
    counts = np.bincount(codes[ends], minlength=len(entities))
    values = np.ascontiguousarray(values[ends], dtype=np.float32)
    values[np.isnan(values)] = np.nan  # one NaN, whichever the engine made
    return Timeline(
        view=view,
        names=names,
        age=age,
        entities=tuple(entities),
        starts=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        known_at_us=known_at_us[ends],
        values=values,
    )
