"""Offline features for questions asked just now: what skew is judged against."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plimsoll.features import FeatureSchema, Timeline
from plimsoll.operations.materialise import microseconds_of


def recompute(
    schema: FeatureSchema,
    timelines: Mapping[str, Timeline],
    inputs: Sequence[Mapping[str, Any]],
    asked_at: Sequence[datetime],
    *,
    redacted: Collection[str] = (),
) -> NDArray[np.float32]:
    """The feature rows of these questions as of their asking, as ``OnlineJoin`` should have served them.

    What is made from a ``redacted`` column is what a null gives: so it was recorded, and so it compares equal.
    """
    columns = {c: [None if c in redacted else row.get(c) for row in inputs] for c in schema.columns}
    asked_us = np.array([microseconds_of(at) for at in asked_at], dtype=np.int64)
    return schema.compute(columns, asked_us, timelines)
