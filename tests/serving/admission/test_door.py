"""A door believes what it has read of its headers for as long as that is true, and not a request longer."""

from __future__ import annotations

from datetime import timedelta

import pytest

from plimsoll import governance
from plimsoll.errors import UsageError
from plimsoll.serving.refusals import Unauthenticated

from .conftest import House, bearer

HOUR = timedelta(hours=1)


def test_every_request_through_it_has_a_ticket_of_its_own(house: House) -> None:
    """Each with its place among those that are inside, given back by itself."""
    issued, admission = house.issue("acme"), house.admission()
    door = admission.door(bearer(issued), "late")
    tickets = [door.admit() for _ in range(3)]
    assert {(ticket.tenant, ticket.principal) for ticket in tickets} == {("acme", f"key:{issued.row.id}")}
    assert admission.overload.inside == 3
    for ticket in tickets:
        ticket.done()
    assert admission.overload.inside == 0


def test_a_revoked_key_finds_it_shut_after_the_next_refresh(house: House) -> None:
    """Whatever came through it before."""
    issued, admission = house.issue(), house.admission()
    door = admission.door(bearer(issued), "late")
    door.admit()
    governance.revoke(house.catalog.access, issued.row.id, reason="x", actor="a", now=house.clocks.at)
    admission.refresh()
    with pytest.raises(Unauthenticated):
        door.admit()


def test_an_expired_key_finds_it_shut_at_once(house: House) -> None:
    """By the wall clock; a clock that is set right again opens it."""
    issued = house.issue(expires_at=house.clocks.at + HOUR)
    door = house.admission().door(bearer(issued), "late")
    door.admit()
    house.clocks.wall_s += 7200
    with pytest.raises(Unauthenticated):
        door.admit()
    house.clocks.wall_s -= 7200
    door.admit()


def test_a_timeout_begins_anew_with_each_request(house: House) -> None:
    """The header says how long, not until when."""
    headers = [*bearer(house.issue()), (b"x-request-timeout-ms", b"500")]
    door = house.admission().door(headers, "late")
    first = door.admit()
    house.clocks.passes(10)
    assert door.admit().deadline_s - first.deadline_s == pytest.approx(10.0)


def test_headers_that_cannot_be_read_are_told_at_each_request(house: House) -> None:
    """Making the door lets nobody in and raises nothing."""
    headers = [*bearer(house.issue()), (b"x-request-timeout-ms", b"soon")]
    door = house.admission().door(headers, "late")
    for _ in range(2):
        with pytest.raises(UsageError, match="x-request-timeout-ms"):
            door.admit()
