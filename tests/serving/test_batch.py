from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest

from plimsoll.serving.batch import Columns, column

NOON = datetime(2026, 3, 1, 12)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1, 2], "int64"),
        ([1.5, 2.5], "float64"),
        ([1.5, None], "float64"),
        ([1, None], "object"),
        (["a", "b"], "object"),
        (["a", None], "object"),
        ([True, False], "bool"),
        ([NOON, None], "datetime64[us]"),
    ],
)
def test_a_column_is_what_a_file_gives(values: list[Any], dtype: str) -> None:
    """A fallback sees the same kinds of arrays in serving as in evaluation."""
    assert column(values).dtype == np.dtype(dtype)


def test_times_are_in_utc() -> None:
    """A time with an offset is taken to UTC, one without stands as it is."""
    cet = NOON.replace(tzinfo=timezone(timedelta(hours=1)))
    assert column([NOON, NOON.replace(tzinfo=UTC), cet]).tolist() == [NOON, NOON, NOON - timedelta(hours=1)]


def test_columns_are_made_when_they_are_read() -> None:
    """A fallback pays for what it reads; a column that is missing is a KeyError."""
    columns = Columns([{"a": 1, "b": "x"}, {"a": 2}])
    assert (list(columns), len(columns), columns["a"].tolist()) == (["a", "b"], 2, [1, 2])
    with pytest.raises(KeyError):
        columns["b"]
