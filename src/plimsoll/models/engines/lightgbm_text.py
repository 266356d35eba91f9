"""LightGBM in its own text: for a booster whose ONNX form does not exist or answers otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from plimsoll.errors import UsageError
from plimsoll.models import native
from plimsoll.models.engine import Matrix, Scores, checked, finite, nothing, shaped
from plimsoll.models.lightgbm_trees import check_trees
from plimsoll.models.nameplate import Nameplate, fixed


class LightgbmEngine:
    """A booster under LightGBM, in one thread: 15–25 µs a single row."""

    kind = "lightgbm"
    native = True

    def __init__(self, plate: Nameplate, booster: Any) -> None:
        self._booster = booster
        self.names, self.task, self.classes = plate.names, plate.task, plate.classes

    def predict(self, matrix: Matrix) -> Scores:
        """See :class:`Engine`."""
        checked(matrix, self.names)
        if not len(matrix):
            return nothing(self.task, len(self.classes))
        raw = self._booster.predict(matrix, num_threads=1)  # its default takes every core for a single row
        return finite(shaped(np.asarray(raw), self.task), "the model")

    def contributions(self, matrix: Matrix) -> Scores:
        """(rows, outputs, features + 1): LightGBM's own TreeSHAP of the raw score, the last of each row what is expected.
        Raises UsageError where they do not add up to it: of linear leaves LightGBM tells the constants alone."""
        checked(matrix, self.names)
        raw = np.asarray(self._booster.predict(matrix, num_threads=1, raw_score=True), dtype=np.float64)
        found = np.asarray(self._booster.predict(matrix, num_threads=1, pred_contrib=True), dtype=np.float64)
        parts = found.reshape(len(matrix), -1, len(self.names) + 1)
        if np.abs(parts.sum(axis=2) - raw.reshape(len(matrix), -1)).max(initial=0.0) > 1e-6 * max(
            1.0, np.abs(raw).max()
        ):
            raise UsageError("its leaves are linear: what LightGBM says each feature adds is not what it answers")
        return parts


class _Lightgbm:
    """See :class:`plimsoll.models.engines.Adapter`."""

    kind = "lightgbm"
    is_code = False
    suffixes = (".txt",)

    def read(self, path: Path) -> Any:
        return _booster(path.read_text(encoding="utf-8"), str(path))

    def takes(self, model: Any) -> bool:
        return native.is_lightgbm(model)

    def pack(self, model: Any, *, task: str, names: Sequence[str], classes: Sequence[str]) -> bytes:
        booster = native.booster_of(model)
        if task != "regression" and str(booster.dump_model(num_iteration=1).get("objective", "")) == "":
            raise UsageError(
                "the booster has an objective of its own, so its text does not say how to make probabilities"
            )
        plate = Nameplate(kind=self.kind, task=task, names=tuple(names), classes=tuple(classes))
        return fixed(plate, _plain(booster.model_to_string()).encode())

    def open(self, plate: Nameplate | None, payload: bytes) -> LightgbmEngine:
        if plate is None:
            raise UsageError("the LightGBM text was not packed by Plimsoll: it does not say what it answers")
        booster = _booster(payload.decode("utf-8", "replace"), f"{len(payload):,} bytes")
        if booster.num_feature() != len(plate.names):
            raise UsageError(
                f"the LightGBM model takes {booster.num_feature()} features, and is said to take {len(plate.names)}"
            )
        return LightgbmEngine(plate, booster)


lightgbm = _Lightgbm()


def _plain(text: str) -> str:
    """The text without the parameters of its training: paths and thread counts change no answer."""
    head, mark, rest = text.partition("\nparameters:\n")
    if not mark:
        return text
    return head + "\n" + rest.partition("end of parameters\n")[2].lstrip("\n")


def _booster(text: str, what: str) -> Any:
    try:
        import lightgbm as lgb
    except ImportError as error:
        raise UsageError("a LightGBM model needs lightgbm", hint='pip install "plimsoll[ml]"') from error
    check_trees(text, what)
    try:
        return lgb.Booster(model_str=text)
    except (lgb.basic.LightGBMError, ValueError, KeyError) as error:
        raise UsageError(f"{what}: not a LightGBM text model: {str(error).splitlines()[0][:300]}") from error
