"""The environment and the code have digests that change when an answer could."""

from __future__ import annotations

import functools
import subprocess
import sys
from pathlib import Path

import pytest
from sklearn.ensemble import RandomForestClassifier

from plimsoll.errors import UsageError
from plimsoll.training import code_digest, environment


def test_the_environment_names_the_libraries_that_can_change_an_answer() -> None:
    """With their versions, and a digest of it all."""
    found = environment()
    assert {"numpy", "lightgbm", "onnxruntime", "scikit-learn"} <= found["libraries"].keys()
    assert found == environment() and len(found["digest"]) == 64


def test_the_environment_imports_none_of_them() -> None:
    """It reads metadata: the command line can say it quickly."""
    code = (
        "import sys; from plimsoll.training.environment import environment; environment(); "
        "print(sorted({'lightgbm', 'sklearn', 'onnx'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_same_code_elsewhere_has_the_same_digest(tmp_path: Path) -> None:
    """Folder and line endings do not count; names and text do."""
    for folder, text in (("a", b"x = 1\n"), ("b", b"x = 1\r\n"), ("c", b"x = 2\n")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "model.py").write_bytes(text)
    a, b, c = (code_digest(tmp_path / folder / "model.py") for folder in "abc")
    assert a == b != c


def test_a_function_stands_for_its_file() -> None:
    """Also through a partial, and named twice it counts once."""
    here = Path(__file__)
    function = functools.partial(test_a_function_stands_for_its_file)
    assert code_digest(function, here) == code_digest(here)


def test_an_estimator_stands_for_its_parameters() -> None:
    """Another depth is another code."""
    shallow, deep = RandomForestClassifier(max_depth=2), RandomForestClassifier(max_depth=3)
    assert code_digest(shallow) == code_digest(RandomForestClassifier(max_depth=2)) != code_digest(deep)


@pytest.mark.parametrize("source", [len, eval("lambda x: x")])
def test_code_without_a_file_is_refused(source: object) -> None:
    """A release must be able to say what code it runs."""
    with pytest.raises(UsageError, match="cannot be found"):
        code_digest(source)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """With its path."""
    with pytest.raises(UsageError, match=r"capability\.py cannot be read"):
        code_digest(tmp_path / "capability.py")
