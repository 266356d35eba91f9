"""Homes that `plimsoll up` is run on."""

from __future__ import annotations

from pathlib import Path

import pytest
from processes import hold_lease, release_of, run, scaffold, scaffold_shop


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


@pytest.fixture(scope="session")
def opened_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two capabilities, each with a live release, which no test changes."""
    folder = scaffold_shop(tmp_path_factory.mktemp("opened") / "shop")
    for name in ("orders", "returns"):
        assert run(folder / name, "release", "--label", "first")[0] == 0
        hold_lease(folder, release_of(folder, name), name)
    return folder


@pytest.fixture
def shop(opened_shop: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    from shutil import copytree

    return Path(copytree(opened_shop, tmp_path / "shop"))
