"""Every kind of model is packed so that it answers as it did."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from plimsoll.errors import Refused, UsageError
from plimsoll.models import OnnxEngine, check_golden, open_engine, package
from plimsoll.models.convert import _rounded_up


def test_a_booster_answers_as_it_did(X: Any, late: Any, names: Any, booster: Any) -> None:
    """The packed LightGBM booster gives the booster's probabilities, missing values included."""
    model = booster(X, late)
    packed = package(model, names=names, task="binary", sample=X)
    assert packed.parity < 1e-6
    np.testing.assert_allclose(OnnxEngine(packed.model).predict(X), model.predict(X), atol=1e-6)


def test_a_value_missing_for_the_first_time_is_answered_as_by_the_model(
    X: Any, late: Any, names: Any, booster: Any
) -> None:
    """A feature that was never missing in training may be missing later: both take it for zero."""
    full = np.nan_to_num(X)
    model = booster(full, late)
    package(model, names=names, task="binary", sample=np.where(X > 1, np.float32("nan"), X))


def test_an_estimator_with_any_labels_answers_for_the_second_class(X: Any, late: Any, names: Any) -> None:
    """The score of a binary classifier is the probability of its second class, whatever the classes are called."""
    import lightgbm as lgb

    for labels in (late, late.astype(int), np.where(late > 0, "late", "in time")):
        model = lgb.LGBMClassifier(n_estimators=20, n_jobs=1, verbose=-1).fit(X, labels)
        engine = OnnxEngine(package(model, names=names, task="binary", sample=X).model)
        assert np.corrcoef(engine.predict(X), late)[0, 1] > (0.3 if labels.dtype != "<U7" else -1)
    assert engine.classes == ("in time", "late")


def test_a_scikit_learn_pipeline_answers_as_it_did(X: Any, late: Any, names: Any) -> None:
    """Preprocessing travels inside the graph."""
    model = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()).fit(X, late)
    packed = package(model, names=names, task="binary", sample=X)
    np.testing.assert_allclose(OnnxEngine(packed.model).predict(X), model.predict_proba(X)[:, 1], atol=1e-5)


def test_a_pipeline_that_ends_in_lightgbm_answers_as_it_did(X: Any, late: Any, which: Any, names: Any) -> None:
    """LightGBM estimators are known inside scikit-learn pipelines, for every task."""
    import lightgbm as lgb

    few = {"n_estimators": 20, "n_jobs": 1, "verbose": -1}
    for task, last, y in (
        ("binary", lgb.LGBMClassifier(**few), late),
        ("multiclass", lgb.LGBMClassifier(**few), which),
        ("regression", lgb.LGBMRegressor(**few), X[:, 0]),
    ):
        model = make_pipeline(SimpleImputer(), last).fit(X, y)
        assert package(model, names=names, task=task, sample=X).parity < 1e-5


def test_histogram_gradient_boosting_answers_as_it_did(X: Any, late: Any, names: Any) -> None:
    """The notebook's favourite, missing values included, although its converter alone does not get along with onnx."""
    for task, model, y in (
        ("binary", HistGradientBoostingClassifier(max_iter=20), late),
        ("regression", HistGradientBoostingRegressor(max_iter=20), X[:, 0]),
    ):
        packed = package(model.fit(X, y), names=names, task=task, sample=X)
        assert packed.parity < 1e-5


def test_a_pipeline_over_named_columns_answers_as_it_did(X: Any, late: Any, names: Any) -> None:
    """A column transformer that was fitted on a data frame picks its columns from the matrix by name."""
    import pandas as pd

    by_name = make_column_transformer((SimpleImputer(), ["wind"]), (StandardScaler(), ["hour", "delay"]))
    model = make_pipeline(by_name, LogisticRegression()).fit(pd.DataFrame(X, columns=list(names)), late)
    packed = package(model, names=names, task="binary", sample=X)
    assert OnnxEngine(packed.model).predict(X).shape == (len(X),)


