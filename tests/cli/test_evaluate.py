"""``plimsoll evaluate``: parts by name, what is known, the report and the Markdown."""

from __future__ import annotations

from pathlib import Path

import pytest

from plimsoll.scaffold import sample_plan, write


@pytest.fixture(scope="module")
def orders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("deep") / "orders"
    write(sample_plan("orders", "binary"), folder)
    return folder


def test_a_part_is_made_once_and_shown_ever_after(run, orders, tmp_path):
    """By the capability's folder or the release's label; as a page, as JSON, as Markdown, in the report."""
    home = ["--home", tmp_path / "home"]
    assert run("release", orders, *home).code == 0
    assert "nothing is known yet" in run("evaluate", orders, *home).out
    ran = run("evaluate", orders, "--only", "stability", "--markdown", tmp_path / "e.md", *home)
    assert ran.code == 0 and "Another training of the same" in ran.out
    assert "### Another training of the same" in (tmp_path / "e.md").read_text()
    known = run("evaluate", "v1", orders, "--json", *home).document
    assert len(known["stability"]) == 6 and known["ablation"] == [] and known["label"] == "v1"
    assert "<h2>Another training of the same</h2>" in Path(known["report"]).read_text()
    assert "v1 is evaluated: stability" in run("explain", "v1", *home).out


def test_what_is_not_there_is_named(run, orders, tmp_path):
    """No home; an unknown part; an unknown release."""
    home = ["--home", tmp_path / "home"]
    assert "plimsoll release" in run("evaluate", orders, "--deep", *home).err
    run("release", orders, *home)
    assert "ablation" in run("evaluate", orders, "--only", "ablatio", *home).err
    assert run("evaluate", "v9", orders, "--deep", *home).code == 2
