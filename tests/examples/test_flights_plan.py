"""The flights' rollout, planned before any history: what the page about it shows is what the command says."""

from __future__ import annotations

from pathlib import Path

import pytest

from plimsoll.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "plan-a-rollout.md"


def test_the_page_shows_what_the_flights_plan_says(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every line of its example, but for what is cut short; the stage will likely end undecided, so the exit code is 1."""
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["plan", str(folder), "--home", str(tmp_path / "none")]) == 1
    said = " ".join(capsys.readouterr().out.split())
    shown = PAGE.read_text(encoding="utf-8").split("```text\n")[1].split("```")[0]
    for line in shown.splitlines():
        assert " ".join(line.split()).removesuffix(" (assumed: …)") in said, line
