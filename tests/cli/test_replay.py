"""Past verdicts judged again from the ledger."""

import json
import sqlite3


def test_a_verdict_replays_by_the_lines_number(run, home):
    """Line 1 is the gate's: the same, to every number."""
    ran = run("replay", "1", "--home", home.path, "--json")
    (one,) = ran.document["verdicts"]
    assert ran.code == 0 and one["same"] and one["kind"] == "gate" and one["findings"] == 2
    assert "the same: 2 findings" in run("replay", "1", "--home", home.path).out


def test_a_verdict_replays_by_the_lines_digest(run, home):
    """Enough of the digest names the line."""
    digest = run("log", "--home", home.path, "--json").document["lines"][0]["digest"]
    assert run("replay", digest[:12], "--home", home.path, "--json").document["verdicts"][0]["seq"] == 1


def test_every_verdict_replays(run, home):
    """Without a name, all of them; lines without a verdict are left alone."""
    ran = run("replay", "--home", home.path, "--json")
    assert [one["seq"] for one in ran.document["verdicts"]] == [1] and ran.document["same"]


def test_a_line_without_a_verdict_is_wrong_usage(run, home):
    """It says what the line is; and a line that is not there, how many there are."""
    ran = run("replay", "2", "--home", home.path)
    assert ran.code == 2 and "rests on no verdict" in ran.err
    assert "which has 3" in run("replay", "99", "--home", home.path).err


def test_a_line_that_was_changed_is_broken(run, home):
    """Exit code 4, and the number that is not what judging gives."""
    with sqlite3.connect(home.path / "catalog.db") as db:
        (text,) = db.execute("SELECT body FROM ledger WHERE seq = 1").fetchone()
        body = json.loads(text)
        body["verdict"]["findings"][0]["ruling"] = "fail"
        db.execute("UPDATE ledger SET body = ? WHERE seq = 1", (json.dumps(body),))
    db.close()
    ran = run("replay", "1", "--home", home.path)
    assert ran.code == 4 and "ruling fail, now pass" in ran.out


def test_another_kernel_versions_verdict_shows_what_differs(run, home):
    """It rules otherwise now: exit code 1, and both versions are named."""
    with sqlite3.connect(home.path / "catalog.db") as db:
        (text,) = db.execute("SELECT body FROM ledger WHERE seq = 1").fetchone()
        body = json.loads(text)
        body["verdict"] |= {"kernel_version": 1, "ruling": "inconclusive"}
        db.execute("UPDATE ledger SET body = ? WHERE seq = 1", (json.dumps(body),))
    db.close()
    ran = run("replay", "1", "--home", home.path)
    assert ran.code == 1 and "kernel 1 judged it" in ran.out


def test_explain_says_each_finding_in_a_sentence(run, home):
    """In the document and on the page."""
    document = run("explain", "first", "--home", home.path, "--json").document
    says = document["history"][0]["explanations"][0]["says"]
    assert says.startswith("It holds: auc is")
    assert "It holds: auc is" in run("explain", "first", "--home", home.path).out
