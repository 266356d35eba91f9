"""Rows that are pushed over HTTP: what a body may be, and whom it is given to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from plimsoll.errors import UsageError
from plimsoll.serving.plain import read_json

NDJSON = ("application/x-ndjson", "application/jsonl", "application/ndjson")


class FeatureFeed(Protocol):
    """Takes rows of a table: keeps them, and applies them to the online features before it returns."""

    def push(self, source: str, rows: Sequence[Mapping[str, Any]], ids: Sequence[str] | None = None) -> msgspec.Struct:
        """What became of them. Raises UsageError for a table that is none, Unavailable if they could not be kept."""
        ...


class Rows(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows of a table; ``ids``: one a row, under which a row counts once."""

    rows: list[dict[str, Any]]
    ids: list[str] | None = None


def read_rows(body: bytes, content_type: str) -> tuple[list[dict[str, Any]], list[str] | None]:
    """(rows, their ids): ``{"rows": [...], "ids": [...]}``, or a list of rows, or one row a line (NDJSON).

    Raises UsageError where it is neither, naming the line.
    """
    if content_type.partition(";")[0].strip().lower() in NDJSON:
        return [_line(n, line) for n, line in enumerate(body.splitlines(), start=1) if line.strip()], None
    if body.lstrip()[:1] == b"[":
        return read_json(body, list[dict[str, Any]]), None
    read = read_json(body, Rows)
    return read.rows, read.ids


def _line(number: int, line: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"line {number} is no row: {error}", hint="one JSON object a line") from error
