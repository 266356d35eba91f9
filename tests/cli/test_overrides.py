"""What a person may do over the loop's head: by name, with a reason, in the ledger."""

from datetime import timedelta

import msgspec
import pytest

from plimsoll.kernel.chain import Entry
from plimsoll.kernel.lifecycle import State
from plimsoll.kernel.ports import Commit
from plimsoll.store import SqlCatalog

from .conftest import CAPABILITY, T0


def deployment(home):
    catalog = SqlCatalog(f"sqlite:///{home.path / 'catalog.db'}")
    try:
        return catalog.deployment(CAPABILITY)
    finally:
        catalog.close()


def test_a_pause_stands_until_it_is_resumed(run, home):
    """Pausing and resuming change the rollout, and both are lines of the ledger with their reason."""
    assert run("rollout", "pause", "--reason", "a sale", "--home", home.path).code == 0
    assert deployment(home).rollout.paused_by
    assert run("rollout", "resume", "--reason", "over", "--home", home.path).code == 0
    assert not deployment(home).rollout.paused_by
    lines = run("log", "--home", home.path, "--json").document["lines"]
    assert [line["kind"] for line in lines[-2:]] == ["paused", "resumed"] and "a sale" in lines[-2]["summary"]


def test_an_abort_withdraws_without_blame(run, home):
    """The candidate is withdrawn and not known bad."""
    document = run("rollout", "abort", "--reason", "superseded", "--home", home.path, "--json").document
    after = deployment(home)
    assert document["done"] == "withdrawn" and after.rollout is None
    assert after.states[home.releases["second"]] is State.WITHDRAWN and home.releases["second"] not in after.known_bad


def test_a_freeze_and_its_end_are_in_the_deployment(run, home):
    """Frozen by whom stands in status."""
    run("rollout", "freeze", "--reason", "holidays", "--home", home.path)
    assert deployment(home).frozen_by
    run("rollout", "unfreeze", "--reason", "back", "--home", home.path)
    assert not deployment(home).frozen_by


def test_a_rollback_without_a_predecessor_goes_to_the_fallback(run, home):
    """One pointer move; the ledger stays whole."""
    document = run("rollback", "--reason", "nonsense", "--home", home.path, "--json").document
    assert document["live"] == "fallback"
    assert run("log", "--home", home.path, "--verify").code == 0


def test_a_rollback_to_a_named_predecessor(run, home):
    """A label names it; it holds the lease afterwards."""
    catalog = SqlCatalog(f"sqlite:///{home.path / 'catalog.db'}")
    second = home.releases["second"]
    d = catalog.deployment(CAPABILITY)
    before = msgspec.structs.replace(
        d, rollout=None, predecessors=(second,), states={**d.states, second: State.SUPERSEDED}
    )
    entry = Entry(at=T0 + timedelta(days=4), capability=CAPABILITY, kind="live", subject=second, summary="…")
    catalog.commit(Commit(deployment=before, entries=(entry,)), None)
    catalog.close()
    assert run("rollback", "--to", "second", "--reason", "worse", "--home", home.path).code == 0
    assert deployment(home).live == second


@pytest.mark.parametrize("words", [("rollback", "--to", "third"), ("rollback", "--to", "fourth")])
def test_a_rollback_to_what_never_was_live_is_refused(run, home, words):
    """A release that never held a good lease, or that nobody knows, is wrong usage, and nothing moves."""
    ran = run(*words, "--reason", "x", "--home", home.path)
    assert ran.code == 2 and deployment(home).live == home.releases["first"]


def test_a_reason_is_required(run, home):
    """Nobody moves traffic without saying why."""
    ran = run("rollback", "--home", home.path)
    assert ran.code == 2 and "--reason" in ran.err


def test_an_override_makes_no_home(run, tmp_path):
    """Where nothing is, there is nothing to roll back."""
    assert run("rollback", "--reason", "x", "--home", tmp_path / "none").code == 2
    assert not (tmp_path / "none").exists()
