"""What a model says by itself, before it is packed: the other side of the parity check."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plimsoll.errors import UsageError
from plimsoll.models import torch_form
from plimsoll.models.code import CodeModel


def is_onnx(model: Any) -> bool:
    """Whether this is ONNX already: its bytes, or the path of a file of it."""
    return isinstance(model, bytes | Path)


def is_code(model: Any) -> bool:
    """Whether this is the source of a Python class, told without importing what runs it."""
    return isinstance(model, CodeModel)


def is_torch(model: Any) -> bool:
    """Whether this is an exported PyTorch program, told without importing PyTorch."""
    return type(model).__name__ == "ExportedProgram" and type(model).__module__.startswith("torch")


def is_booster(model: Any) -> bool:
    """Whether this is a ``lightgbm.Booster``, told without importing LightGBM."""
    return type(model).__name__ == "Booster" and type(model).__module__.startswith("lightgbm")


def is_lightgbm(model: Any) -> bool:
    return any(kind.__module__.startswith("lightgbm") for kind in type(model).__mro__)


def booster_of(model: Any) -> Any:
    """The booster inside an LGBMClassifier or LGBMRegressor, or the booster itself."""
    return model if is_booster(model) else model.booster_


def answers(model: Any, names: Sequence[str], task: str, sample: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n,) values, (n, classes) probabilities, or (n,) P(positive), as the model's own library gives them.

    Raises UsageError where the model is of another task, or cannot answer these rows.
    """
    if is_torch(model):
        return np.asarray(torch_form.run(model.module(), sample), dtype=np.float64)
    method = _method(model, task)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # "X does not have valid feature names": checked below
            return np.asarray(method(_fed(model, names, sample)), dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"the {type(model).__name__} cannot answer its own gate rows: {str(error).splitlines()[0][:300]}",
            hint="a feature that may be missing is NaN: impute it inside the pipeline, or use a model that takes NaN",
        ) from error


def classes_of(model: Any) -> tuple[Any, ...] | None:
    """The classes that a fitted classifier knows, in the order of its probabilities; None if it does not say."""
    if is_booster(model):
        count = model.num_model_per_iteration()
        return tuple(range(count)) if count > 1 else None
    found = getattr(model, "classes_", None)
    return None if found is None else tuple(np.asarray(found).tolist())


def feature_names(model: Any) -> list[str] | None:
    """The names that a model was trained under; None where it saw a plain array."""
    if is_lightgbm(model):
        names: list[str] = booster_of(model).feature_name()
        return None if all(re.fullmatch(r"Column_\d+", n) for n in names) else names
    found = getattr(model, "feature_names_in_", None)
    return None if found is None else [str(n) for n in found]


def width_of(model: Any) -> int | None:
    """How many features the model takes; None if it does not say."""
    if is_lightgbm(model):
        return int(booster_of(model).num_feature())
    found = getattr(model, "n_features_in_", None)
    return None if found is None else int(found)


def _method(model: Any, task: str) -> Any:
    if is_booster(model):
        objective = str(model.dump_model(num_iteration=1).get("objective", "custom")).split()[0]
        kind = objective if objective in ("binary", "multiclass", "multiclassova") else "regression"
        if not kind.startswith(task):
            raise UsageError(
                f"the booster was trained with the objective {objective!r}, and the task is {task}",
                hint=f"train it with a {task} objective, or change the capability's task",
            )
        return model.predict
    if task == "regression":
        return model.predict
    if not hasattr(model, "predict_proba"):
        raise UsageError(
            f"the task is {task}, and {type(model).__name__} gives no probabilities (it has no predict_proba)",
            hint="use a classifier with probabilities, or wrap it in sklearn.calibration.CalibratedClassifierCV",
        )
    return model.predict_proba


def _fed(model: Any, names: Sequence[str], sample: NDArray[np.float32]) -> Any:
    """The sample as the model was fitted: a data frame where it was fitted by name, else the matrix."""
    if is_lightgbm(model) or feature_names(model) is None:
        return sample
    import pandas as pd  # type: ignore[import-untyped]

    return pd.DataFrame(sample, columns=list(names))
