"""One suite over SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from plimsoll.errors import Conflict, UsageError
from plimsoll.kernel.chain import GENESIS, Entry, faults
from plimsoll.kernel.lease import Lease
from plimsoll.kernel.lifecycle import State
from plimsoll.kernel.ports import Commit, IncidentRow, ReleaseRow, RunRow
from plimsoll.kernel.requirement import no_worse
from plimsoll.kernel.rollout import Deployment, Rollout, Shadow
from plimsoll.store import SqlCatalog

MakeRelease = Callable[..., ReleaseRow]
MakeEntry = Callable[..., Entry]
MINUTE = timedelta(minutes=1)
NOON = datetime(2013, 2, 1, 12, tzinfo=UTC)


def test_a_release_comes_back_as_it_was_kept(catalog: SqlCatalog, release: MakeRelease) -> None:
    """Manifest, label and time survive the round trip."""
    row = release()
    assert catalog.add_release(row)
    assert catalog.release("late", row.digest) == row


def test_an_identical_manifest_changes_nothing(catalog: SqlCatalog, release: MakeRelease) -> None:
    """The second release of the same manifest is refused quietly, and not even its label is taken."""
    catalog.add_release(release("first"))
    assert not catalog.add_release(release("second"))
    assert [row.label for row in catalog.releases("late")] == ["first"]


def test_a_release_is_found_by_prefix_and_by_label(catalog: SqlCatalog, release: MakeRelease) -> None:
    """A label names its newest release."""
    old, new = release("weekly", 1), release("weekly", 2)
    catalog.add_release(old)
    catalog.add_release(new)
    assert catalog.release("late", old.digest[:6]) == old
    assert catalog.release("late", "weekly") == new


def test_an_unknown_release_names_the_nearest(catalog: SqlCatalog, release: MakeRelease) -> None:
    """The error says what was probably meant, also where the name holds SQL's wildcards."""
    catalog.add_release(release("weekly"))
    with pytest.raises(UsageError, match=r"no release 'weekyl'[\s\S]*did you mean 'weekly'"):
        catalog.release("late", "weekyl")
    with pytest.raises(UsageError):
        catalog.release("late", "%%%%")


def test_an_ambiguous_prefix_is_refused(catalog: SqlCatalog, release: MakeRelease) -> None:
    """A prefix that two releases share names neither."""
    rows = [release(f"r{seed}", seed) for seed in range(2, 600)]
    prefixes = [row.digest[:4] for row in rows]
    twins = next(p for p in prefixes if prefixes.count(p) > 1)
    for row in rows:
        if row.digest.startswith(twins):
            catalog.add_release(row)
    with pytest.raises(UsageError, match="could be any of 2"):
        catalog.release("late", twins)


def test_a_gate_verdict_is_kept_with_its_release(catalog: SqlCatalog, release: MakeRelease) -> None:
    """The manifest's digest does not change with it."""
    row = release()
    catalog.add_release(row)
    catalog.set_gate(row.digest, {"outcome": "pass", "n": 14}, "f" * 64)
    found = catalog.release("late", row.digest)
    assert found.gate == {"outcome": "pass", "n": 14} and found.report == "f" * 64
    with pytest.raises(UsageError, match="no release"):
        catalog.set_gate("0" * 64, {}, "")


def test_capabilities_are_those_with_a_release_or_a_deployment(catalog: SqlCatalog, release: MakeRelease) -> None:
    """Each once."""
    catalog.add_release(release(capability="late"))
    catalog.add_release(release(capability="cancelled", seed=2))
    catalog.commit(Commit(deployment=Deployment(capability="late"), entries=()), None)
    assert catalog.capabilities() == ["cancelled", "late"]


def test_snapshots_are_versions(catalog: SqlCatalog) -> None:
    """Found by version, by digest, as of a time, or the newest."""
    first = catalog.add_snapshot("flights", ["a"], 10, at=NOON, note={"by": "t"}, expected_version=0)
    second = catalog.add_snapshot("flights", ["a", "b"], 20, at=NOON + MINUTE, note={}, expected_version=1)
    assert catalog.snapshot("flights") == second
    assert catalog.snapshot("flights", version=1) == first
    assert catalog.snapshot("flights", digest=first.digest) == first
    assert catalog.snapshot("flights", at=NOON) == first
    assert catalog.snapshot("flights", at=NOON - MINUTE) is None
    assert catalog.snapshots() == catalog.snapshots("flights") == [first, second]