def test_multiclass_gives_one_probability_for_each_class(X: Any, which: Any, names: Any, booster: Any) -> None:
    """The declared classes name the columns; each row sums to one."""
    model = booster(X, which, objective="multiclass", num_class=3)
    packed = package(model, names=names, task="multiclass", sample=X, classes=["early", "in time", "late"])
    engine = OnnxEngine(packed.model)
    np.testing.assert_allclose(engine.predict(X), model.predict(X), atol=1e-6)
    assert engine.classes == ("early", "in time", "late")


def test_regression_gives_a_value(X: Any, names: Any, booster: Any) -> None:
    """A regressor's answer has one number a row, in the label's unit, however large."""
    for model in (booster(X, 1e4 * X[:, 0], objective="regression"), LinearRegression().fit(np.nan_to_num(X), X[:, 0])):
        sample = np.nan_to_num(X)
        packed = package(model, names=names, task="regression", sample=sample)
        assert OnnxEngine(packed.model).predict(sample).shape == (len(X),)


def test_onnx_goes_in_as_a_file_and_as_bytes(X: Any, late: Any, tmp_path: Path, names: Any) -> None:
    """A model that somebody else exported is brought to the same form, label output and ZipMap dropped."""
    from skl2onnx import to_onnx

    model = make_pipeline(SimpleImputer(), LogisticRegression()).fit(X, late)
    exported = to_onnx(model, X[:1], options={"zipmap": True}).SerializeToString()
    (tmp_path / "model.onnx").write_bytes(exported)
    packed = package(exported, names=names, task="binary", sample=X)
    assert packed.model == package(tmp_path / "model.onnx", names=names, task="binary", sample=X).model
    np.testing.assert_allclose(OnnxEngine(packed.model).predict(X), model.predict_proba(X)[:, 1], atol=1e-5)


def test_onnx_in_double_precision_is_fed_float32(X: Any, late: Any, names: Any) -> None:
    """A graph that takes doubles gets a cast in front."""
    from skl2onnx import to_onnx

    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(np.nan_to_num(X), late)
    exported = to_onnx(model, X[:1].astype(np.float64), options={"zipmap": False}).SerializeToString()
    sample = np.nan_to_num(X)
    got = OnnxEngine(package(exported, names=names, task="binary", sample=sample).model).predict(sample)
    np.testing.assert_allclose(got, model.predict_proba(sample)[:, 1], atol=1e-6)


def test_packing_a_package_changes_nothing(X: Any, late: Any, names: Any, booster: Any) -> None:
    """The canonical form is a fixed point."""
    once = package(booster(X, late), names=names, task="binary", sample=X)
    again = package(once.model, names=names, task="binary", sample=X)
    np.testing.assert_array_equal(OnnxEngine(once.model).predict(X), OnnxEngine(again.model).predict(X))
    assert package(again.model, names=names, task="binary", sample=X).golden == once.golden


SCRIPT = """
import numpy as np, lightgbm as lgb
from plimsoll.kernel.digest import digest_bytes
from plimsoll.models import package
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
X = np.random.default_rng(1).normal(size=(300, 4)).astype(np.float32)
y = (X[:, 0] > 0).astype(float)
trees = lgb.train({"objective": "binary", "num_threads": 1, "verbose": -1}, lgb.Dataset(X, y), 20)
for model in (trees, make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)):
    made = package(model, names="abcd", task="binary", sample=X)
    print(digest_bytes(made.model), digest_bytes(made.golden))
"""


