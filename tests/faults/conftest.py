"""Homes that `plimsoll up` is run on."""

from __future__ import annotations

from pathlib import Path

import pytest
from processes import run, scaffold


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one gated release, which no test changes."""
    folder = scaffold(tmp_path_factory.mktemp("released") / "orders")
    code, said = run(folder, "release", "--label", "first")
    assert code == 0 and said["state"] == "gated"
    return folder


@pytest.fixture
def folder(released: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    from shutil import copytree

    return Path(copytree(released, tmp_path / "orders"))
