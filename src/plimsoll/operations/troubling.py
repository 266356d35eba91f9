"""A column of the question, or a view, in trouble: what the release's features become."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plimsoll.evaluation.deep.perturbation import Perturbation, perturbed, perturbed_matrix
from plimsoll.features import FeatureSchema, Timeline
from plimsoll.operations.remaking import remade


@dataclass(frozen=True, slots=True, kw_only=True)
class Untroubled:
    """Rows as they are: the question's columns, the features that were made of them, and how. ``model``: its digest, so that
    the same rows of the same model are hit wherever they are asked."""

    model: str
    schema: FeatureSchema
    lines: Mapping[str, Timeline]
    columns: Mapping[str, NDArray[Any]]
    X: NDArray[np.float32]
    asked_at: NDArray[np.datetime64]

    def in_trouble(self, name: str, by: Perturbation) -> NDArray[np.float32]:
        """The features with the view ``name``, or else the column of that name, in trouble."""
        for binding in self.schema.views:
            if binding.view == name:
                places = [self.schema.names.index(feature) for feature in binding.names]
                made = self.X.copy()
                made[:, places] = perturbed_matrix(self.X[:, places], by, self.model, name)
                return made
        columns: dict[str, Any] = {**self.columns, name: perturbed(self.columns[name], by, self.model, name)}
        return remade(self.schema, columns, {name}, self.X, self.asked_at, self.lines)
