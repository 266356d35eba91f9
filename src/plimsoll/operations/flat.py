"""Columns of several records end to end, as arrays: what the loop counts with.

A pass takes what was written since the last one as it lies in the log, thousands of turns of a few rows each. An array
operation on sixteen rows costs as much as on a thousand, so the columns of all turns are put end to end first.
``sizes`` are the rows of each record.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from plimsoll.kernel.columns import Answers, Events, numbers, spread

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Codes = NDArray[np.int32]
_NAN = np.array(np.nan, "<f8").tobytes()
_ZERO = bytes(8)


class Names(dict[str, int]):
    """A number for each text, in the order in which they first came."""

    def __missing__(self, text: str) -> int:
        code = self[text] = len(self)
        return code


def coded(columns: Sequence[Sequence[str]], sizes: Integers, names: Names, default: str) -> Codes:
    """Each row's number among ``names``, which gains what is new."""
    if max(map(len, columns), default=0) <= 1:
        each = [names[column[0] if column else default] for column in columns]
        return np.repeat(np.array(each, np.int32), sizes)
    every = chain.from_iterable(spread(c, n, default) for c, n in zip(columns, sizes.tolist(), strict=True))
    return np.fromiter(map(names.__getitem__, every), np.int32, int(sizes.sum()))


def integers(columns: Sequence[bytes], sizes: Integers) -> Integers:
    """Columns of eight bytes a row."""
    return np.frombuffer(_joined(columns, sizes, _ZERO), "<i8")


def floats(columns: Sequence[bytes], sizes: Integers) -> Floats:
    """Columns of numbers; zero where there are none."""
    return np.frombuffer(_joined(columns, sizes, _ZERO), "<f8")


def _joined(columns: Sequence[bytes], sizes: Integers, default: bytes) -> bytes:
    return b"".join(
        column if len(column) == 8 * n else (column or default) * n
        for column, n in zip(columns, sizes.tolist(), strict=True)
    )


class Sayings(NamedTuple):
    """What was answered, by row. ``releases``: codes among ``names``. ``scores``: NaN where ``scored`` is false, and where
    there are several a row: those are in ``several``, as (row, score) by release."""

    names: list[str]
    releases: Codes
    scores: Floats
    scored: Bools
    several: dict[str, list[tuple[int, tuple[float, ...]]]]
    latencies_ms: Floats
    failed: Bools

    def by_release(self) -> Iterator[tuple[str, Integers, Floats]]:
        """Each release with the rows that it has a score for, and the scores."""
        for code, name in enumerate(self.names):
            rows = np.flatnonzero(self.scored & (self.releases == code))
            if len(rows):
                yield name, rows, self.scores[rows]
        for name, pairs in self.several.items():
            yield name, np.array([row for row, _ in pairs]), np.array([score for _, score in pairs])


def sayings(answers: Sequence[Answers], sizes: Integers) -> Sayings:
    """The answers of several records end to end."""
    names = Names()
    releases = coded([a.releases for a in answers], sizes, names, "")
    scores, scored, several = _scores(answers, sizes)
    return Sayings(
        list(names),
        releases,
        scores,
        scored,
        several,
        floats([a.latencies_ms for a in answers], sizes),
        flags([a.errors for a in answers], sizes, default=False),
    )


def _scores(
    answers: Sequence[Answers], sizes: Integers
) -> tuple[Floats, Bools, dict[str, list[tuple[int, tuple[float, ...]]]]]:
    rows = sizes.tolist()
    plain = [a.scores if isinstance(a.scores, bytes) else b"" for a in answers]
    scores = np.frombuffer(_joined(plain, sizes, _NAN), "<f8")
    scored = np.repeat(np.array([bool(column) for column in plain], np.bool_), sizes)
    several: dict[str, list[tuple[int, tuple[float, ...]]]] = {}
    uneven = [i for i, a in enumerate(answers) if not isinstance(a.scores, bytes)]
    if uneven:
        scores, starts = scores.copy(), np.cumsum(sizes) - sizes
    for i in uneven:
        row = int(starts[i])
        for release, score in zip(
            spread(answers[i].releases, rows[i], ""), spread(numbers(answers[i].scores), rows[i], None), strict=True
        ):
            if isinstance(score, tuple):
                several.setdefault(release, []).append((row, score))
            elif score is not None:
                scores[row], scored[row] = score, True
            row += 1
    return scores, scored, several


def flags(columns: Sequence[Sequence[Any]], sizes: Integers, *, default: bool) -> Bools:
    """Whether each row's value says something."""
    if not any(columns):
        return np.full(int(sizes.sum()), default)
    every = chain.from_iterable(spread(c, n, default) for c, n in zip(columns, sizes.tolist(), strict=True))
    return np.fromiter(map(bool, every), np.bool_, int(sizes.sum()))


class Picker:
    """Some columns of the inputs, as text; everything else in them is skipped, not decoded."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = tuple(columns)
        names = {f"c{i}": name for i, name in enumerate(self.columns)}
        row = msgspec.defstruct("Picked", [(field, Any, None) for field in names], rename=names, gc=False)
        self._fields = [attrgetter(field) for field in names]
        self._decode = msgspec.msgpack.Decoder(list[row]).decode  # type: ignore[valid-type]

    def texts(self, events: Events) -> list[Iterable[str]]:
        """Each column's values, one a row; what was not asked with is ``None``."""
        rows: Any = events.inputs
        if isinstance(rows, msgspec.Raw):
            picked = self._decode(rows)
            return [map(str, map(field, picked)) for field in self._fields]
        return [[str(row.get(name)) for row in rows] for name in self.columns]
