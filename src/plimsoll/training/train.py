"""Calling the user's train function so that calling it again gives the same model.

It sees the training set only. Global random states are seeded and put back, numeric libraries run in one thread
(sums in another order are other sums), and whatever goes wrong is said with the function's name and place.
"""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from plimsoll.errors import PlimsollError, UsageError, nearest


class Params(Mapping[str, Any]):
    """The parameters of one training: ``params["trees"]``, ``params.trees``, ``params.get("trees", 150)``.

    ``seed`` is always there, and so is ``threads``, which is 1. Reading an unknown name says which ones there are.
    """

    def __init__(self, values: Mapping[str, Any], seed: int) -> None:
        self._values = {"threads": 1, **values, "seed": seed}

    @property
    def seed(self) -> int:
        return int(self._values["seed"])

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self._values[name]
        except KeyError as error:
            raise AttributeError(f"there is no parameter {name!r}; {nearest(name, self._values)}") from error

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Params({self._values})"


def train(fn: Callable[[Any, Params], Any] | Any, training_set: Any, params: Mapping[str, Any], seed: int) -> Any:
    """The model that ``fn`` makes of the training set: ``fn(TrainingSet, Params)``, or an unfitted scikit-learn
    estimator, which is cloned, given ``params`` and the seed, and fitted on ``X`` (float32) and ``y``; one that takes
    ``group``, on rows query by query.

    The caller keeps every later row away: what is not in the training set cannot be looked at.
    Raises UsageError, naming the function and its place, where it raises or returns nothing.
    """
    given = Params(params, seed)
    with _steady(seed):
        model = _fit(fn, training_set, given) if hasattr(fn, "fit") else _call(fn, training_set, given)
    if model is None:
        raise UsageError(f"{_named(fn)} returned None instead of a model", hint="end it with: return model")
    return model


def _call(fn: Callable[[Any, Params], Any], training_set: Any, params: Params) -> Any:
    try:
        return fn(training_set, params)
    except PlimsollError:
        raise
    except Exception as error:
        raise UsageError(f"{_named(fn)} raised {type(error).__name__}: {error}{_line(error, fn)}") from error


def _fit(estimator: Any, training_set: Any, params: Params) -> Any:
    from sklearn.base import clone  # type: ignore[import-untyped]

    known = estimator.get_params(deep=True)
    chosen = {k: v for k, v in params.items() if k not in ("seed", "threads")}
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise UsageError(f"{_named(estimator)} has no parameter {unknown[0]!r}", hint=nearest(unknown[0], known))
    ends = [name.rpartition("__")[2] for name in known]
    seeds = {n: params.seed for n, end in zip(known, ends, strict=True) if end == "random_state" and known[n] is None}
    threads = {  # where somebody asked for threads: None is one already, and some estimators warn of anything else
        n: params["threads"] for n, end in zip(known, ends, strict=True) if end == "n_jobs" and known[n] is not None
    }
    ready = clone(estimator).set_params(**{**threads, **seeds, **chosen})
    try:
        if training_set.group and "group" in inspect.signature(ready.fit).parameters:  # a ranker
            ordered, sizes = training_set.by_query()
            return ready.fit(ordered.X, ordered.y, group=sizes)
        return ready.fit(training_set.X, training_set.y)
    except (ValueError, TypeError) as error:
        raise UsageError(f"{_named(estimator)} cannot be fitted: {str(error).splitlines()[0][:300]}") from error


@contextmanager
def _steady(seed: int) -> Iterator[None]:
    """Python's and NumPy's global generators seeded, and put back; one thread for BLAS and OpenMP."""
    import numpy as np

    with ExitStack() as stack:
        stack.callback(random.setstate, random.getstate())
        stack.callback(np.random.set_state, np.random.get_state(legacy=True))
        if find_spec("threadpoolctl") is not None:  # comes with scikit-learn
            from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

            stack.enter_context(threadpool_limits(limits=1))
        random.seed(seed)
        np.random.seed(seed % 2**32)
        yield


def _named(fn: Any) -> str:
    """``the train function train (capability.py:12)``, or the estimator's class."""
    if not inspect.isfunction(fn):
        return f"the {type(fn).__name__}"
    return f"the train function {fn.__qualname__} ({Path(fn.__code__.co_filename).name}:{fn.__code__.co_firstlineno})"


def _line(error: BaseException, fn: Any) -> str:
    """Where in the function's own file it was raised."""
    home = getattr(getattr(fn, "__code__", None), "co_filename", None)
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == home:
            line = trace.tb_lineno
        trace = trace.tb_next
    return f" (line {line})" if line else ""
