"""What is scaffolded works as it is, for every task, and around a model and rows of one's own."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from plimsoll.capability import load
from plimsoll.data import Contract, check
from plimsoll.errors import UsageError
from plimsoll.scaffold import own_plan, sample_plan, write

TASKS = ("binary", "multiclass", "regression")
PIPELINE = """
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

pipeline = make_pipeline(StandardScaler(), LogisticRegression())
"""


@pytest.fixture(scope="session")
def sample(tmp_path_factory) -> Path:
    """The rows of the binary sample, as a user's own file."""
    path = tmp_path_factory.mktemp("own") / "orders.csv"
    path.write_text(sample_plan("orders", "binary").csv)
    return path


@pytest.fixture(scope="session")
def onnx_model(tmp_path_factory) -> Path:
    """A model of two numbers, as somebody's notebook exported it."""
    import numpy as np
    from skl2onnx import to_onnx
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression().fit(np.array([[5, 1], [90, 4]], np.float32), [0, 1])
    path = tmp_path_factory.mktemp("model") / "m.onnx"
    path.write_bytes(to_onnx(model, np.zeros((1, 2), np.float32), options={"zipmap": False}).SerializeToString())
    return path


@pytest.mark.parametrize("task", TASKS)
def test_a_scaffold_declares_what_is_possible_and_its_rows_keep_their_contract(run, tmp_path, monkeypatch, task):
    """The declaration loads and no row is bad."""
    monkeypatch.chdir(tmp_path)
    assert run("init", "mine", "--task", task).code == 0
    folder = tmp_path / "mine"
    assert load(folder).task.kind == task
    result = check(Contract.load(folder / "contracts/mine.odcs.yaml"), folder / "data/mine.csv", out_folder=tmp_path)
    assert result.bad_rows == 0 and result.rows == 56 * 80


def test_equal_samples_are_equal_bytes():
    """The made-up rows are seeded."""
    assert sample_plan("a", "binary").csv == sample_plan("b", "binary").csv


def test_the_scaffolds_own_tests_pass(tmp_path):
    """`python -m pytest` in the new folder is green."""
    write(sample_plan("mine", "regression"), tmp_path / "mine")
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"], cwd=tmp_path / "mine", check=False
    )
    assert ran.returncode == 0


@pytest.mark.parametrize("task", TASKS)
def test_a_scaffold_passes_its_gate_as_it_is(run, tmp_path, monkeypatch, task):
    """`plimsoll release` gates it; the identical release again changes nothing."""
    monkeypatch.chdir(tmp_path)
    run("init", "mine", "--task", task)
    monkeypatch.chdir(tmp_path / "mine")
    first, second = (run("release", "--json").document for _ in range(2))
    assert first["verdict"]["ruling"] == "pass" and first["state"] == "gated"
    assert not second["is_new"] and second["release"] == first["release"]


@pytest.mark.parametrize("suffix", [".txt", ".skops"])
def test_a_model_file_of_another_library_becomes_a_capability(tmp_path, monkeypatch, sample, suffix):
    """A saved booster or a skops file is copied as it is, and its width is held against the inputs."""
    path = tmp_path / f"m{suffix}"
    rows, labels = np.random.default_rng(1).normal(size=(200, 2)), np.arange(200) % 2
    if suffix == ".txt":
        import lightgbm as lgb

        lgb.train({"objective": "binary", "verbose": -1}, lgb.Dataset(rows, labels), 3).save_model(path)
    else:
        import skops.io as sio

        sio.dump(LogisticRegression().fit(rows, labels), path)
    monkeypatch.chdir(tmp_path)
    plan = own_plan("mine", "binary", data=sample, label="returned", asked_at="ordered_at", model=path)
    write(plan, tmp_path / "mine")
    assert f'model="model{suffix}"' in (tmp_path / "mine" / "capability.py").read_text()
    assert (tmp_path / "mine" / f"model{suffix}").read_bytes() == path.read_bytes()
    with pytest.raises(UsageError, match="takes 2 features, not 1"):
        own_plan("m", "binary", data=sample, label="returned", asked_at="ordered_at", inputs=["items"], model=path)


def test_an_onnx_model_with_a_csv_becomes_a_judged_release(run, tmp_path, monkeypatch, sample, onnx_model):
    """From a notebook's model and rows to a verdict, with no feature view."""
    monkeypatch.chdir(tmp_path)
    words = ["--data", sample, "--label", "returned", "--asked-at", "ordered_at", "--known-at", "closed_at"]
    made = run("init", "mine", *words, "--model", onnx_model, "--json")
    assert made.document["inputs"] == ["price_eur", "items"]
    monkeypatch.chdir(tmp_path / "mine")
    assert run("release", "--json").document["verdict"]["ruling"] in ("pass", "fail", "inconclusive")


