"""The frame: how the records of one ``append`` lie in a segment. All of them are there, or none.

::

    "PLM" 0x01 | u32 length | u32 CRC-32 of the payload | payload: msgpack array of records      (little-endian)

The mark at the front lets a reader find the next whole frame behind a damaged one; that is how a torn tail (nothing
whole behind it: a write that was never acknowledged) is told from damage in the middle (acknowledged records behind it).

A record is one event, or what was said beside one, or one outcome; or several of them in columns (``kernel.columns``),
which is how a server writes its turns. Segments have both: what was written one by one is read for good.

Records are maps with names, not arrays: an array saves a tenth of the encoding (60 of 650 ns an event, 20 inputs) and
of the bytes, and would make every field's place a promise. An old record lacks what came later, and still decodes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from zlib import crc32

import msgspec

from plimsoll.kernel.columns import Written

MARK = b"PLM\x01"
_HEADER = struct.Struct("<4sII")
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Written])
_one: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(Written)


class Frame(NamedTuple):
    """A whole frame: where it begins and ends in its segment, and what it holds."""

    offset: int
    end: int
    payload: bytes


def encode(records: Sequence[Written]) -> bytes:
    """The frame that holds ``records``."""
    payload = _encoder.encode(records)
    return _HEADER.pack(MARK, len(payload), crc32(payload)) + payload


def decode(frame: Frame) -> list[Written]:
    return _decoder.decode(frame.payload)


def encode_record(record: Written) -> bytes:
    return _encoder.encode(record)


def decode_record(data: bytes) -> Written:
    record: Written = _one.decode(data)
    return record


def length_needed(data: bytes, start: int = 0) -> int:
    """How many bytes the frame at ``start`` claims to have; a header's length where even that is not known."""
    if len(data) - start < _HEADER.size or data[start : start + 4] != MARK:
        return _HEADER.size
    return _HEADER.size + int(_HEADER.unpack_from(data, start)[1])


def whole(data: bytes, start: int = 0, base: int = 0) -> Iterator[Frame]:
    """The whole frames from ``start`` on, up to the first that is not. ``base`` is the place of ``data`` in its file."""
    while start + _HEADER.size <= len(data):
        mark, length, checksum = _HEADER.unpack_from(data, start)
        begin, end = start + _HEADER.size, start + _HEADER.size + length
        if mark != MARK or end > len(data):
            return
        payload = data[begin:end]
        if crc32(payload) != checksum:
            return
        yield Frame(base + start, base + end, payload)
        start = end


def next_whole(data: bytes, start: int) -> int | None:
    """Where the next whole frame after ``start`` begins, if there is one: then what lies at ``start`` is damage."""
    place = data.find(MARK, start + 1)
    while place >= 0:
        if next(whole(data, place), None):
            return place
        place = data.find(MARK, place + 1)
    return None
