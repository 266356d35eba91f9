"""What skl2onnx must be taught before it converts a pipeline: LightGBM's estimators, and plain integers.

onnx ≥ 1.20 takes no booleans or NumPy scalars for integer attributes, and skl2onnx 1.20 writes them for
histogram gradient boosting. The converter is skl2onnx's own; what it writes is made plain on the way.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np


@cache
def teach() -> None:
    """Register what skl2onnx lacks, once in a process."""
    _histogram_trees()
    if find_spec("lightgbm") is not None:
        _lightgbm()


def _lightgbm() -> None:
    from lightgbm import LGBMClassifier, LGBMRanker, LGBMRegressor
    from onnxmltools.convert.lightgbm.operator_converters.LightGbm import (  # type: ignore[import-untyped]
        convert_lightgbm,
    )
    from skl2onnx import update_registered_converter  # type: ignore[import-untyped]
    from skl2onnx.common.shape_calculator import (  # type: ignore[import-untyped]
        calculate_linear_classifier_output_shapes,
        calculate_linear_regressor_output_shapes,
    )

    update_registered_converter(
        LGBMClassifier,
        "LightGbmLGBMClassifier",
        calculate_linear_classifier_output_shapes,
        convert_lightgbm,
        options={"nocl": [True, False], "zipmap": [True, False, "columns"]},
    )
    for values in (LGBMRegressor, LGBMRanker):
        update_registered_converter(
            values,
            f"LightGbm{values.__name__}",
            calculate_linear_regressor_output_shapes,
            convert_lightgbm,
            options={"split": None},
        )


def _histogram_trees() -> None:
    from skl2onnx import update_registered_converter
    from skl2onnx.common._registration import get_converter, get_shape_calculator  # type: ignore[import-untyped]
    from sklearn.ensemble import (  # type: ignore[import-untyped]
        HistGradientBoostingClassifier,
        HistGradientBoostingRegressor,
    )

    for model in (HistGradientBoostingClassifier, HistGradientBoostingRegressor):
        alias = f"Sklearn{model.__name__}"
        known = get_converter(alias)
        update_registered_converter(
            model, alias, get_shape_calculator(alias), _plainly(known), options=known.get_allowed_options()
        )


def _plainly(converter: Any) -> Any:
    """The converter, its nodes written with Python's integers."""

    def convert(scope: Any, operator: Any, container: Any) -> None:
        converter(scope, operator, _PlainNodes(container))

    return convert


class _PlainNodes:
    """skl2onnx's container of nodes, with plain attributes."""

    def __init__(self, container: Any) -> None:
        self._container = container

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def add_node(self, *arguments: Any, **attributes: Any) -> Any:
        return self._container.add_node(*arguments, **{key: _plain(value) for key, value in attributes.items()})


def _plain(value: Any) -> Any:
    if isinstance(value, list) and any(isinstance(v, bool | np.bool_ | np.integer) for v in value):
        return [int(v) for v in value]
    return value
