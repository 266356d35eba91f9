"""Inputs as they come on a bad day: not there, noisy, somebody else's, never seen, mistyped.

Which rows are hit, and by what, is drawn from a seed that is a digest of what is asked, so the same question has the same
answer. A row that is hit at a rate is hit at every higher one: what differs between two rates is the rate.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from plimsoll.errors import UsageError
from plimsoll.evaluation.suite.overlap import spread
from plimsoll.kernel.digest import digest
from plimsoll.kernel.figure import share
from plimsoll.suite import Trouble

Column = NDArray[Any]
Floats = NDArray[np.float64]
UNSEEN = "\N{REPLACEMENT CHARACTER} never seen"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Perturbation(msgspec.Struct, frozen=True, kw_only=True):
    """``kind`` in a share ``rate`` of the rows. ``spread``: of noise, its standard deviation in multiples of the input's own."""

    kind: Trouble
    rate: float
    spread: float = 0.0

    @property
    def says(self) -> str:
        return f"{how(self.kind, self.spread)} in {share(self.rate)}"


def how(kind: str, spread: float) -> str:
    """The kind in words: ``noisy by 0.5 sd``, ``another row's``."""
    said = {"swapped": "another row's", "unseen": "a value never seen", "mistyped": "mistyped by a letter"}
    return f"noisy by {spread:g} sd" if kind == "noisy" else said.get(kind, kind)


def chance(*named: Any) -> np.random.Generator:
    """Random numbers that are a function of what they are for."""
    return np.random.Generator(np.random.PCG64(int(digest(list(named))[:32], 16)))


def hit(rows: int, rate: float, *named: Any) -> NDArray[np.bool_]:
    """Which rows are hit: a share ``rate`` of them on average, and all of those of any lower rate."""
    return np.asarray(chance("rows", *named).random(rows) < rate)


def kinds_of(column: Column) -> tuple[Trouble, ...]:
    """What can happen to a column of this type: numbers are noisy, names are unseen or mistyped, times are another row's."""
    if column.dtype.kind in "iuf":
        return ("missing", "noisy")
    if column.dtype.kind in "OUS" and any(isinstance(v, str) for v in column.tolist()):
        return ("missing", "swapped", "unseen", "mistyped")
    return ("missing", "swapped")


def perturbed(column: Column, by: Perturbation, *named: Any) -> Column:
    """``column`` after it: the same length, of a type that has nulls where it needs them. ``named``: what the seed is made
    of. Raises UsageError where the kind does not apply."""
    if by.kind not in kinds_of(column):
        raise UsageError(
            f"a column of {column.dtype} cannot be {by.kind}", hint=f"it can be {', '.join(kinds_of(column))}"
        )
    rows = hit(len(column), by.rate, *named)
    return _WAYS[by.kind](column, rows, by, chance(by.kind, *named))


def perturbed_matrix(X: NDArray[np.float32], by: Perturbation, *named: Any) -> NDArray[np.float32]:
    """The same for features that are looked up together: all missing, each noisy by its own spread, or all another row's."""
    rows, draws = hit(len(X), by.rate, *named), chance(by.kind, *named)
    made = X.copy()
    if by.kind == "missing":
        made[rows] = np.nan
    elif by.kind == "swapped":
        made[rows] = X[draws.permutation(len(X))][rows]
    elif by.kind == "noisy":
        noise = by.spread * spread(np.asarray(X, dtype=np.float64)) * draws.standard_normal(X.shape)
        made[rows] += noise[rows].astype(np.float32)
    else:
        raise UsageError(f"features that are looked up cannot be {by.kind}", hint="missing, noisy or swapped")
    return made


def _missing(column: Column, rows: NDArray[np.bool_], by: Perturbation, draws: np.random.Generator) -> Column:
    if column.dtype.kind == "M":
        return np.where(rows, np.datetime64("NaT"), column)
    if column.dtype.kind in "iuf":
        return np.where(rows, np.nan, column.astype(np.float64))
    made = column.astype(object)
    made[rows] = None
    return made


def _noisy(column: Column, rows: NDArray[np.bool_], by: Perturbation, draws: np.random.Generator) -> Column:
    values = column.astype(np.float64)
    noise = by.spread * spread(values.reshape(-1, 1)) * draws.standard_normal(len(values))
    return np.where(rows, values + noise, values)


def _swapped(column: Column, rows: NDArray[np.bool_], by: Perturbation, draws: np.random.Generator) -> Column:
    """Another row's value, and another value where there is one: from a random place on, the next that differs."""
    made, other = column.copy(), column[draws.permutation(len(column))]
    for _ in range(8):  # a value that most rows have needs more than one try
        same = rows & _equal(other, column)
        if not same.any():
            break
        other[same] = column[draws.integers(len(column), size=int(same.sum()))]
    made[rows] = other[rows]
    return made


def _unseen(column: Column, rows: NDArray[np.bool_], by: Perturbation, draws: np.random.Generator) -> Column:
    made = column.astype(object)
    made[rows] = UNSEEN
    return made


def _mistyped(column: Column, rows: NDArray[np.bool_], by: Perturbation, draws: np.random.Generator) -> Column:
    made = column.astype(object)
    for i in np.flatnonzero(rows).tolist():
        if isinstance(made[i], str):
            made[i] = mistyped(made[i], draws)
    return made


def mistyped(text: str, draws: np.random.Generator) -> str:
    """``text`` with one slip: a letter more, less, another, or two the other way round. Four in five misspellings are one of
    these (Damerau 1964, *Comm. ACM* 7:171)."""
    made = text
    while made == text:  # the last letter taken for itself, or two equal ones changed about, is no slip
        at, slip = int(draws.integers(len(text) + 1)), int(draws.integers(4))
        letter = _LETTERS[int(draws.integers(26))]
        letter = letter.upper() if text.isupper() else letter
        head, here, rest = text[:at], text[at : at + 1], text[at + 1 :]
        made = head + (letter + here + rest, rest, letter + rest, rest[:1] + here + rest[1:])[slip]
    return made


def _equal(a: Column, b: Column) -> NDArray[np.bool_]:
    return np.fromiter((x == y for x, y in zip(a.tolist(), b.tolist(), strict=True)), np.bool_, len(a))


_WAYS: dict[str, Callable[[Column, NDArray[np.bool_], Perturbation, np.random.Generator], Column]] = {
    "missing": _missing,
    "noisy": _noisy,
    "swapped": _swapped,
    "unseen": _unseen,
    "mistyped": _mistyped,
}