def test_a_snapshot_on_an_old_version_conflicts(catalog: SqlCatalog) -> None:
    """Nobody's rows are lost: the slower one has to read again."""
    catalog.add_snapshot("flights", ["a"], 10, at=NOON, note={}, expected_version=0)
    with pytest.raises(Conflict, match="at version 1, not 0"):
        catalog.add_snapshot("flights", ["b"], 10, at=NOON, note={}, expected_version=0)


def test_the_first_run_of_a_key_stays(catalog: SqlCatalog) -> None:
    """A second one is the same by definition."""
    run = RunRow(key="k", step="train", inputs={"a": 1}, outputs={"model": "m"}, finished_at=NOON)
    catalog.add_run(run)
    catalog.add_run(msgspec.structs.replace(run, outputs={"model": "other"}))
    assert catalog.find_run("k") == run
    assert catalog.find_run("unknown") is None


def deployed() -> Deployment:
    rollout = Rollout(
        release="r2",
        champion="r1",
        plan=(Shadow(blocks=3, requires=(no_worse("log_loss", margin=0.01, than="champion"),)),),
        stage=0,
        state=State.SHADOW,
        started_at=NOON,
        since=NOON,
        evidence_since=NOON,
    )
    lease = Lease(release="r1", granted_at=NOON, keep=(), carry={"x": (0.1, 2.0)})
    return Deployment(
        capability="late", rollout=rollout, lease=lease, states={"r1": State.LIVE}, known_bad={"r0": "slow"}
    )


def test_a_commit_keeps_deployment_ledger_and_incidents(catalog: SqlCatalog, entry: MakeEntry) -> None:
    """All three come back as they were written."""
    incident = IncidentRow(id="i1", capability="late", kind="skew", summary="feed", opened_at=NOON)
    after = catalog.commit(Commit(deployment=deployed(), entries=(entry(),), incidents=(incident,)), None)
    assert after == msgspec.structs.replace(deployed(), version=1)
    assert catalog.deployment("late") == after
    assert catalog.incidents("late", open_only=True) == [incident]
    assert [line.entry.summary for line in catalog.ledger()] == ["said"]


def test_a_commit_on_an_old_version_writes_nothing(catalog: SqlCatalog, entry: MakeEntry) -> None:
    """Not its ledger lines, not its incidents."""
    catalog.commit(Commit(deployment=deployed(), entries=(entry("won"),)), None)
    incident = IncidentRow(id="i1", capability="late", kind="k", summary="s", opened_at=NOON)
    with pytest.raises(Conflict, match="at version 1, not 0"):
        catalog.commit(Commit(deployment=deployed(), entries=(entry("lost"),), incidents=(incident,)), None)
    assert [line.entry.summary for line in catalog.ledger()] == ["won"]
    assert catalog.incidents("late") == []


def test_a_commit_that_could_not_be_read_again_is_refused(catalog: SqlCatalog) -> None:
    """JSON has no infinity: it is found before it is written, not after."""
    broken = msgspec.structs.replace(
        deployed(), lease=Lease(release="r", granted_at=NOON, keep=(), carry={"x": (float("inf"),)})
    )
    with pytest.raises(UsageError, match="cannot be kept"):
        catalog.commit(Commit(deployment=broken, entries=()), None)
    assert catalog.deployment("late") == Deployment(capability="late")


def test_an_incident_is_replaced_by_its_id(catalog: SqlCatalog) -> None:
    """Closing one is writing it again."""
    incident = IncidentRow(id="i1", capability="late", kind="k", summary="s", opened_at=NOON, details={"n": 1})
    closed = msgspec.structs.replace(incident, closed_at=NOON + MINUTE)
    first = catalog.commit(Commit(deployment=deployed(), entries=(), incidents=(incident,)), None)
    catalog.commit(Commit(deployment=first, entries=(), incidents=(closed,)), None)
    assert catalog.incidents("late") == [closed]
    assert catalog.incidents("late", open_only=True) == []


def test_the_ledger_is_a_chain(catalog: SqlCatalog, entry: MakeEntry) -> None:
    """What append returns is what the ledger holds, and nothing is wrong with it."""
    assert catalog.ledger_head() == (0, GENESIS)
    written = [*catalog.append([entry("a"), entry("b")]), *catalog.append([entry("c")])]
    assert list(catalog.ledger()) == written
    assert list(faults(written)) == []
    assert catalog.ledger_head() == (3, written[-1].digest)


def test_the_ledger_can_be_read_in_part(catalog: SqlCatalog, entry: MakeEntry) -> None:
    """From a line on, up to a time, of one capability."""
    catalog.append([entry("a"), entry("b", NOON + MINUTE), entry("c", NOON, "other")])
    assert [line.entry.summary for line in catalog.ledger(after=1)] == ["b", "c"]
    assert [line.entry.summary for line in catalog.ledger(until=NOON)] == ["a", "c"]
    assert [line.entry.summary for line in catalog.ledger(capability="late")] == ["a", "b"]


