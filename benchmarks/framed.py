"""A load's requests as a file: each with its length before it, so that a process of its own can send them as they are."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

_LENGTH = struct.Struct("<I")


def write(path: Path, requests: Iterable[bytes]) -> None:
    path.write_bytes(b"".join(_LENGTH.pack(len(each)) + each for each in requests))


def read(path: Path) -> list[bytes]:
    data, found, at = path.read_bytes(), [], 0
    while at < len(data):
        (size,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        found.append(data[at : at + size])
        at += size
    return found
