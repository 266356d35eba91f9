"""Rows over HTTP: what a body may be."""

from __future__ import annotations

import pytest

from plimsoll.errors import UsageError
from plimsoll.serving.pushing import read_rows


@pytest.mark.parametrize(
    ("body", "kind", "rows", "ids"),
    [
        (b'{"rows": [{"a": 1}], "ids": ["x"]}', "application/json", [{"a": 1}], ["x"]),
        (b'{"rows": []}', "", [], None),
        (b' [{"a": 1}, {"a": null}]', "application/json", [{"a": 1}, {"a": None}], None),
        (b'{"a": 1}\n\n{"a": 2}\n', "application/x-ndjson; charset=utf-8", [{"a": 1}, {"a": 2}], None),
    ],
)
def test_rows_come_in_three_forms(body: bytes, kind: str, rows: object, ids: object) -> None:
    assert read_rows(body, kind) == (rows, ids)


@pytest.mark.parametrize(
    ("body", "kind", "word"),
    [
        (b"", "", "JSON"),
        (b"[1]", "", "object"),
        (b'{"row": []}', "", "row"),
        (b'{"a": 1}\n{"a": ', "application/x-ndjson", "line 2"),
        (b'{"a": 1}\n{"\x80": 1}', "application/x-ndjson", "line 2"),
        (b'{"a":' * 100_000, "application/x-ndjson", "line 1"),
        (b"\xff", "application/x-ndjson", "line 1"),
    ],
)
def test_what_is_no_rows_is_said(body: bytes, kind: str, word: str) -> None:
    with pytest.raises(UsageError, match=word):
        read_rows(body, kind)