def test_two_processes_pack_the_same_bytes() -> None:
    """No random name, time or hash order gets into the bytes."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT],
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "2")
    ]
    said = [process.communicate()[0] for process in started]
    assert said[0] == said[1] and len(said[0].split()) == 4


@pytest.mark.parametrize("place", range(1, 7))
def test_thresholds_between_neighbouring_floats_decide_as_doubles_do(place: int, booster: Any) -> None:
    """Half of the midpoints between neighbouring floats round up onto the upper one; it must not go left for that."""
    values = np.arange(0x3F800000, 0x3F800008, dtype=np.uint32).view(np.float32)  # 1 and its seven next neighbours
    rows = np.tile(values, 100).reshape(-1, 1)
    model = booster(rows, (rows[:, 0] > values[place]).astype(float))
    assert _rounded_up(model)
    assert package(model, names=["x"], task="binary", sample=rows).parity < 1e-6


def test_a_model_that_its_onnx_form_does_not_reproduce_is_refused(X: Any, late: Any, names: Any) -> None:
    """The refusal names the worst row and both answers, and what to do."""

    class Shifted(LogisticRegression):
        def predict_proba(self, X: Any) -> Any:
            return np.clip(super().predict_proba(X) + np.array([-0.01, 0.01]), 0, 1)

    from skl2onnx import update_registered_converter
    from skl2onnx.operator_converters.linear_classifier import convert_sklearn_linear_classifier
    from skl2onnx.shape_calculators.linear_classifier import calculate_linear_classifier_output_shapes

    update_registered_converter(
        Shifted,
        "SklearnLinearClassifier",
        calculate_linear_classifier_output_shapes,
        convert_sklearn_linear_classifier,
        options={"zipmap": [True, False], "nocl": [True, False], "output_class_labels": [False], "raw_scores": [False]},
    )
    sample = np.nan_to_num(X)
    with pytest.raises(Refused, match=r"row \d+ of 400 .* apart") as caught:
        package(Shifted().fit(sample, late), names=names, task="binary", sample=sample)
    assert "float32" in caught.value.hint
    assert caught.value.details["model"] - caught.value.details["packed"] == pytest.approx(0.01, abs=1e-6)


def test_columns_in_another_order_are_found(X: Any, late: Any, names: Any) -> None:
    """A model trained on named columns refuses to answer for them in another order."""
    import pandas as pd

    frame = pd.DataFrame(np.nan_to_num(X), columns=list(names))
    model = RandomForestClassifier(5, max_depth=3, random_state=0).fit(frame, late)
    with pytest.raises(UsageError, match="feature 0 is 'wind', and the model was trained with 'delay'"):
        package(model, names=("wind", "delay", "hour", "distance"), task="binary", sample=X)


def test_a_model_of_another_task_is_a_usage_error(X: Any, late: Any, names: Any, booster: Any) -> None:
    """A regressor is no classifier."""
    with pytest.raises(UsageError, match="objective 'regression', and the task is binary"):
        package(booster(X, late, objective="regression"), names=names, task="binary", sample=X)
    with pytest.raises(UsageError, match="LinearRegression gives no probabilities"):
        package(LinearRegression().fit(np.nan_to_num(X), late), names=names, task="binary", sample=np.nan_to_num(X))


def test_a_class_missing_from_training_is_found(X: Any, late: Any, names: Any) -> None:
    """Two classes in the model and three declared would shift every probability."""
    model = LogisticRegression().fit(np.nan_to_num(X), late)
    with pytest.raises(UsageError, match="knows the classes 0, 1"):
        package(model, names=names, task="multiclass", sample=np.nan_to_num(X), classes=["a", "b", "c"])


def test_a_model_that_cannot_be_converted_says_so(X: Any, late: Any, names: Any) -> None:
    """The converters' errors come back as one sentence and an advice."""
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Own(ClassifierMixin, BaseEstimator):
        def predict_proba(self, X: Any) -> Any:
            return np.full((len(X), 2), 0.5)

    with pytest.raises(UsageError, match="the Own cannot be converted to ONNX"):
        package(Own(), names=names, task="binary", sample=X)


def test_missing_values_without_an_imputer_are_explained(X: Any, late: Any, names: Any) -> None:
    """The gate rows may hold NaN where the training rows held none."""
    model = LogisticRegression().fit(np.nan_to_num(X), late)
    with pytest.raises(UsageError, match="cannot answer its own gate rows") as caught:
        package(model, names=names, task="binary", sample=X)
    assert "impute" in caught.value.hint


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"names": ("a", "b", "c")}, "must be float32 .* 3 columns"),
        ({"task": "clustering"}, "no task 'clustering'"),
        ({"model": b"not a model"}, "not a valid ONNX model"),
        ({"model": "nowhere.onnx"}, "no ONNX file nowhere.onnx"),
    ],
)
def test_wrong_arguments_are_named(
    X: Any, late: Any, change: dict[str, Any], message: str, names: Any, booster: Any
) -> None:
    """Each wrong argument is found before anything is built."""
    arguments = {"model": booster(X, late), "names": names, "task": "binary", "sample": X} | change
    with pytest.raises(UsageError, match=message):
        package(arguments.pop("model"), **arguments)


