"""Features of the question alone: one meaning, in a column and by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.errors import InvalidDeclaration, UsageError
from plimsoll.features import FeatureSchema, Inputs, OnlineJoin, category, hour, number, weekday
from plimsoll.store.online import MemoryOnline

offsets = st.one_of(st.none(), st.integers(-14 * 4, 14 * 4).map(lambda q: timezone(timedelta(minutes=15 * q))))
some_times = st.datetimes(datetime(1902, 1, 1), datetime(2099, 1, 1), timezones=offsets)
questions = st.fixed_dictionaries(
    {
        "n": st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats()),
        "at": st.one_of(st.none(), some_times, some_times.map(datetime.isoformat)),
        "c": st.one_of(st.none(), st.text(max_size=3), st.integers(0, 5), st.booleans(), st.floats(0, 5)),
    }
)
INPUTS = Inputs(number("n"), hour("at"), weekday("at"), category("c"))


def columns_of(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in ("n", "at", "c")}


@given(st.lists(questions, min_size=1, max_size=8))
def test_a_single_question_and_a_column_give_the_same_bits(rows: list[dict[str, Any]]) -> None:
    """Nulls, huge integers, infinities and every way of writing a time included."""
    columns = columns_of(rows)
    schema = FeatureSchema.of([INPUTS]).fit(columns)
    together = schema.compute(columns, [0] * len(rows), {})
    online = OnlineJoin(schema, MemoryOnline())
    assert together.tobytes() == b"".join(online.row(row, 0).tobytes() for row in rows)
    assert together.tobytes() == online.rows(rows, [0] * len(rows)).tobytes()


@given(st.lists(some_times, min_size=1, max_size=5))
def test_a_time_means_the_same_however_it_came(moments: list[datetime]) -> None:
    """As datetime, as text, or as NumPy's; one with an offset is taken to UTC."""
    plain = [m if m.tzinfo is None else m.astimezone(UTC).replace(tzinfo=None) for m in moments]
    forms: list[Any] = [moments, [m.isoformat() for m in moments], np.array(plain, dtype="datetime64[us]")]
    for feature, want in ((hour("at"), [m.hour for m in plain]), (weekday("at"), [m.weekday() for m in plain])):
        for form in forms:
            assert feature.compute({"at": form}).tolist() == want


def test_masked_columns_have_nulls() -> None:
    """DuckDB gives NumPy masked arrays: what is masked is null, not zero."""
    masked = np.ma.masked_array([1, 2, 3], mask=[False, True, False])
    days = np.ma.masked_array(np.array(["2013-01-01T07", "2013-01-02T08", "NaT"], "M8[s]"), mask=[False, True, False])
    levels = category("c", levels=["1", "3"])
    np.testing.assert_array_equal(number("c").compute({"c": masked}), np.array([1, np.nan, 3], np.float32))
    np.testing.assert_array_equal(hour("c").compute({"c": days}), np.array([7, np.nan, np.nan], np.float32))
    np.testing.assert_array_equal(levels.compute({"c": masked}), np.array([0, -1, 1], np.float32))


def test_levels_are_fixed_by_the_training_questions() -> None:
    """What comes up later, and null, are −1; levels given by hand keep their order."""
    fitted = Inputs(category("c"), category("c", levels=["z", "a"], name="d")).fit({"c": ["b", None, "a", "b"]})
    assert fitted.compute({"c": ["a", "b", "z", None]}).tolist() == [[0, 1], [1, -1], [-1, 0], [-1, -1]]


def test_a_whole_number_is_the_same_category_as_a_float() -> None:
    """A column of whole numbers with nulls comes back from many tools as floats."""
    levels = category("c", levels=["5", "true"])
    assert levels.compute({"c": [5, 5.0, "5", np.float32(5), True]}).tolist() == [0, 0, 0, 0, 1]


@pytest.mark.parametrize(
    ("feature", "column", "word"),
    [
        (number("x"), ["12"], "text"),
        (hour("x"), ["noon"], "noon"),
        (weekday("x"), [5], "no time"),
        (number("y"), [1], "y"),
    ],
)
def test_a_wrong_column_is_named(feature: Any, column: list[Any], word: str) -> None:
    """Text is no number, a word no time; the error names feature, column and value."""
    with pytest.raises(UsageError, match=word):
        feature.compute({"x": column})


def test_a_category_without_levels_cannot_be_computed() -> None:
    with pytest.raises(UsageError, match="no levels yet"):
        Inputs(category("c")).compute({"c": ["a"]})


def test_a_feature_twice_is_refused() -> None:
    with pytest.raises(InvalidDeclaration, match="twice"):
        Inputs(number("x"), number("x"))
    assert Inputs(number("x"), number("x", name="y")).columns == ("x",)


def test_features_are_plain_data() -> None:
    """They go into the manifest as JSON and come back equal."""
    schema = FeatureSchema.of([INPUTS]).fit({"c": ["b", "a"]})
    assert FeatureSchema.from_json(schema.to_json()) == schema
    assert msgspec.json.decode(schema.to_json())["inputs"][3]["levels"] == ["a", "b"]
