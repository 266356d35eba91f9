"""What each kind of packed model costs, and how far it is from the model that it came from.

100 trees on 20 features. Processor time, the best of three; every call gets rows that it has not seen, as a processor
learns the branches of the same few rows by heart.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.table import Row, at_most
from plimsoll.models import open_engine, package
from plimsoll.models.engines import adapter_of

SIZES = (1, 16, 64, 512)
NAMES = tuple(f"f{i}" for i in range(20))


def run() -> list[Row]:
    """The cost of a call by kind and size, and the parity of each family."""
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(4096, 20)).astype(np.float32)
    labels = (rows[:, 0] + rows[:, 1] * rows[:, 2] + rng.normal(size=4096) > 0).astype(float)
    return [*_costs(rows, labels), *_parities(rows, labels)]


def _costs(rows: Any, labels: Any) -> list[Row]:
    import lightgbm as lgb
    from sklearn.ensemble import HistGradientBoostingClassifier

    usual = {"objective": "binary", "num_threads": 1, "verbose": -1, "num_leaves": 31}
    trees = lgb.train(usual, lgb.Dataset(rows, labels), 100)
    own = HistGradientBoostingClassifier(max_iter=100).fit(rows, labels)
    found = []
    for kind, model, limits, plain in (
        ("onnx", trees, (12, 90, 300, 2500), _plain_onnx(trees, rows)),
        ("lightgbm", trees, (40, 150, 500, 4000), lambda m: trees.predict(m, num_threads=1)),
        ("skops", own, (2000, 3000, 4000, 10000), own.predict_proba),
    ):
        engine = open_engine(adapter_of(kind).pack(model, task="binary", names=NAMES, classes=()))
        for size, limit in zip(SIZES, limits, strict=True):
            ours, theirs = _cost_us(engine.predict, rows, size), _cost_us(plain, rows, size)
            name = {"onnx": "session.run", "lightgbm": "booster.predict", "skops": "predict_proba"}[kind]
            found.append(at_most(f"{kind}, {size} rows", round(ours, 2), limit, "µs", peer=name, peer_value=theirs))
    return found


def _plain_onnx(trees: Any, rows: Any) -> Callable[[Any], Any]:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    packed = package(trees, names=NAMES, task="binary", sample=rows[:100])
    session = ort.InferenceSession(packed.model, options, providers=["CPUExecutionProvider"])
    return lambda matrix: session.run(None, {"features": matrix})


def _cost_us(predict: Callable[[Any], Any], rows: Any, size: int) -> float:
    """Processor time of a call, in µs: the best of three walks over all rows."""
    starts = range(0, len(rows) - size + 1, size)[:256]
    best = float("inf")
    for _ in range(3):
        begun = time.process_time_ns()
        for at in starts:
            predict(rows[at : at + size])
        best = min(best, (time.process_time_ns() - begun) / len(starts) / 1e3)
        if best > 20_000:
            break
    return best


def _parities(rows: Any, labels: Any) -> list[Row]:
    found = []
    for name, model in _families().items():
        packed = package(model.fit(rows[:1000], labels[:1000]), names=NAMES, task="binary", sample=rows)
        found.append(at_most(f"parity, {name}", packed.parity, 1e-5, "", note=packed.note or "kept as onnx"))
    return found


def _families() -> dict[str, Any]:
    import lightgbm as lgb
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.ensemble import (
        ExtraTreesClassifier,
        GradientBoostingClassifier,
        HistGradientBoostingClassifier,
        RandomForestClassifier,
    )
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    few = {"random_state": 0}
    return {
        "LGBMClassifier": lgb.LGBMClassifier(n_estimators=100, n_jobs=1, verbose=-1),
        "LGBMClassifier, linear trees": lgb.LGBMClassifier(n_estimators=20, n_jobs=1, verbose=-1, linear_tree=True),
        "HistGradientBoosting": HistGradientBoostingClassifier(**few),
        "RandomForest": RandomForestClassifier(100, **few),
        "ExtraTrees": ExtraTreesClassifier(100, **few),
        "GradientBoosting": GradientBoostingClassifier(**few),
        "LogisticRegression": make_pipeline(StandardScaler(), LogisticRegression()),
        "CalibratedClassifierCV": CalibratedClassifierCV(LogisticRegression(), cv=3),
        "GaussianNB": GaussianNB(),
        "MLPClassifier": MLPClassifier((16,), max_iter=30, **few),
        "KNeighbors": KNeighborsClassifier(),
        "LinearDiscriminantAnalysis": LinearDiscriminantAnalysis(),
    }