def test_a_pipeline_with_a_csv_becomes_a_judged_release(run, tmp_path, monkeypatch, sample):
    """An unfitted pipeline in a Python file is trained and gated."""
    monkeypatch.chdir(tmp_path)
    Path("pipe.py").write_text(PIPELINE)
    words = ["--data", sample, "--label", "returned", "--asked-at", "ordered_at", "--sklearn", "pipe.py:pipeline"]
    assert run("init", "mine", *words).code == 0
    monkeypatch.chdir(tmp_path / "mine")
    assert run("release", "--json").document["verdict"]["ruling"] == "pass"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["mine", "--label", "x"], "add --data"),
        (["mine", "--data", "orders.csv"], "--label COLUMN"),
        (["mine", "--data", "orders.csv", "--label", "returned"], "--model FILE.onnx"),
        (["my feature"], "letters, digits"),
        (["mine", "--task", "binray"], "binary"),
    ],
)
def test_what_does_not_fit_together_is_wrong_usage(run, tmp_path, monkeypatch, words, said):
    """Every slip says what to do, and leaves no folder behind."""
    monkeypatch.chdir(tmp_path)
    ran = run("init", *words)
    assert ran.code == 2 and said in ran.err and not list(tmp_path.iterdir())


def test_a_folder_that_is_there_is_not_overwritten(run, tmp_path, monkeypatch):
    """Somebody's work is never written over."""
    monkeypatch.chdir(tmp_path)
    run("init", "mine")
    ran = run("init", "mine")
    assert ran.code == 2 and "not empty" in ran.err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"label": "retruned"}, "did you mean 'returned'?"),
        ({"asked_at": None}, "--asked-at COLUMN"),
        ({"asked_at": "channel"}, "not timestamps"),
        ({"label": "price_eur"}, "must be 0 or 1"),
        ({"inputs": ["closed_at"]}, "cannot be a feature"),
        ({"inputs": ["items"]}, "takes 2 features, not 1"),
        ({"model": Path("none.onnx")}, "no file none.onnx"),
        ({"data": Path("none.csv")}, "no file none.csv"),
    ],
)
def test_what_the_rows_do_not_bear_is_named(sample, onnx_model, change, said):
    """A wrong column, time, label, input or model is an error that names it."""
    given = {"data": sample, "label": "returned", "asked_at": "ordered_at", "model": onnx_model} | change
    with pytest.raises(UsageError) as error:
        own_plan("mine", "binary", **given)
    assert said in str(error.value)


def test_rows_of_too_short_a_time_are_refused(tmp_path, sample, onnx_model):
    """A verdict needs blocks: rows of one morning cannot be judged."""
    short = tmp_path / "short.csv"
    short.write_text("".join(sample.read_text().splitlines(keepends=True)[:40]))
    with pytest.raises(UsageError, match="bring rows over a longer time"):
        own_plan("mine", "binary", data=short, label="returned", asked_at="ordered_at", model=onnx_model)


def test_a_timestamp_that_nobody_named_can_never_be_a_feature(tmp_path, sample, onnx_model):
    """Most timestamps are outcomes: without a known time the contract keeps them out."""
    plan = own_plan("mine", "binary", data=sample, label="returned", asked_at="ordered_at", model=onnx_model)
    write(plan, tmp_path / "mine")
    contract = Contract.load(tmp_path / "mine/contracts/mine.odcs.yaml")
    assert contract.column("closed_at").known_at is None


def test_a_parquet_file_says_the_same_as_its_csv(tmp_path, sample, onnx_model):
    """The plan follows from the rows, not from the format."""
    import duckdb

    parquet = tmp_path / "orders.parquet"
    duckdb.sql(f"COPY (FROM read_csv('{sample}')) TO '{parquet}' (FORMAT parquet)")
    plans = [
        own_plan("mine", "binary", data=d, label="returned", asked_at="ordered_at", model=onnx_model)
        for d in (sample, parquet)
    ]
    assert plans[0].columns == plans[1].columns and plans[0].base == plans[1].base


def test_the_pipeline_file_is_read_and_not_run(tmp_path, sample):
    """A file that would do harm when it is imported does none at `plimsoll init`."""
    bomb = tmp_path / "bomb.py"
    bomb.write_text("raise SystemExit(9)\nmodel = None\n")
    plan = own_plan("mine", "binary", data=sample, label="returned", asked_at="ordered_at", estimator=str(bomb))
    assert plan.estimator == (bomb, "model")
    shutil.rmtree(tmp_path)


def test_a_pipeline_that_is_given_as_a_model_is_sent_to_its_own_option(run, tmp_path, monkeypatch, sample):
    """Not only that it is no ONNX file, but how a pipeline is given."""
    monkeypatch.chdir(tmp_path)
    Path("pipe.py").write_text("model = None\n")
    ran = run("init", "mine", "--data", sample, "--label", "returned", "--asked-at", "ordered_at", "--model", "pipe.py")
    assert ran.code == 2 and "--sklearn FILE.py:NAME" in ran.err and not Path("mine").exists()
