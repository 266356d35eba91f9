"""Rows written to files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write rows to a Parquet file."""

    def to_parquet(rows: list[dict[str, Any]], name: str = "rows.parquet") -> Path:
        path = tmp_path / name
        parquet.write_table(pa.Table.from_pylist(rows), path)
        return path

    return to_parquet