def test_weights_in_other_files_are_not_followed(X: Any, names: Any) -> None:
    """ONNX bytes that name a file are refused: a server would read whatever they name."""
    from onnx import TensorProto, helper, numpy_helper

    weight = numpy_helper.from_array(np.ones((4, 1), np.float32), "w")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="/etc/hostname")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])],
        [weight],
    )
    with pytest.raises(UsageError, match="keep 1 weights in other files"):
        package(helper.make_model(graph).SerializeToString(), names=names, task="regression", sample=X)


def test_golden_rows_hold_extremes_and_are_few(X: Any, late: Any, names: Any, booster: Any) -> None:
    """At most 64 rows, reproduced by the engine that they were made with."""
    import msgspec

    packed = package(booster(X, late), names=names, task="binary", sample=X)
    assert 24 <= msgspec.msgpack.decode(packed.golden)["rows"][0] <= 64
    assert check_golden(OnnxEngine(packed.model), packed.golden) == ""


def test_the_kind_of_transformer_is_the_public_one() -> None:
    """The by-name check rests on ``transformers_``, which a fitted ColumnTransformer has."""
    assert hasattr(ColumnTransformer([("s", "passthrough", [0])]).fit([[1.0]]), "transformers_")


def test_a_model_whose_onnx_form_answers_otherwise_keeps_its_own_format(names: Any) -> None:
    """Far from zero float32 is too coarse for a discriminant; the package says by how much, and keeps scikit-learn's."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    rows = (1000 + np.random.default_rng(5).normal(size=(400, 4))).astype(np.float32)
    model = LinearDiscriminantAnalysis().fit(rows, rows[:, 0] > 1000)
    packed = package(model, names=names, task="binary", sample=rows)
    assert packed.kind == "skops" and packed.parity == 0
    assert re.match(r"kept as skops: its ONNX form answers row \d+ of 400 with 0\.\d+ where it says", packed.note)


def test_a_model_without_an_onnx_form_keeps_its_own_format(names: Any) -> None:
    """Label spreading has no converter: the package says what it is kept as, and why."""
    from sklearn.semi_supervised import LabelSpreading

    rows = np.random.default_rng(5).normal(size=(300, 4)).astype(np.float32)
    model = LabelSpreading().fit(rows, rows[:, 0] > 0)
    packed = package(model, names=names, task="binary", sample=rows)
    assert packed.kind == "skops" and packed.parity == 0
    assert packed.note.startswith("kept as skops: the LabelSpreading cannot be converted to ONNX")
    engine = open_engine(packed.model)
    assert (engine.predict(rows) == model.predict_proba(rows)[:, 1]).all()
    assert check_golden(engine, packed.golden) == ""


def test_labels_that_no_converter_takes_keep_lightgbms_text(X: Any, late: Any, names: Any) -> None:
    """An estimator that was fitted on booleans: LightGBM's own text has no labels to trip over."""
    import lightgbm as lgb

    model = lgb.LGBMClassifier(n_estimators=5, n_jobs=1, verbose=-1).fit(X, late > 0)
    packed = package(model, names=names, task="binary", sample=X)
    assert (packed.kind, packed.parity) == ("lightgbm", 0)


@pytest.mark.parametrize("suffix", [".txt", ".skops"])
def test_a_file_of_any_library_is_brought_to_onnx(
    X: Any, late: Any, names: Any, booster: Any, tmp_path: Path, suffix: str
) -> None:
    """A saved booster or a skops file is read by its own library, and packed as the model in it."""
    import skops.io as sio

    model = booster(X, late) if suffix == ".txt" else HistGradientBoostingClassifier(max_iter=5).fit(X, late)
    path = tmp_path / f"model{suffix}"
    model.save_model(path) if suffix == ".txt" else sio.dump(model, path)
    packed = package(path, names=names, task="binary", sample=X)
    assert packed.kind == "onnx"
    assert packed.model == package(model, names=names, task="binary", sample=X).model
