"""The ledger: its lines, what was live at a time, and whether it is whole."""

import sqlite3


def test_log_shows_the_newest_lines(run, home):
    """The limit counts from the end."""
    document = run("log", "--home", home.path, "--limit", "2", "--json").document
    assert [line["kind"] for line in document["lines"]] == ["live", "started"]
    assert document["head"]["seq"] == 3


def test_log_at_a_time_says_who_was_live_and_why(run, home):
    """Before the first release the fallback answered; a day later the release does, because of the line that says so."""
    before = run("log", "--home", home.path, "--at", "2025-03-01T13:00", "--json").document["capabilities"][0]
    after = run("log", "--home", home.path, "--at", "2025-03-02T13:00", "--json").document["capabilities"][0]
    assert before["live"] == "fallback"
    assert after["live"] == home.releases["first"] and after["because"]["summary"] == "first is live"


def test_log_at_a_time_reads_well(run, home):
    """The page names the release by its label and the line that decided."""
    page = run("log", "--home", home.path, "--at", "2025-03-05").out
    assert "first" in page and "line 2" in page and "second" in page


def test_log_at_no_time_is_wrong_usage(run, home):
    """What is not a time is refused with the forms that are."""
    ran = run("log", "--home", home.path, "--at", "yesterday")
    assert ran.code == 2 and "2013-09-01" in ran.err


def test_a_whole_ledger_verifies(run, home):
    """Chain, checkpoints, objects and events are whole: exit code 0."""
    ran = run("log", "--home", home.path, "--verify", "--json")
    assert ran.code == 0 and ran.document["whole"]


def test_a_changed_line_is_named(run, home):
    """A changed row of the ledger is a fault, and the exit code says so."""
    with sqlite3.connect(home.path / "catalog.db") as db:
        db.execute("UPDATE ledger SET summary = 'third is live' WHERE seq = 2")
    ran = run("log", "--home", home.path, "--verify", "--json")
    assert ran.code == 4 and "line 2 was changed" in ran.document["faults"]["ledger"][0]


def test_a_cut_tail_is_named(run, home):
    """What a checkpoint saw and the ledger no longer has is a fault."""
    with sqlite3.connect(home.path / "catalog.db") as db:
        db.execute("DELETE FROM ledger WHERE seq = 3")
    assert "the tail was cut" in run("log", "--home", home.path, "--verify").out


def test_a_damaged_object_is_named(run, home):
    """A flipped byte in an object is found."""
    path = next(p for p in (home.path / "objects").rglob("*") if p.is_file())
    path.chmod(0o644)
    path.write_bytes(b"x" + path.read_bytes()[1:])
    ran = run("log", "--home", home.path, "--verify", "--json")
    assert ran.code == 4 and path.name[:12] in ran.document["faults"]["objects"][0]
