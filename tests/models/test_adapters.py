"""One suite over every adapter: whatever kind a model is kept as, it answers alike, refuses alike, and packs alike."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from plimsoll.errors import Damaged, UsageError
from plimsoll.models import check_golden, is_code, kind_of, open_engine
from plimsoll.models.engines import adapter_for, adapter_of, kinds
from plimsoll.models.golden import golden
from plimsoll.models.nameplate import read

from .given import NAMES, Case, X, case_of, cases

KINDS = ("onnx", "lightgbm", "skops", "torch", "python")


@pytest.fixture(params=KINDS)
def case(request: pytest.FixtureRequest) -> Case:
    return case_of(request.param)


def test_every_kind_of_ours_is_in_the_suite() -> None:
    """A new adapter brings its case."""
    assert set(kinds()) == set(KINDS) == set(cases())


def test_bytes_alone_make_an_engine(case: Case) -> None:
    """What it is, what it answers and for which features stands in the bytes."""
    engine = open_engine(case.packed)
    assert (engine.kind, engine.task, engine.names, engine.classes) == (case.kind, "binary", NAMES, ())
    assert kind_of(case.packed) == case.kind
    assert is_code(case.packed) == (case.kind == "python")


def test_it_answers_as_its_own_library_does(case: Case) -> None:
    """The packed model is the model, over all rows."""
    np.testing.assert_allclose(open_engine(case.packed).predict(X), case.own(X), atol=1e-6)


def test_a_row_is_answered_alike_alone_and_in_company(case: Case) -> None:
    """The batch that a question happens to be in changes nothing that matters, and asking again changes nothing at all."""
    engine = open_engine(case.packed)
    alone = np.concatenate([engine.predict(X[[i]]) for i in range(20)])
    for _ in range(2):
        np.testing.assert_allclose(engine.predict(X[:20]), alone, atol=1e-6)
    assert (engine.predict(X[:20]) == engine.predict(X[:20])).all()
    np.testing.assert_allclose(engine.predict(X[:300])[:20], alone, atol=1e-6)


def test_no_rows_have_no_answers(case: Case) -> None:
    """An empty batch is a batch."""
    assert open_engine(case.packed).predict(np.empty((0, 4), np.float32)).shape == (0,)


def test_its_answers_are_its_callers_to_keep(case: Case) -> None:
    """Neither the matrix that was given nor an earlier answer changes with the next call."""
    engine = open_engine(case.packed)
    given = X[:8].copy()
    engine.predict(given)
    first = engine.predict(given)
    kept = first.copy()
    engine.predict(X[8:16])
    assert (first == kept).all() and (given == X[:8]).all()


def test_the_wrong_width_and_type_are_named(case: Case) -> None:
    """One pair of messages for all."""
    engine = open_engine(case.packed)
    with pytest.raises(UsageError, match=r"rows of 4 features, .* \(2, 3\)"):
        engine.predict(np.zeros((2, 3), np.float32))
    with pytest.raises(UsageError, match="takes float32, and got float64"):
        engine.predict(np.zeros((2, 4)))  # type: ignore[arg-type]


def test_golden_answers_are_reproduced(case: Case) -> None:
    """By an engine opened from the same bytes; those of another model are not."""
    engine = open_engine(case.packed)
    made = golden(engine, X)
    assert check_golden(open_engine(case.packed), made) == ""
    assert check_golden(open_engine(case_of("other").packed), made).startswith("golden row")


def test_packing_twice_gives_the_same_bytes(case: Case) -> None:
    """No time, address or random name gets into them."""
    again = adapter_of(case.kind).pack(case.model, task="binary", names=NAMES, classes=())
    assert again == case.packed


def test_bytes_that_are_damaged_are_refused(case: Case) -> None:
    """Wherever it is cut off, the error is one of ours, and comes before the first question."""
    for end in (40, len(case.packed) // 2, len(case.packed) * 9 // 10):
        with pytest.raises((UsageError, Damaged)):
            open_engine(case.packed[:end])


def test_two_processes_pack_the_same_bytes(case: Case) -> None:
    """Hash order and addresses of a process are its own."""
    script = f"from tests.models.given import fresh; print(fresh({case.kind!r}))"
    said = [_run(script, seed) for seed in ("1", "2")]
    assert said[0] == said[1] and len(said[0]) > 20


def _run(script: str, seed: str) -> str:
    import os

    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(["src", ".", *sys.path])}
    return subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    ).stdout


def test_without_its_nameplate_the_file_is_its_librarys_own() -> None:
    """The line in front can be cut off; what follows opens in the library that wrote it."""
    import lightgbm as lgb

    plate, text = read(case_of("lightgbm").packed)
    assert plate is not None and plate.kind == "lightgbm"
    assert lgb.Booster(model_str=text.decode()).num_feature() == 4


def test_a_kind_that_nobody_knows_is_named() -> None:
    """The message says which, and what there is."""
    packed = case_of("lightgbm").packed.replace(b'"kind":"lightgbm"', b'"kind":"lightgbn"', 1)
    with pytest.raises(UsageError, match="kind 'lightgbn'") as caught:
        open_engine(packed)
    assert "lightgbm" in caught.value.hint


def test_a_pickle_is_never_read(tmp_path: Any) -> None:
    """Neither by its suffix, nor under another one."""
    with pytest.raises(UsageError, match=r"no model that can be read.*\.skops") as caught:
        adapter_for(tmp_path / "model.pkl")
    assert "never loaded" in caught.value.hint
