"""scikit-learn's own format: what may be made from it, and what may not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io as sio
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer, StandardScaler

from plimsoll.errors import Refused, UsageError
from plimsoll.models import open_engine
from plimsoll.models.engines.skops_file import in_order, skops

from .given import LATE, NAMES, X


class Own(ClassifierMixin, BaseEstimator):
    """What a user wrote: code, which a file of numbers must not be able to make."""

    def fit(self, X: Any, y: Any) -> Own:
        return self

    def predict(self, X: Any) -> Any:
        return np.zeros(len(X))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "model",
    [
        HistGradientBoostingClassifier(max_iter=5),
        RandomForestClassifier(5),
        make_pipeline(StandardScaler(), LogisticRegression()),
        make_pipeline(QuantileTransformer(n_quantiles=10), GaussianNB()),
        CalibratedClassifierCV(LogisticRegression(), cv=2),
        CalibratedClassifierCV(RandomForestClassifier(3), cv=2, method="isotonic"),
        KNeighborsClassifier(),
        MLPClassifier((4,), max_iter=5),
        GaussianProcessClassifier(),
    ],
    ids=lambda m: type(m).__name__,
)
def test_scikit_learns_own_parts_are_trusted(model: Any) -> None:
    """Each family packs, opens again, and answers to the bit; twice the same bytes."""
    model.fit(X[:120], LATE[:120])
    packed = skops.pack(model, task="binary", names=NAMES, classes=())
    assert packed == skops.pack(model, task="binary", names=NAMES, classes=())  # before it is asked: k-d trees count
    assert (open_engine(packed).predict(X) == model.predict_proba(X)[:, 1]).all()


def test_a_type_that_is_not_trusted_is_refused_before_it_is_made(tmp_path: Path) -> None:
    """Whoever packs it hears so, and whoever reads a file of it, too."""
    model = make_pipeline(StandardScaler(), Own()).fit(X, LATE)
    with pytest.raises(Refused, match=r"not trusted: .*Own") as caught:
        skops.pack(model, task="binary", names=NAMES, classes=())
    assert "signed Python class" in caught.value.hint
    sio.dump(model, path := tmp_path / "model.skops")
    with pytest.raises(Refused, match="not trusted"):
        skops.read(path)


def test_a_function_of_any_module_is_refused(tmp_path: Path) -> None:
    """The usual way out of such formats is a function by its name."""
    from sklearn.preprocessing import FunctionTransformer

    sio.dump(FunctionTransformer(eval), path := tmp_path / "model.skops")
    with pytest.raises(Refused, match=r"not trusted: .*eval"):
        skops.read(path)


@pytest.mark.parametrize("data", [b"", b"junk", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_skops_file_is_a_usage_error(tmp_path: Path, data: bytes) -> None:
    """Nothing of the library's own errors leaks."""
    (path := tmp_path / "model.skops").write_bytes(data)
    with pytest.raises(UsageError, match="not a skops file"):
        skops.read(path)


def test_order_is_a_fixed_point() -> None:
    """What is in order stays as it is."""
    once = in_order(sio.dumps(LogisticRegression().fit(X, LATE)))
    assert in_order(once) == once
