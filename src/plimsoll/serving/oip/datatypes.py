"""The protocol's datatypes: what each holds, how its raw bytes read, and which of them a column's kind may come as.

Raw is little-endian, row after row, without padding; a BYTES element is its length in four bytes and then itself
(Triton's binary tensor data extension; ``raw_input_contents`` over gRPC is the same).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np

from plimsoll.errors import UsageError

INTEGERS = {
    **{f"INT{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)},
}
FLOATS = {"FP16": 65504.0, "BF16": 3.3895313892515355e38, "FP32": 3.4028234663852886e38, "FP64": math.inf}
"""The largest finite value of each; above float32's there is no limit of its own."""
DATATYPES = ("BOOL", *INTEGERS, *FLOATS, "BYTES")
ONLY_RAW = ("BF16",)
"""What JSON and typed contents have no field for."""
OF_KIND = {"text": "BYTES", "number": "FP64", "integer": "INT64", "boolean": "BOOL", "time": "BYTES"}
ACCEPTED = {
    "text": ("BYTES",),
    "time": ("BYTES",),
    "boolean": ("BOOL",),
    "integer": tuple(INTEGERS),
    "number": (*FLOATS, *INTEGERS),
}

_NUMPY = {
    "BOOL": "u1",
    **{name: f"<{'u' if name[0] == 'U' else 'i'}{int(name.lstrip('UINT')) // 8}" for name in INTEGERS},
    "FP16": "<f2",
    "BF16": "<u2",
    "FP32": "<f4",
    "FP64": "<f8",
}
_LENGTH = struct.Struct("<I")


def is_a(datatype: str, value: Any) -> bool:
    """Whether a value, as JSON or typed contents gave it, is one of this datatype."""
    if datatype == "BOOL":
        return isinstance(value, bool)
    if datatype == "BYTES":
        return isinstance(value, str)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if datatype in FLOATS:
        return _finite(value) and abs(value) <= FLOATS[datatype]
    low, high = INTEGERS[datatype]
    return isinstance(value, int) and low <= value <= high


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond every float
        return False


def unpack(datatype: str, raw: bytes, count: int) -> list[Any]:
    """``count`` elements from their raw bytes; NaN is a missing value. Raises UsageError if they are not that."""
    if datatype == "BYTES":
        return _texts(raw, count)
    kind = np.dtype(_NUMPY[datatype])
    if len(raw) != count * kind.itemsize:
        raise UsageError(
            f"it has {len(raw)} bytes of data, and its shape says {count} × {kind.itemsize} = {count * kind.itemsize}"
        )
    found = np.frombuffer(raw, kind)
    if datatype == "BOOL":
        if found.size and found.max() > 1:
            raise UsageError(f"a BOOL is a byte 0 or 1, not {int(found.max())}")
        return list(found.astype(bool).tolist())
    if datatype in INTEGERS:
        return list(found.tolist())
    if datatype == "BF16":  # the upper half of a float32
        found = (found.astype("<u4") << 16).view("<f4")
    values: list[Any] = found.tolist()
    if math.isfinite(sum(values)):  # then each of them is
        return values
    if np.isinf(found).any():
        raise UsageError("it has an infinite element")
    return [None if value != value else value for value in values]


def _texts(raw: bytes, count: int) -> list[str]:
    found: list[str] = []
    at = 0
    while at < len(raw) and len(found) < count:
        start = at + _LENGTH.size
        if start > len(raw) or (end := start + _LENGTH.unpack_from(raw, at)[0]) > len(raw):
            raise UsageError(f"its element {len(found)} is cut off: the data ends at byte {len(raw)}")
        found.append(text(raw[start:end]))
        at = end
    if len(found) != count or at != len(raw):
        raise UsageError(f"its data is {len(found)} elements and {len(raw) - at} bytes more; its shape says {count}")
    return found


def text(element: bytes) -> str:
    try:
        return str(element, "utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"its element {element!r:.80} is not UTF-8") from error


def pack(datatype: str, values: Sequence[Any]) -> bytes:
    """Values as raw bytes."""
    if datatype == "BYTES":
        encoded = [value.encode() for value in values]
        return b"".join(part for each in encoded for part in (_LENGTH.pack(len(each)), each))
    return np.array(values, _NUMPY[datatype]).tobytes()