def test_the_ledger_can_be_read_of_one_subject(catalog: SqlCatalog, entry: MakeEntry) -> None:
    """Every line about a release, and no other."""
    about = [msgspec.structs.replace(entry(summary), subject=subject) for summary, subject in ("ar", "bs", "cr")]
    catalog.append(about)
    assert [line.entry.summary for line in catalog.ledger(subject="r")] == ["a", "c"]
    assert [line.entry.summary for line in catalog.ledger(subject="r", after=1)] == ["c"]


def test_the_ledger_can_be_read_backwards(catalog: SqlCatalog, entry: MakeEntry) -> None:
    """The same lines, the newest first, over several pages."""
    catalog.append([entry(f"line {n}", capability="late" if n % 2 else "other") for n in range(450)])
    newest_first = list(catalog.ledger(capability="late", after=7, newest_first=True))
    assert newest_first[::-1] == list(catalog.ledger(capability="late", after=7))


def test_the_ledger_can_be_read_without_bodies(catalog: SqlCatalog, entry: MakeEntry) -> None:
    """All else is as it was written."""
    (written,) = catalog.append([entry()])
    (line,) = catalog.ledger(bodies=False)
    assert line == msgspec.structs.replace(written, entry=msgspec.structs.replace(written.entry, body={}))


def test_a_long_ledger_is_read_over_its_pages(catalog: SqlCatalog, entry: MakeEntry) -> None:
    """No line is lost or doubled between two pages."""
    catalog.append([entry(f"line {n}") for n in range(450)])
    assert [line.seq for line in catalog.ledger()] == list(range(1, 451))


def test_an_entry_without_a_canonical_form_is_refused(catalog: SqlCatalog) -> None:
    """A NaN in the evidence is the caller's mistake, and is told so."""
    bad = Entry(at=NOON, capability="c", kind="gate", subject="", summary="", body={"x": float("nan")})
    with pytest.raises(UsageError, match="cannot be kept"):
        catalog.append([bad])


def test_a_lease_is_held_by_one(catalog: SqlCatalog) -> None:
    """Renewed by its holder, refused to others, and taken over with a higher token when it has expired."""
    mine = catalog.acquire("loop", "a", MINUTE, NOON)
    assert mine is not None
    assert catalog.acquire("loop", "b", MINUTE, NOON) is None
    assert catalog.acquire("loop", "a", MINUTE, NOON + MINUTE / 2) == mine
    theirs = catalog.acquire("loop", "b", MINUTE, NOON + 2 * MINUTE)
    assert theirs is not None and theirs.token > mine.token


def test_an_expired_lease_comes_back_with_a_new_token(catalog: SqlCatalog) -> None:
    """Even to the same name: it may be another process."""
    first = catalog.acquire("loop", "a", MINUTE, NOON)
    again = catalog.acquire("loop", "a", MINUTE, NOON + 2 * MINUTE)
    assert first and again and again.token > first.token


def test_a_late_write_is_fenced_off(catalog: SqlCatalog, entry: MakeEntry) -> None:
    """Who lost the lease cannot write any more, whoever holds it now."""
    old = catalog.acquire("loop", "a", MINUTE, NOON)
    new = catalog.acquire("loop", "b", MINUTE, NOON + 2 * MINUTE)
    with pytest.raises(Conflict, match="no longer holds the lease"):
        catalog.commit(Commit(deployment=deployed(), entries=(entry(),)), old)
    assert catalog.ledger_head()[0] == 0
    assert catalog.commit(Commit(deployment=deployed(), entries=(entry(),)), new).version == 1


def test_a_lease_given_back_is_free_at_once(catalog: SqlCatalog) -> None:
    """And its old fence is worth nothing."""
    old = catalog.acquire("loop", "a", MINUTE, NOON)
    assert old is not None
    catalog.release_lease(old)
    with pytest.raises(Conflict):
        catalog.commit(Commit(deployment=deployed(), entries=()), old)
    new = catalog.acquire("loop", "b", MINUTE, NOON)
    assert new is not None and new.token > old.token


def test_a_time_without_a_zone_is_refused(catalog: SqlCatalog) -> None:
    """Nobody knows when it is."""
    with pytest.raises(UsageError, match="no time zone"):
        catalog.add_snapshot("d", [], 0, at=NOON.replace(tzinfo=None), note={}, expected_version=0)
