"""What is fuzzed: everything that reads a stranger's bytes. A target takes bytes, and raises where a promise is broken.

The suite runs each over its seeds and a little noise (``test_targets``); ``make fuzz`` runs them for minutes, led by
what they cover.
"""

from __future__ import annotations

import atexit
import gzip
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any, NamedTuple

import msgspec

from plimsoll.errors import UsageError
from plimsoll.serving import plain
from plimsoll.serving.admission.headers import credential_of, priority_of, read, timeout_of
from plimsoll.serving.bodies import _taker
from plimsoll.serving.form import Entry, Form
from plimsoll.serving.oip import Lane, asked, read_request
from plimsoll.serving.packing import takes_gzip
from plimsoll.serving.pushing import NDJSON, read_rows
from plimsoll.serving.traceparent import parent_of

from .door import Door

FORM = Form(
    {
        "who": Entry("who", "text", True),
        "a": Entry("a", "number", True),
        "b": Entry("b", "number", True),
        "at": Entry("at", "time", False),
        "n": Entry("n", "integer", False),
        "yes": Entry("yes", "boolean", False),
    },
    "who",
    ("a", "b"),
)
LANE = Lane("m", FORM, "binary")


class Target(NamedTuple):
    """``run`` raises for bytes that break a promise."""

    run: Callable[[bytes], None]
    seeds: tuple[bytes, ...]


def infer(data: bytes) -> None:
    """A body of the inference protocol: both readers agree, and refuse in the same words."""
    fast = _said(lambda: msgspec.structs.replace(LANE.read(data), packed=None))
    general = _said(lambda: read_request(data, FORM, "binary"))
    assert repr(fast) == repr(general)


def binary(data: bytes) -> None:
    """The same with binary tensors behind it: the first byte says where the JSON ends."""
    _said(lambda: read_request(data[2:], FORM, "binary", str(int.from_bytes(data[:2], "big"))))


def grpc(data: bytes) -> None:
    """A message, and the tensors in it."""
    from google.protobuf.message import DecodeError

    from plimsoll.serving.grpc.messages import request_of
    from plimsoll.serving.grpc.tensors import parameters_of
    from plimsoll.serving.grpc.tensors import read as tensors_of

    try:
        message = request_of("ModelInfer").FromString(data)
    except DecodeError:
        return
    _said(
        lambda: asked(
            tensors_of(message),
            FORM,
            "binary",
            id=message.id,
            parameters=parameters_of(message.parameters),
            outputs=[(output.name, parameters_of(output.parameters)) for output in message.outputs],
        )
    )


def fields(data: bytes) -> None:
    """Plain fields, and pushed rows."""
    _said(lambda: FORM.read(plain.fields(data)))
    _said(lambda: FORM.read(plain.inputs(data)))
    _said(lambda: read_rows(data, "application/json"))
    _said(lambda: read_rows(data, NDJSON[0]))


def headers(data: bytes) -> None:
    """What is read of a head, one header a line."""
    pairs = [(name.lower(), value) for name, _, value in (line.partition(b":") for line in data.split(b"\n"))]
    parent_of(pairs)
    authorization, api_key, priority, timeout = read(pairs)
    credential_of(authorization, api_key)
    assert priority_of(priority, "batch") == "batch"
    if timeout is not None:
        _said(lambda: timeout_of(timeout))
    takes_gzip(data.decode("latin-1"))


def packed(data: bytes) -> None:
    """A packed body never unpacks to more than may be kept."""

    def unpacked() -> bytes:
        taker = _taker(("gzip", "deflate", "identity")[data[0] % 3] if data else "", 4096)
        taker.take(data[1:])
        return taker.whole()

    whole = _said(unpacked)
    assert not isinstance(whole, bytes) or len(whole) <= max(4096, len(data))


def http(data: bytes) -> None:
    """A connection: however its bytes are cut, it is answered alike, and nothing is the server's fault."""
    sent, cut = data[1:], data[0] if data else 0
    at = cut % (len(sent) + 1)
    whole, pieces = door().said([sent]), door().said([sent[:at], sent[at:]])
    assert whole == pieces or _early(whole, pieces), (whole, pieces)


