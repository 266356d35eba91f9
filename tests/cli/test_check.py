"""What would refuse a release is found before anything is trained."""

from pathlib import Path

import pytest

from plimsoll.scaffold import sample_plan, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A scaffolded capability."""
    write(sample_plan("mine", "binary"), tmp_path / "mine")
    return tmp_path / "mine"


def edited(folder: Path, before: str, after: str, file: str = "capability.py") -> Path:
    path = folder / file
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))
    return folder


def test_a_scaffold_checks_out_and_leaves_no_home(run, folder):
    """Nothing is trained and nothing is kept."""
    ran = run("check", folder, "--json")
    assert ran.code == 0 and ran.document["problems"] == []
    assert not (folder / ".plimsoll").exists()


def test_a_feature_that_is_known_too_late_is_refused(run, folder):
    """The column, the share of rows and the lead are named."""
    ran = run("check", edited(folder, 'number("items"),', 'number("items"), number("returned"),'), "--json")
    assert ran.code == 1 and "'returned' becomes known after the question in 100.0%" in ran.document["problems"][0]


def test_bad_rows_over_the_tolerance_are_refused(run, folder):
    """The reasons are counted."""
    edited(folder, "minimum: 0, maximum: 5000", "minimum: 0, maximum: 20", "contracts/mine.odcs.yaml")
    ran = run("check", folder, "--json")
    assert ran.code == 1 and ran.document["tables"][0]["bad_rows"] > 100


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('asked_at="ordered_at"', 'asked_at="orderd_at"', "did you mean 'ordered_at'?"),
        ('label="returned"', 'label="retruned"', "did you mean 'returned'?"),
        ('"auc"', '"acu"', "did you mean 'auc'?"),
        ("Live()]", "]", "must end in Live()"),
        ("capability = Capability", "capabilty = Capability", "does not define `capability`"),
        ("import (", "import ((", "could not be"),
    ],
)
def test_an_impossible_declaration_is_wrong_usage(run, folder, before, after, said):
    """Found at declaration, with what would be right."""
    ran = run("check", edited(folder, before, after))
    assert ran.code == 2 and said in ran.err and "Traceback" not in ran.err


def test_no_capability_is_wrong_usage(run, tmp_path):
    """The error says how to make one."""
    ran = run("check", tmp_path)
    assert ran.code == 2 and "plimsoll init" in ran.err


def test_after_a_release_the_rollout_is_planned(run, folder):
    """The gate measured how much the difference varies, so the stage's length can be said."""
    run("release", folder)
    stage = run("check", folder, "--json").document["stages"][0]
    assert stage["measured"] and all(n is None or n >= 5 for n in stage["planned_blocks"].values())


def test_a_gate_that_says_no_is_exit_code_1(run, folder):
    """The verdict's reason is on the page; the release stands as refused."""
    ran = run("release", edited(folder, 'at_least("auc", 0.65)', 'at_least("auc", 0.99)'))
    assert ran.code == 1 and "auc at least 0.99: does not hold" in ran.out and "plimsoll explain" in ran.out


def test_a_release_is_reproduced_to_the_byte(run, folder):
    """Built again from its manifest, every artifact has the digest that was kept."""
    run("release", folder, "--home", folder / ".plimsoll")
    ran = run("reproduce", "v1", folder, "--home", folder / ".plimsoll", "--json")
    assert ran.code == 0 and ran.document["same"] and all(a["same"] for a in ran.document["artifacts"])
