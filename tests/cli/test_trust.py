"""``plimsoll trust``: the keys of those whose releases may bring code; and a class on its way to being judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from plimsoll.cli import main

CLASS = '''"""By hand."""
import numpy as np


class Ranker:
    def predict(self, X):
        return 1 / (1 + np.exp(-(X[:, 1].astype(np.float64) / 50 - 1)))
'''


def test_keys_are_made_added_listed_and_removed(run: Any, tmp_path: Path) -> None:
    """A key of this home, one of another, and none."""
    home = ("--home", tmp_path / "home", "--json")
    assert run("trust", "list", *home).document == {"keys": {}}
    made = run("trust", "new", "ada", *home).document["key"]
    assert len(made) == 64 and run("trust", "new", "ada", *home).document["key"] == made
    assert run("trust", "add", "grace", "AB" * 32, *home).document["keys"] == {"ada": made, "grace": "ab" * 32}
    assert run("trust", "remove", "ada", *home).document["keys"] == {"grace": "ab" * 32}
    refused = run("trust", "add", "grace", "not a key", *home)
    assert refused.code == 2 and "no public key" in refused.error["error"]


def test_a_person_reads_them_too(run: Any, tmp_path: Path) -> None:
    """Without --json there is a line a key, or a sentence."""
    home = ("--home", tmp_path / "home")
    assert "no release may bring code" in run("trust", "list", *home).out
    assert len(run("trust", "new", "ada", *home).out.strip()) == 64
    assert run("trust", "list", *home).out.endswith("  ada\n")


def test_a_class_is_released_once_there_is_a_key(run: Any, tmp_path: Path, monkeypatch: Any) -> None:
    """Without one the release is refused and says how to get one; with it the manifest carries its signature."""
    monkeypatch.chdir(tmp_path)
    assert main(["init", "mine", "--json"]) == 0
    run("trust", "list")
    monkeypatch.chdir(tmp_path / "mine")
    Path("ranker.py").write_text(CLASS)
    declared = Path("capability.py").read_text()
    Path("capability.py").write_text(declared.replace("    train=train,\n", '    model="ranker.py:Ranker",\n'))
    refused = run("release", "--json")
    assert refused.code == 1 and "is run only if it is signed" in refused.error["error"]
    assert "plimsoll trust new" in refused.error["hint"]
    run("trust", "new", "ada", "--json")
    judged = run("release", "--json").document
    assert judged["verdict"] is not None
    shown = run("explain", judged["release"], "--json").document
    assert {"model", "golden", "signature"} <= set(shown["manifest"]["artifacts"])
