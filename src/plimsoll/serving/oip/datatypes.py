"""The protocol's datatypes: what each holds, and which of them a column's kind may come as."""

from __future__ import annotations

import math
from typing import Any

_INTEGERS = {
    **{f"INT{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": (0, 2**bits - 1) for bits in (8, 16, 32, 64)},
}
_FLOATS = ("FP16", "FP32", "FP64")
DATATYPES = ("BOOL", *_INTEGERS, *_FLOATS, "BYTES")
OF_KIND = {"text": "BYTES", "number": "FP64", "integer": "INT64", "boolean": "BOOL", "time": "BYTES"}
ACCEPTED = {
    "text": ("BYTES",),
    "time": ("BYTES",),
    "boolean": ("BOOL",),
    "integer": tuple(_INTEGERS),
    "number": (*_FLOATS, *_INTEGERS),
}


def is_a(datatype: str, value: Any) -> bool:
    if datatype == "BOOL":
        return isinstance(value, bool)
    if datatype == "BYTES":
        return isinstance(value, str)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if datatype in _FLOATS:
        return math.isfinite(value)
    low, high = _INTEGERS[datatype]
    return isinstance(value, int) and low <= value <= high
