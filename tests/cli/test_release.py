"""``plimsoll release`` for a CI system: the files that it leaves, whatever the gate says."""

import pytest
from junitparser import JUnitXml

from plimsoll.scaffold import sample_plan, write


@pytest.fixture(scope="module")
def orders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ci") / "orders"
    write(sample_plan("orders", "binary"), folder)
    return folder


def files(folder):
    return ["--junit", folder / "ci" / "gate.xml", "--markdown", folder / "ci" / "gate.md"]


def cases(folder):
    suites = JUnitXml.fromfile(str(folder / "ci" / "gate.xml"))
    return [case for suite in suites for case in suite]


def test_a_gate_that_passes_leaves_its_verdict_and_an_unchanged_release_leaves_it_again(run, orders, tmp_path):
    """One test case a requirement, all passed; the second time nothing is judged, and the first verdict is written."""
    ran = run("release", orders, "--home", tmp_path / "home", *files(tmp_path), "--json")
    assert ran.code == 0 and ran.document["explanations"][0]["says"].startswith("It holds")
    first = (tmp_path / "ci" / "gate.md").read_text()
    assert len(cases(tmp_path)) == len(ran.document["verdict"]["findings"]) and all(
        c.is_passed for c in cases(tmp_path)
    )
    assert first.startswith("## Passes its gate: orders v1")
    assert "Known times: " in first and "reaches an AUC of 0.95 or more" in first  # what was looked for, and not found
    again = run("release", orders, "--home", tmp_path / "home", *files(tmp_path), "--json")
    assert again.code == 0 and again.document["verdict"] is None
    assert (tmp_path / "ci" / "gate.md").read_text().splitlines()[2:] == first.splitlines()[2:]


def test_what_could_not_be_judged_leaves_an_error(run, orders, tmp_path):
    """No rows: the exit code is that of the error, and both files say why."""
    folder = tmp_path / "orders"
    write(sample_plan("orders", "binary"), folder)
    rows = folder / "data" / "orders.csv"
    rows.write_text(rows.read_text().splitlines()[0] + "\n")
    ran = run("release", folder, "--home", tmp_path / "home", *files(tmp_path))
    (case,) = cases(tmp_path)
    assert ran.code not in (0, 1) or "Refused" in case.result[0].type
    assert case.result[0].message and "Nothing was judged: orders" in (tmp_path / "ci" / "gate.md").read_text()
