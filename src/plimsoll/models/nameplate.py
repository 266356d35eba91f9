"""A packed model's bytes: one line that says what they are, then the format's own.

ONNX has a place for such words inside, and keeps it. The other formats get the line in front; without it (``tail -n
+2 MODEL``) the file opens in the library that it came from.
"""

from __future__ import annotations

from typing import Any

import msgspec

from plimsoll.errors import Damaged
from plimsoll.kernel.digest import canonical

_MARK = b"plimsoll-model "
_LONGEST = 1_048_576


class Nameplate(msgspec.Struct, frozen=True, kw_only=True):
    """What a packed model is: its kind, and what it answers for which features. ``more`` is the kind's own."""

    kind: str
    task: str
    names: tuple[str, ...]
    classes: tuple[str, ...] = ()
    more: dict[str, Any] = {}


def fixed(plate: Nameplate, payload: bytes) -> bytes:
    """``payload`` with its nameplate: the bytes that a release carries."""
    return _MARK + canonical(plate) + b"\n" + payload


def read(data: bytes) -> tuple[Nameplate | None, bytes]:
    """The nameplate and what follows it; None for bytes without one (ONNX). Raises Damaged for one that is unreadable."""
    if not data.startswith(_MARK):
        return None, data
    end = data.find(b"\n", 0, _LONGEST)
    try:
        return msgspec.json.decode(data[len(_MARK) : max(end, 0)], type=Nameplate), data[end + 1 :]
    except msgspec.DecodeError as error:
        raise Damaged(f"{len(data):,} bytes begin like a packed model and do not say what they are: {error}") from error
