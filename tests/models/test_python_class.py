"""A class as a model: its source travels, its modules stay its own, and what it does wrong is said with its name."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from plimsoll.errors import Broken, UsageError
from plimsoll.models import CodeModel, code_model, open_engine, package
from plimsoll.models.engines.python_class import python

from .given import NAMES, X


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return folder / "model.py"


def engine(source: str, **modules: str) -> Any:
    code = CodeModel(entry="model:M", modules={"model": source, **modules})
    return open_engine(python.pack(code, task="binary", names=NAMES, classes=()))


def test_a_class_is_packed_with_the_modules_beside_it(tmp_path: Path) -> None:
    """What it imports from its folder travels, directly or not; what is installed does not."""
    path = write(
        tmp_path,
        model="import numpy as np\nfrom curve import f\nclass M:\n    def predict(self, X):\n        return f(X[:, 0])\n",
        curve="import shape\ndef f(z):\n    return shape.g(z)\n",
        shape="def g(z):\n    return (z > 0) * 0.5\n",
        unused="raise SystemExit\n",
    )
    packed = package(code_model(path, "M"), names=NAMES, task="binary", sample=X)
    assert packed.kind == "python" and packed.parity == 0
    assert open_engine(packed.model).predict(X[:9]).tolist() == ((X[:9, 0] > 0) * 0.5).tolist()
    assert set(code_model(path, "M").modules) == {"model", "curve", "shape"}
    assert not {"model", "curve", "shape"} & set(sys.modules)


def test_two_releases_may_have_a_module_of_one_name() -> None:
    """Each class keeps what it was released with."""
    source = "from curve import value\nclass M:\n    def predict(self, X):\n        return [value] * len(X)\n"
    one, two = engine(source, curve="value = 0.25"), engine(source, curve="value = 0.75")
    assert one.predict(X[:1]).tolist() == [0.25] and two.predict(X[:1]).tolist() == [0.75]


def test_a_class_gets_the_files_that_it_asks_for(tmp_path: Path) -> None:
    """Weights travel as bytes, and are given to the constructor."""
    write(
        tmp_path,
        model="import json\nclass M:\n    assets = ('w.json',)\n    def __init__(self, assets):\n"
        "        self.w = json.loads(assets['w.json'])\n    def predict(self, X):\n        return [self.w] * len(X)\n",
    )
    (tmp_path / "w.json").write_text("0.125")
    code = code_model(tmp_path / "model.py", "M")
    assert open_engine(python.pack(code, task="binary", names=NAMES, classes=())).predict(X[:2]).tolist() == [0.125] * 2
    (tmp_path / "w.json").unlink()
    with pytest.raises(UsageError, match=r"asks for the file 'w\.json'"):
        code_model(tmp_path / "model.py", "M")


def test_a_file_outside_its_folder_is_not_taken(tmp_path: Path) -> None:
    """A release carries what lies beside its class, and nothing of the machine."""
    write(tmp_path, model="class M:\n    assets = ('../../etc/hostname',)\n    def predict(self, X): ...\n")
    with pytest.raises(UsageError, match="not beside"):
        code_model(tmp_path / "model.py", "M")


def test_reading_the_source_runs_nothing(tmp_path: Path) -> None:
    """Packing a class looks at its text."""
    path = write(tmp_path, model="raise SystemExit('ran')\nclass M:\n    def predict(self, X): ...\n")
    assert code_model(path, "M").entry == "model:M"


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        ("class M: ...", "N", "defines no class 'N'"),
        ("class M(:", "M", "is no Python"),
        ("import pack\nclass M: ...", "M", "imports the package pack/"),
        ("class M:\n    assets = tuple(x)", "M", "must be written out"),
    ],
)
def test_what_cannot_be_taken_is_said(tmp_path: Path, text: str, name: str, said: str) -> None:
    """Each before anything is built."""
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").touch()
    with pytest.raises(UsageError, match=said):
        code_model(write(tmp_path, model=text), name)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise ValueError('no')", "the class M raised ValueError: no"),
        ("return [float('nan')] * len(X)", "the class M answered nan for row 0"),
        ("return [0.5]", r"got 3 questions and gave an answer of shape \(1,\)"),
        ("return np.zeros((len(X), 7))", r"shape \(3, 7\) is not that of a binary"),
        ("return 0.5", "gave an answer of shape"),
        ("X[:] = 0; return 1 / 0", "ZeroDivisionError"),
        ("return None", "the class M"),
    ],
)
@pytest.mark.parametrize("sync", [True, False], ids=["sync", "async"])
def test_what_it_does_wrong_is_said_with_its_name(body: str, said: str, sync: bool) -> None:
    """Raised, not a number, or of another shape: Broken, whether it is async or not."""
    made = engine(
        f"import numpy as np\nclass M:\n    {'' if sync else 'async '}def predict(self, X):\n        {body}\n"
    )
    given = X[:3].copy()
    with pytest.raises(Broken, match=said):
        made.predict(given)
    assert (given == X[:3]).all()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import nothing_like_it\nclass M: ...", "ModuleNotFoundError"),
        ("class M:\n    def __init__(self, x): ...", "could not be made: TypeError"),
        ("class M: ...", "has no predict"),
        ("class N: ...", "could not be made: AttributeError"),
    ],
)
def test_what_cannot_be_made_is_said(source: str, said: str) -> None:
    """A class that does not come to be refuses its release, and takes nothing down."""
    with pytest.raises(UsageError, match=said):
        engine(source)


def test_an_async_class_can_be_cancelled() -> None:
    """What waits for ever is given up when it is told to, and the engine answers the next question."""
    import threading

    made = engine(
        "import asyncio\nimport numpy as np\nclass M:\n    slow = True\n    async def predict(self, X):\n"
        "        if M.slow:\n            M.slow = False\n            await asyncio.Event().wait()\n"
        "        return np.full(len(X), 0.5)\n"
    )
    said: list[str] = []

    def ask() -> None:
        with pytest.raises(Broken) as caught:
            made.predict(X[:1])
        said.append(caught.value.message)

    asking = threading.Thread(target=ask)
    asking.start()
    while asking.is_alive():
        made.cancel()
        asking.join(0.01)
    assert "took too long" in said[0]
    assert made.predict(X[:1]).tolist() == [0.5]
    made.close()