def _early(whole: list[int], pieces: list[int]) -> bool:
    """Whether a request was answered (or asked to go on) whose body had not all come, and turned out to be none."""
    final = [status for status in pieces if status != 100]
    return whole[-1:] == final[-1:] == [400] and whole[:-1] in (final[:-1], final[:-2])


@cache
def door() -> Door:
    """Opened when it is first needed, and until the process ends."""
    folder = Path(mkdtemp(prefix="plimsoll-fuzz-"))
    atexit.register(rmtree, folder, ignore_errors=True)
    opened = Door(folder)
    atexit.register(opened.close)
    return opened


def _said(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except UsageError as error:
        return error.message


def _posted(path: str, body: bytes, *more: str) -> bytes:
    lines = "".join(f"{line}\r\n" for line in ("host: x", f"content-length: {len(body)}", *more))
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


_MATRIX = b'{"inputs":[{"name":"features","shape":[1,2],"datatype":"FP32","data":[1,2.5]}],"parameters":{"unit":"u"}}'
_COLUMNS = (
    b'{"id":"1","inputs":[{"name":"who","shape":[1],"datatype":"BYTES","data":["u"]},'
    b'{"name":"a","shape":[1],"datatype":"FP64","data":[null]},{"name":"b","shape":[1,1],"datatype":"INT8","data":[[1]]}],'
    b'"outputs":[{"name":"score","parameters":{"binary_data":true}}]}'
)
_BINARY = (
    b'{"inputs":[{"name":"who","shape":[1],"datatype":"BYTES","parameters":{"binary_data_size":5}},'
    b'{"name":"a","shape":[1],"datatype":"FP32","parameters":{"binary_data_size":4}},'
    b'{"name":"b","shape":[1],"datatype":"BOOL","parameters":{"binary_data_size":1}}]}'
)
_FIELDS = b'{"parcel":"p1","weight":2.5,"depot":"north"}'
_CAPABILITY, _INFER = "/v1/capabilities/parcel-late", "/v2/models/parcel-late/infer"
_CHUNKED = b"POST /v1/capabilities/parcel-late HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"

TARGETS = {
    "infer": Target(infer, (_MATRIX, _COLUMNS)),
    "binary": Target(binary, (len(_BINARY).to_bytes(2, "big") + _BINARY + b"\1\0\0\0u\0\0\x80?\1",)),
    "grpc": Target(
        grpc,
        (
            b"\n\1m\x1a\x011*\x16\n\3who\x12\5BYTES\x1a\1\1*\5B\3u12",
            b"*\x0e\n\1a\x12\4FP32\x1a\1\1:\4\0\0\x80?",
        ),
    ),
    "fields": Target(
        fields,
        (b'{"who":"u","a":1,"b":2.5,"at":"2026-03-01T12:00:00Z","n":3,"yes":true}', b'{"rows":[{"a":1}],"ids":["1"]}'),
    ),
    "headers": Target(
        headers,
        (
            b"traceparent:00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\nauthorization:Bearer plm_1",
            b"priority:u=5, i\nx-request-timeout-ms:250\nx-api-key:k",
        ),
    ),
    "packed": Target(packed, (b"\0" + gzip.compress(b"{}" * 9), b"\1" + zlib.compress(bytes(9999)), b"\2{}")),
    "http": Target(
        http,
        (
            b"\x10" + _posted(_CAPABILITY, _FIELDS) + _posted(_CAPABILITY, _FIELDS),
            b"\x40" + _posted(_INFER, _MATRIX, "connection: close"),
            b"\x20"
            + _CHUNKED
            + b"5;x=1\r\n"
            + _FIELDS[:5]
            + b"\r\n%x\r\n" % len(_FIELDS[5:])
            + _FIELDS[5:]
            + b"\r\n0\r\n\r\n",
            b"\1" + _posted(f"{_INFER}/", _COLUMNS, "inference-header-content-length: 9", "expect: 100-continue"),
            b"\5GET /health/live HTTP/1.0\r\n\r\nGET /v2 HTTP/1.1\r\n\r\n",
        ),
    ),
}
