"""The ten minutes of a newcomer: from `plimsoll init` to a judged release that can be explained and made again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plimsoll.cli import main


@pytest.fixture
def plimsoll(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Run a command that must succeed; what it says as JSON."""

    def run(*words: str) -> Any:
        code = main([*words, "--json"])
        said = capsys.readouterr()
        assert code == 0, said.err or said.out
        return json.loads(said.out)

    return run


def test_from_init_to_a_release_that_is_explained_and_made_again(
    plimsoll: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """init → check → release → status → explain → log --verify → reproduce, each as the one before says."""
    monkeypatch.chdir(tmp_path)
    plimsoll("init", "my-feature", "--task", "binary")
    monkeypatch.chdir(tmp_path / "my-feature")
    plimsoll("check")

    released = plimsoll("release")
    assert released["verdict"]["ruling"] == "pass" and released["state"] == "gated"
    (status,) = plimsoll("status")["capabilities"]
    assert status["capability"] == "my-feature" and released["release"] in json.dumps(status)

    explained = json.dumps(plimsoll("explain", released["label"]))
    for finding in released["verdict"]["findings"]:
        assert finding["requirement"] in explained and finding["evidence"] in explained
    assert plimsoll("log", "--verify")["whole"]
    assert [line["kind"] for line in plimsoll("log")["lines"]] == ["snapshot", "gate"]

    made = plimsoll("reproduce", released["label"])
    assert made["same"] and {a["role"] for a in made["artifacts"]} >= {"model", "golden", "code", "environment"}
    again = plimsoll("release")
    assert not again["is_new"] and again["release"] == released["release"]
