"""Columns of the question that change, and what is made of them: made again through the release's own features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from plimsoll.features import FeatureSchema, Timeline, times


def remade(
    schema: FeatureSchema,
    columns: Mapping[str, Any],
    changed: set[str],
    X: NDArray[np.float32],
    asked_at: NDArray[np.datetime64],
    lines: Mapping[str, Timeline],
) -> NDArray[np.float32]:
    """``X`` with what is made from the ``changed`` ones of ``columns`` made again: categories, and views that are looked up
    by them as of when each question was asked."""
    made = X.copy()
    part = _reading(schema, changed)
    if part.names and len(X):
        new = part.compute(columns, times(asked_at).astype(np.int64), lines)
        made[:, [schema.names.index(name) for name in part.names]] = new
    return made


def _reading(schema: FeatureSchema, columns: set[str]) -> FeatureSchema:
    """The part of the schema that reads any of ``columns``."""
    return msgspec.structs.replace(
        schema,
        inputs=tuple(f for f in schema.inputs if columns & set(f.columns)),
        views=tuple(b for b in schema.views if b.entity in columns),
    )
