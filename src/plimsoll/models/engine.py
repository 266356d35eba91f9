"""The port of every engine: what answers, given feature rows. And the one function that is none: the fallback.

One process runs one thread per engine and scales by process. What a packed model answers (``task``), for which
features in which order (``names``) and for which ``classes`` stands in its bytes; so bytes alone make an engine, by
the adapter of their kind (``plimsoll.models.engines``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from plimsoll.errors import Broken, UsageError

Scores = NDArray[np.float64]
Matrix = NDArray[np.float32]


class Engine(Protocol):
    """Answers a batch of feature rows."""

    @property
    def kind(self) -> str:
        """The form that the model is in: ``onnx``, ``lightgbm``, ``skops``, ``torch``, ``python``."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """The features, in the order of the matrix's columns."""
        ...

    @property
    def task(self) -> str:
        """``binary``, ``multiclass`` or ``regression``."""
        ...

    @property
    def classes(self) -> tuple[str, ...]:
        """In the order of the scores; empty where the model does not name them."""
        ...

    @property
    def native(self) -> bool:
        """Whether its work is compiled code that always ends. Only such a one may ever run in an event loop's thread;
        any other gets a thread of its own and a time limit (``plimsoll.models.guard``)."""
        ...

    def predict(self, matrix: Matrix) -> Scores:
        """float32 (n, k) → (n,): P(positive) or the value; or (n, classes). NaN in the matrix means *missing*.

        Raises UsageError for another width or dtype, Broken where an answer is not a finite number.
        """
        ...


class PythonEngine:
    """A declared Python function over the question's columns: the fallback, release zero. Nothing is unpickled."""

    def __init__(self, function: Callable[[Mapping[str, Any]], Any], *, task: str = "binary") -> None:
        self._function = function
        self.task = task
        self.name = getattr(function, "__qualname__", type(function).__name__)

    def predict(self, columns: Mapping[str, Any]) -> Scores:
        """Columns by name, all of one length n → (n,) or (n, classes). Raises Broken, naming the function."""
        rows = len(next(iter(columns.values()))) if columns else 0
        try:
            raw = np.asarray(self._function(columns), dtype=np.float64)
        except Exception as error:
            raise Broken(f"the function {self.name} raised {type(error).__name__}: {error}") from error
        return answered(raw, rows, self.task, f"the function {self.name}")


def checked(matrix: Matrix, names: tuple[str, ...]) -> None:
    """Raises UsageError where ``matrix`` is not float32 (n, features)."""
    if matrix.ndim != 2 or matrix.shape[1] != len(names):
        raise UsageError(
            f"the model takes rows of {len(names)} features, and got an array of shape {matrix.shape}",
            hint=f"the features, in order: {', '.join(names)}",
        )
    if matrix.dtype != np.float32:
        raise UsageError(
            f"the model takes float32, and got {matrix.dtype}",
            hint="cast with .astype(np.float32); models are trained and checked on float32 features",
        )


def nothing(task: str, classes: int) -> Scores:
    """The answers to no rows."""
    return np.empty((0, classes) if task == "multiclass" else 0)


def answered(raw: NDArray[Any], rows: int, task: str, who: str) -> Scores:
    """What code that is not ours gave for ``rows`` questions, as scores. Raises Broken naming ``who``."""
    if raw.ndim == 0 or len(raw) != rows:
        raise Broken(
            f"{who} got {rows} questions and gave an answer of shape {raw.shape}",
            hint="return one score for each question, in their order",
        )
    try:
        return finite(shaped(raw, task), who)
    except UsageError as error:
        raise Broken(f"{who}: {error.message}", hint=error.hint) from error


def shaped(raw: NDArray[Any], task: str) -> Scores:
    """An engine's raw output as (n,) for binary (P of the second class) and regression, (n, classes) otherwise."""
    if task == "multiclass":
        return raw.astype(np.float64)
    if raw.ndim == 2 and raw.shape[1] <= (2 if task == "binary" else 1):
        return raw[:, -1].astype(np.float64)
    if raw.ndim != 1:
        raise UsageError(f"an answer of shape {raw.shape} is not that of a {task} task")
    return raw.astype(np.float64)


def finite(scores: Scores, who: str) -> Scores:
    """``scores``, or Broken naming the first row that is not a finite number."""
    flat = scores.ravel()
    if math.isfinite(flat.dot(flat)):  # a third of what a sum costs
        return scores
    bad = np.flatnonzero(~np.isfinite(scores.reshape(len(scores), -1)).all(axis=1))
    if not len(bad):  # each is finite, and the sum of their squares is not
        return scores
    row = int(bad[0])
    raise Broken(f"{who} answered {scores[row]} for row {row}: not a finite number")
