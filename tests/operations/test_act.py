"""Carrying a decision out: the deployment, its line and its incidents at once, and then people are told."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from plimsoll.errors import Conflict
from plimsoll.kernel.case import Decision
from plimsoll.kernel.chain import faults
from plimsoll.operations.act import carry_out
from plimsoll.operations.notify import QUEUED, Webhook

from .given import DAY, HOUR, T0, deploy, live


def act(place: Any, decision: Decision, *, at: Any = T0, notifier: Any = None) -> Any:
    return carry_out(decision, catalog=place.catalog, notifier=notifier or place.notes, fence=None, now=at)


def decided(place: Any, kind: str = "grace", **changes: Any) -> Decision:
    """About what is deployed now."""
    now = place.catalog.deployment("late")
    return Decision(kind=kind, subject="r1", summary=f"r1: {kind}", deployment=now, **changes)


@pytest.fixture(autouse=True)
def r1_is_live(place: Any) -> None:
    deploy(place.catalog, live("r1"))


def test_an_incident_is_opened_once_however_often_its_cause_is_seen(place: Any) -> None:
    """The second decision about the same release finds it open."""
    for at in (T0, T0 + HOUR):
        act(place, decided(place, opens=("evidence", "the feed is wrong")), at=at)
    (row,) = place.catalog.incidents("late")
    assert (row.kind, row.summary, row.opened_at) == ("evidence", "the feed is wrong", T0)
    assert place.catalog.deployment("late").incidents == {"r1": row.id}


def test_an_incident_is_closed_with_what_closed_it(place: Any) -> None:
    """It stays in the catalog, closed; the next one is another."""
    act(place, decided(place, opens=("evidence", "the feed is wrong")))
    act(place, decided(place, "recovered", closes=("r1", "somebody else")), at=T0 + DAY)
    (row,) = place.catalog.incidents("late")
    assert row.closed_at == T0 + DAY and row.details["closed_by"] == "r1: recovered"
    assert place.catalog.deployment("late").incidents == {}
    act(place, decided(place, opens=("evidence", "again")), at=T0 + 2 * DAY)
    assert [i.summary for i in place.catalog.incidents("late", open_only=True)] == ["again"]


def test_what_was_decided_on_an_old_reading_writes_nothing(place: Any) -> None:
    """Neither deployment nor line nor incident, and nobody is told."""
    old = decided(place, opens=("evidence", "x"), notify=True)
    act(place, decided(place, "look"))
    head = place.catalog.ledger_head()
    with pytest.raises(Conflict):
        act(place, old)
    assert place.catalog.ledger_head() == head and not place.catalog.incidents("late") and not place.notes.told


def test_a_line_is_never_older_than_what_the_loop_has_seen(place: Any) -> None:
    """The machine's clock went back by a week; the ledger's times do not."""
    seen = decided(place, "look")
    act(place, replace(seen, deployment=replace(seen.deployment, seen_until=T0 + 7 * DAY)), at=T0 + 7 * DAY)
    act(place, decided(place, opens=("evidence", "x")), at=T0)
    lines = list(place.catalog.ledger())
    assert [line.entry.at for line in lines[1:]] == [T0 + 7 * DAY, T0 + 7 * DAY]
    assert place.catalog.incidents("late")[0].opened_at == T0 + 7 * DAY and not list(faults(lines))


def test_a_webhook_is_told_of_a_rollback_and_of_an_incident(place: Any, webhook: Any) -> None:
    """In order, as JSON: what, in a sentence, about which capability and release."""
    hook = Webhook(webhook.url)
    act(place, decided(place, "rolled_back", notify=True), notifier=hook)
    act(place, decided(place, "look"), notifier=hook)
    act(place, decided(place, "grace", opens=("evidence", "x"), notify=True), notifier=hook)
    hook.close()
    first, second = webhook.heard.get_nowait(), webhook.heard.get_nowait()
    assert first == {
        "kind": "rolled_back",
        "summary": "r1: rolled_back",
        "details": {"capability": "late", "release": "r1"},
    }
    assert second["kind"] == "grace" and webhook.heard.empty() and hook.sent == 2


def test_a_webhook_that_fails_stops_nothing_and_is_counted(place: Any, webhook: Any) -> None:
    """Answers of 500, then nobody listening: each decision stands."""
    webhook.status = 500
    failing, nobody = Webhook(webhook.url), Webhook("http://127.0.0.1:9/hook", timeout_s=1)
    act(place, decided(place, "rolled_back", notify=True), notifier=failing)
    act(place, decided(place, "live", notify=True), notifier=nobody)
    failing.close()
    nobody.close()
    assert (failing.failed, nobody.failed) == (1, 1)
    assert [line.entry.kind for line in place.catalog.ledger()][1:] == ["rolled_back", "live"]


def test_a_webhook_that_hangs_makes_nobody_wait(webhook: Any) -> None:
    """What does not fit in the queue is dropped and counted; the caller goes on at once.

    The deadline is far off, so that one notification is under way for as long as this test looks; when the listener
    is gone the rest fails by itself.
    """
    import socket

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        hook = Webhook(f"http://127.0.0.1:{silent.getsockname()[1]}/", timeout_s=60.0)
        for i in range(QUEUED + 10):
            hook.notify("held", f"number {i}", {})
        assert hook.dropped >= 9 and hook.sent == 0
