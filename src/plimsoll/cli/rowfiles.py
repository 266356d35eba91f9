"""Rows out of files that people have: CSV, Parquet, one JSON object a line; or of standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from plimsoll.errors import UsageError

Rows = list[dict[str, Any]]


def chunks_of(place: str, size: int) -> Iterator[Rows]:
    """The rows of the file ``place`` (``-``: standard input, one JSON object a line), ``size`` at a time: a file of any
    length takes the memory of one chunk. Raises UsageError for a file that is not there or not of these kinds.
    """
    if place == "-":
        yield from _chunked(_lines(sys.stdin.buffer, "standard input"), size)
        return
    path = Path(place)
    if not path.is_file():
        raise UsageError(
            f"there is no file {place}", hint="give a CSV, Parquet or JSON-lines file, or - for standard input"
        )
    kind = path.suffix.lower()
    if kind in (".jsonl", ".ndjson"):
        with path.open("rb") as file:
            yield from _chunked(_lines(file, place), size)
    elif kind in (".parquet", ".pq"):
        yield from _parquet(path, size)
    elif kind in (".csv", ".tsv"):
        yield from _csv(path, size)
    else:
        raise UsageError(f"{place} is none of .csv, .tsv, .parquet, .jsonl", hint="name it as what it is")


def _lines(lines: Iterable[bytes], place: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                yield msgspec.json.decode(line, type=dict[str, Any])
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise UsageError(f"{place}, line {number}: no row: {error}", hint="one JSON object a line") from error


def _csv(path: Path, size: int) -> Iterator[Rows]:
    """As text; the contract says what it is. An empty field is null."""
    import csv

    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", restkey="")
        yield from _chunked(({k: v or None for k, v in row.items() if k} for row in reader), size)


def _parquet(path: Path, size: int) -> Iterator[Rows]:
    import pyarrow as pa  # type: ignore[import-untyped]
    from pyarrow import parquet

    try:
        for batch in parquet.ParquetFile(path).iter_batches(batch_size=size):
            yield batch.to_pylist()
    except pa.ArrowInvalid as error:
        raise UsageError(f"{path} is no Parquet file: {error}") from error


def _chunked(rows: Iterator[dict[str, Any]], size: int) -> Iterator[Rows]:
    while chunk := list(islice(rows, size)):
        yield chunk
