"""Contracts and tables to test with: written in a line each, real files on disk."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from plimsoll.data import Contract
from plimsoll.data.rows import connection

Document = dict[str, Any]


def document(*properties: Document, **table: Any) -> Document:
    """An ODCS document of one table ``t``; ``table`` are further keys of the schema object."""
    return {
        "apiVersion": "v3.2.0",
        "kind": "DataContract",
        "id": "t",
        "version": "1.0.0",
        "schema": [{"name": "t", "properties": list(properties), **table}],
    }


def column(name: str, kind: str = "integer", **more: Any) -> Document:
    """A declared column."""
    return {"name": name, "logicalType": kind, **more}


def custom(name: str, value: Any) -> Document:
    """A custom property, in the list that the standard wants."""
    return {"property": name, "value": value}


@pytest.fixture
def contract(tmp_path: Path) -> Callable[..., Contract]:
    """Declare a table in a line: written as JSON, which is YAML, and loaded. ``top`` are keys of the document."""

    def declare(*properties: Document, top: Document | None = None, **table: Any) -> Contract:
        path = tmp_path / "t.odcs.yaml"
        path.write_text(json.dumps({**document(*properties, **table), **(top or {})}), encoding="utf-8")
        return Contract.load(path)

    return declare


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., Path]:
    """Rows by a query of DuckDB, as Parquet."""

    def write(select: str, name: str = "rows", options: str = "") -> Path:
        path = tmp_path / f"{name}.parquet"
        with connection(threads=1) as db:
            db.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet{options})")
        return path

    return write


def rows(paths: Path | Sequence[Path] | None) -> list[tuple[Any, ...]]:
    """All rows of Parquet files, in their order."""
    if paths is None or paths == ():
        return []
    files = [paths] if isinstance(paths, Path) else list(paths)
    with connection(threads=1) as db:
        found: list[tuple[Any, ...]] = []
        for file in files:
            found += db.execute(f"FROM read_parquet('{file}')").fetchall()
    return found
