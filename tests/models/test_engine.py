"""Engines answer in the right shape, or say what is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plimsoll.errors import Broken, Damaged, UsageError
from plimsoll.models import OnnxEngine, Package, PythonEngine, check_golden, package


@pytest.fixture(scope="session")
def packed(X: Any, late: Any, names: Any, booster: Any) -> Package:
    return package(booster(X, late), names=names, task="binary", sample=X)


def test_bytes_alone_make_an_engine(packed: Package, names: Any) -> None:
    """What it answers, and for which features, stands in the graph."""
    engine = OnnxEngine(packed.model)
    assert (engine.task, engine.names, engine.classes) == ("binary", names, ())


def test_no_rows_have_no_answers(packed: Package) -> None:
    """An empty batch is a batch."""
    assert OnnxEngine(packed.model).predict(np.empty((0, 4), np.float32)).shape == (0,)


def test_the_wrong_width_is_named(packed: Package) -> None:
    """The message gives both numbers, the hint the features."""
    with pytest.raises(UsageError, match=r"rows of 4 features, .* \(2, 3\)") as caught:
        OnnxEngine(packed.model).predict(np.zeros((2, 3), np.float32))
    assert "delay, wind, hour, distance" in caught.value.hint


def test_doubles_are_not_rounded_in_silence(packed: Package) -> None:
    """Rounding inputs moves tree models; the caller does it knowingly."""
    with pytest.raises(UsageError, match="takes float32, and got float64"):
        OnnxEngine(packed.model).predict(np.zeros((2, 4)))


def test_bytes_that_are_no_model_are_a_usage_error() -> None:
    """onnxruntime's own errors do not leak."""
    with pytest.raises(UsageError, match="5 bytes are not an ONNX model"):
        OnnxEngine(b"hello")


def test_a_graph_that_was_not_packed_is_refused(X: Any, late: Any) -> None:
    """Without metadata nobody knows what the answer means."""
    from skl2onnx import to_onnx
    from sklearn.linear_model import LogisticRegression

    raw = to_onnx(LogisticRegression().fit(np.nan_to_num(X), late), X[:1]).SerializeToString()
    with pytest.raises(UsageError, match="not packed by Plimsoll"):
        OnnxEngine(raw)


def test_an_answer_that_is_no_number_is_broken(X: Any, names: Any) -> None:
    """NaN is an error that names the row, never an answer."""
    from sklearn.linear_model import LinearRegression

    sample = np.nan_to_num(X)
    engine = OnnxEngine(
        package(LinearRegression().fit(sample, sample[:, 0]), names=names, task="regression", sample=sample).model
    )
    sample = sample[:3].copy()
    sample[2, 0] = np.nan
    with pytest.raises(Broken, match="answered nan for row 2"):
        engine.predict(sample)


@settings(max_examples=25, deadline=None)
@given(rows=st.lists(st.integers(0, 399), min_size=1, max_size=40))
def test_a_row_is_answered_alike_alone_and_in_company(packed: Package, X: Any, rows: list[int]) -> None:
    """The batch that a question happens to be in changes nothing that matters."""
    engine = OnnxEngine(packed.model)
    alone = np.concatenate([engine.predict(X[[r]]) for r in rows])
    np.testing.assert_allclose(engine.predict(X[rows]), alone, atol=1e-6)


def test_golden_rows_of_another_model_are_not_reproduced(
    packed: Package, X: Any, late: Any, names: Any, booster: Any
) -> None:
    """The sentence names the row, the expected and the got."""
    other = package(booster(X, 1 - late), names=names, task="binary", sample=X)
    said = check_golden(OnnxEngine(other.model), packed.golden)
    assert said.startswith("golden row") and "expected 0." in said and "got 0." in said


def test_golden_rows_of_another_width_are_not_reproduced(packed: Package, X: Any, names: Any, booster: Any) -> None:
    """An engine for other features is not ready."""
    two = np.ascontiguousarray(X[:, [0, 2]])
    value = np.ascontiguousarray(two[:, 0])
    other = package(booster(two, value, objective="regression"), names=["a", "b"], task="regression", sample=two)
    assert "cannot run the golden rows" in check_golden(OnnxEngine(other.model), packed.golden)


@pytest.mark.parametrize("data", [b"", b"\x00", b"junk", b"\x80"])
def test_bytes_that_are_not_golden_rows_are_damaged(packed: Package, data: bytes) -> None:
    """A truncated or foreign file is told from a differing engine."""
    with pytest.raises(Damaged, match="not golden rows"):
        check_golden(OnnxEngine(packed.model), data)


def test_a_python_function_answers_over_columns() -> None:
    """The fallback sees the question's columns by name."""
    engine = PythonEngine(lambda columns: [0.1 * len(c) for c in columns["carrier"]])
    np.testing.assert_allclose(engine.predict({"carrier": ["UA", "B6X"]}), [0.2, 0.3])


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda columns: 0.5, "2 questions and gave an answer of shape"),
        (lambda columns: [0.5], "2 questions and gave an answer of shape"),
        (lambda columns: [0.5, None], "not a finite number"),
        (lambda columns: columns["typo"], "raised KeyError: 'typo'"),
    ],
)
def test_a_python_function_that_fails_is_named(function: Any, message: str) -> None:
    """Whatever a user's function does wrong, the error says which one it was."""
    with pytest.raises(Broken, match=f"the function .*lambda.*{message}"):
        PythonEngine(function).predict({"carrier": ["UA", "B6"]})
