"""Golden rows: a few inputs with the answers that the packed model gave where it was packed.

A replica that cannot reproduce them runs another model, another runtime or other hardware than the one that was
judged, and must not become ready. The bytes are MessagePack with shapes and little-endian arrays; nothing in them can
execute.
"""

from __future__ import annotations

from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from plimsoll.errors import Damaged, UsageError
from plimsoll.models.engine import Engine

TOLERANCE = 1e-6
"""Of the largest golden answer, or of 1 where that is smaller."""
MOST_ROWS = 64
_SPREAD = 24


class _Answering(Protocol):
    def predict(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]: ...


class _Golden(msgspec.Struct, frozen=True, kw_only=True):
    rows: tuple[int, int]
    inputs: bytes  # float32, little-endian, C order
    answers: tuple[int, ...]
    expected: bytes  # float64, little-endian, C order


def golden(engine: _Answering, sample: NDArray[np.float32]) -> bytes:
    """Golden bytes for ``engine`` from at most 64 rows of ``sample``: the extremes of the answers and of the features,
    rows with something missing, and rows spread evenly. The same sample gives the same bytes."""
    inputs = np.ascontiguousarray(sample[_chosen(sample, engine.predict(sample))], dtype="<f4")
    expected = np.ascontiguousarray(engine.predict(inputs), dtype="<f8")
    made = _Golden(
        rows=(inputs.shape[0], inputs.shape[1]),
        inputs=inputs.tobytes(),
        answers=expected.shape,
        expected=expected.tobytes(),
    )
    return msgspec.msgpack.encode(made)


def check_golden(engine: Engine, golden: bytes) -> str:
    """Empty if ``engine`` reproduces the golden answers; else a sentence naming the row, the expected, and the got.

    Raises Damaged if the bytes are not golden rows.
    """
    inputs, expected = _arrays(golden)
    try:
        got = engine.predict(inputs)
    except UsageError as error:
        return f"the engine cannot run the golden rows: {error.message}"
    if got.shape != expected.shape:
        return f"the engine answers the golden rows with shape {got.shape}, not {expected.shape}"
    off = np.abs(got - expected)
    if not off.size or off.max() <= TOLERANCE * max(1.0, float(np.abs(expected).max())):
        return ""
    at = np.unravel_index(int(off.argmax()), off.shape)
    return (
        f"golden row {int(at[0])}: expected {expected[at]:.9g}, got {got[at]:.9g}, "
        f"{off[at]:.3g} apart where {TOLERANCE:g} is allowed"
    )


def golden_rows(golden: bytes) -> NDArray[np.float32]:
    """The inputs alone. Raises Damaged if the bytes are not golden rows."""
    return _arrays(golden)[0]


def _arrays(data: bytes) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    try:
        read = msgspec.msgpack.decode(data, type=_Golden)
        inputs = np.frombuffer(read.inputs, dtype="<f4").reshape(read.rows)
        return inputs, np.frombuffer(read.expected, dtype="<f8").reshape(read.answers)
    except (msgspec.DecodeError, ValueError) as error:
        raise Damaged(f"{len(data):,} bytes are not golden rows: {error}") from error


def _chosen(sample: NDArray[np.float32], answers: NDArray[np.float64]) -> NDArray[np.int64]:
    flat = answers.reshape(len(answers), -1)
    found: list[int] = [*flat.argmin(axis=0), *flat.argmax(axis=0)]
    found += np.linspace(0, len(sample) - 1, min(_SPREAD, len(sample)), dtype=np.int64).tolist()
    found += _first_missing(sample)
    low, high = np.where(np.isnan(sample), np.inf, sample), np.where(np.isnan(sample), -np.inf, sample)
    found += [int(i) for pair in zip(low.argmin(axis=0), high.argmax(axis=0), strict=True) for i in pair]
    return np.array(sorted(dict.fromkeys(int(i) for i in found[:MOST_ROWS])), dtype=np.int64)


def _first_missing(sample: NDArray[np.float32]) -> list[int]:
    missing = np.isnan(sample)
    return [int(column.argmax()) for column in missing.T if column.any()][:8]
