"""The door: who is it, may it, is there room."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta
from typing import Any

import pytest

from plimsoll import governance
from plimsoll.errors import PlimsollError, Refused, Unavailable, UsageError
from plimsoll.kernel.access import Scopes
from plimsoll.serving.admission import Admission
from plimsoll.serving.refusals import Limited, TooLate, Unauthenticated

from .conftest import House, bearer

HOUR = timedelta(hours=1)


def refused(admission: Admission, headers: Any, capability: str = "late", **options: Any) -> str:
    with pytest.raises(PlimsollError) as caught:
        admission.admit(headers, capability, **options)
    return type(caught.value).__name__


def test_a_key_says_who_asks_and_for_whom(house: House) -> None:
    """By either header; what is recorded is the key's id, never the credential."""
    issued = house.issue("acme")
    admission = house.admission()
    for headers in (bearer(issued), [(b"x-api-key", issued.credential.encode())]):
        ticket = admission.admit(headers, "late")
        assert (ticket.tenant, ticket.principal) == ("acme", f"key:{issued.row.id}")
        ticket.done()
    assert admission.overload.inside == 0


@pytest.mark.parametrize(
    "said", ["", "plm", "plm_a_b", "plm_{id}_x", "{id}_{secret}", "plm_{id}_{secret}x", "ä" * 9, "_" * 300]
)
def test_what_is_no_key_opens_nothing(house: House, said: str) -> None:
    """And is refused in the same words, whatever is wrong with it."""
    _, key, secret = house.issue().credential.split("_")
    with pytest.raises(Unauthenticated, match="opens nothing here"):
        house.admission().admit(bearer(said.format(id=key, secret=secret)), "late")


def test_no_credential_is_said_with_what_to_send(house: House) -> None:
    """Another scheme than Bearer is none."""
    for headers in ([], [(b"authorization", b"Basic YTpi")]):
        with pytest.raises(Unauthenticated, match="Bearer"):
            house.admission().admit(headers, "late")


def test_a_key_beside_another_scheme_opens_nothing_for_that_scheme(house: House) -> None:
    """What is kept of a verified request is kept for its credential, not for whatever stood beside it."""
    key = house.issue().credential.encode()
    admission = house.admission()
    basic = (b"authorization", b"Basic YTpi")
    for _ in range(2):
        admission.admit([basic, (b"x-api-key", key)], "late")
        assert refused(admission, [basic]) == "Unauthenticated"
        assert refused(admission, [basic, (b"x-api-key", b"plm_x_y")]) == "Unauthenticated"


def test_scopes_bound_what_a_key_may(house: House) -> None:
    """Actions and capabilities; what concerns none in particular needs the scope of all."""
    narrow = house.issue(scopes=Scopes(actions=("ask",), capabilities=("late",)))
    admission = house.admission()
    admission.admit(bearer(narrow), "late")
    assert refused(admission, bearer(narrow), "other") == "Refused"
    assert refused(admission, bearer(narrow), action="tell") == "Refused"
    assert refused(admission, bearer(narrow), "") == "Refused"


def test_a_revoked_key_opens_nothing_after_the_next_refresh(house: House) -> None:
    """Also where it was verified before; other keys go on."""
    gone, stays = house.issue(), house.issue()
    admission = house.admission()
    for issued in (gone, stays):
        admission.admit(bearer(issued), "late")
    governance.revoke(house.catalog.access, gone.row.id, reason="x", actor="a", now=house.clocks.at)
    admission.refresh()
    assert refused(admission, bearer(gone)) == "Unauthenticated"
    admission.admit(bearer(stays), "late")


def test_while_a_key_is_rotated_both_secrets_open(house: House) -> None:
    """Until the overlap ends, to the moment."""
    old = house.issue()
    admission = house.admission()
    new = governance.rotate(
        house.catalog.access, house.pepper, old.row.id, overlap=HOUR, actor="a", now=house.clocks.at
    )
    admission.refresh()
    for issued in (old, new):
        admission.admit(bearer(issued), "late")
    house.clocks.passes(3599)
    admission.admit(bearer(old), "late")
    house.clocks.passes(1)
    assert refused(admission, bearer(old)) == "Unauthenticated"
    admission.admit(bearer(new), "late")


def test_an_expiry_is_by_the_wall_clock_and_follows_its_jumps(house: House) -> None:
    """A clock that was wrong and is set right again locks nobody out."""
    issued = house.issue(expires_at=house.clocks.at + HOUR)
    admission = house.admission()
    admission.admit(bearer(issued), "late")
    house.clocks.wall_s += 7200
    assert refused(admission, bearer(issued)) == "Unauthenticated"
    house.clocks.wall_s -= 7200
    admission.admit(bearer(issued), "late")


def test_known_keys_open_while_the_catalog_is_away_and_not_for_ever(house: House, tmp_path: Any) -> None:
    """A revocation could not be heard of; when it is back, everything is as it was."""
    issued = house.issue()
    admission = house.admission(trust_s=60)
    real, house.catalog.access.version = house.catalog.access.version, away  # type: ignore[method-assign]
    house.clocks.passes(59)
    admission.refresh()
    admission.admit(bearer(issued), "late")
    house.clocks.passes(2)
    admission.refresh()
    assert refused(admission, bearer(issued)) == "Unavailable"
    house.catalog.access.version = real  # type: ignore[method-assign]
    admission.refresh()
    admission.admit(bearer(issued), "late")


def away() -> int:
    raise Unavailable("the catalog is away")


def test_another_pepper_is_named_in_the_log(house: House, tmp_path: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The caller learns nothing; the operator learns which file."""
    issued = house.issue()
    house.path.unlink()
    house.pepper.kept(house.path)
    with caplog.at_level(logging.ERROR):
        assert refused(house.admission(), bearer(issued)) == "Unauthenticated"
    assert "another pepper" in caplog.text and str(house.path) in caplog.text


def test_no_log_line_has_a_credential(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """At no level, right or wrong."""
    issued = house.issue()
    admission = house.admission()
    with caplog.at_level(logging.DEBUG):
        admission.admit(bearer(issued), "late").done()
        refused(admission, bearer(issued.credential + "x"))
        admission.close()
    assert issued.credential.split("_")[2] not in caplog.text


def test_when_a_key_was_used_is_kept_to_the_hour(house: House) -> None:
    """Once an hour, not once a request; an unused key has none."""
    used, unused = house.issue(), house.issue()
    admission = house.admission()
    house.clocks.passes(61 * 30)
    admission.admit(bearer(used), "late")
    admission.close()
    last = {row.id: row.last_used_at for row in house.catalog.access_keys()}
    assert last == {used.row.id: house.clocks.at.replace(minute=0, second=0, microsecond=0), unused.row.id: None}


def test_without_access_control_everybody_asks_and_nobody_operates(house: House) -> None:
    """Control is for this machine alone."""
    admission = house.admission(required=False)
    ticket = admission.admit([], "late")
    assert (ticket.tenant, ticket.principal) == ("", "")
    assert refused(admission, [], action="operate") == "Refused"
    admission.control([(b"host", b"localhost:8080")], "127.0.0.1").done()
    with pytest.raises(Refused, match="loopback only"):
        admission.control([], "10.0.0.7")


def test_with_access_control_operating_needs_its_scope(house: House) -> None:
    """From anywhere with it, from nowhere without."""
    operator, caller = house.issue(scopes=Scopes(actions=("operate",))), house.issue()
    admission = house.admission()
    assert admission.control(bearer(operator), "10.0.0.7").principal == f"key:{operator.row.id}"
    with pytest.raises(Refused, match="may not operate"):
        admission.control(bearer(caller), "127.0.0.1")
    with pytest.raises(Unauthenticated):
        admission.control([], "127.0.0.1")


def test_a_priority_is_capped_by_the_key(house: House) -> None:
    """RFC 9218's urgencies and our two words; what is neither is ignored."""
    people, nightly = house.issue(), house.issue(priority="batch")
    admission = house.admission()

    def of(issued: Any, said: str) -> int:
        return admission.admit(bearer(issued, priority=said), "late").priority

    assert [of(people, said) for said in ("interactive", "u=3, i", "u=0", "nonsense", "ub=7")] == [0] * 5
    assert [of(people, said) for said in ("batch", "u=4", "i, u=7", "u=5;x=1, i")] == [-1] * 4
    assert [of(nightly, said) for said in ("interactive", "u=0")] == [-1] * 2


def test_a_deadline_comes_from_a_header_or_from_the_edge(house: House) -> None:
    """The earlier one counts; one that is no number is the caller's mistake."""
    admission, issued = house.admission(), house.issue()
    admission.refresh()
    now = house.clocks.monotonic()
    assert admission.admit(bearer(issued, x_request_timeout_ms="250"), "late").deadline_s == now + 0.25
    assert admission.admit(bearer(issued, x_request_timeout_ms="250"), "late", timeout_s=0.1).deadline_s == now + 0.1
    assert admission.admit(bearer(issued), "late").deadline_s == 0.0
    for wrong in ("0", "-1", "soon", "nan"):
        with pytest.raises(UsageError, match="x-request-timeout-ms"):
            admission.admit(bearer(issued, x_request_timeout_ms=wrong), "late")
    with pytest.raises(TooLate):
        admission.overload.enter("interactive", now, now)


def test_tenants_have_limits_of_their_own(house: House) -> None:
    """One that is at its limit takes nothing from the others; it is told when the next one fits."""
    loud, quiet = house.issue("loud"), house.issue("quiet")
    admission = house.admission(requests_per_s=10, burst=5)
    for _ in range(5):
        admission.admit(bearer(loud), "late").done()
    with pytest.raises(Limited, match="tenant loud may send 10 questions a second") as caught:
        admission.admit(bearer(loud), "late")
    assert caught.value.retry_after_s == pytest.approx(0.1)
    admission.admit(bearer(quiet), "late").done()
    admission.admit(bearer(loud), "other").done()
    house.clocks.passes(0.1)
    admission.admit(bearer(loud), "late").done()
    assert admission.overload.inside == 0


def test_a_request_takes_as_much_as_it_asks(house: House) -> None:
    """Its body says how many questions it has, after it was let in; what it may not have is given back to nobody."""
    issued = house.issue("shop")
    admission = house.admission(requests_per_s=10, burst=5)
    admission.admit(bearer(issued), "late").more(3)
    with pytest.raises(Limited, match="10 questions a second"):
        admission.admit(bearer(issued), "late").more(1)
    house.clocks.passes(1.0)
    with pytest.raises(UsageError, match="5 questions at once, and this request has 6"):
        admission.admit(bearer(issued), "late").more(5)


def test_keys_of_one_tenant_share_its_limit(house: House) -> None:
    """More keys are no more room."""
    one, other = house.issue("shop"), house.issue("shop")
    admission = house.admission(requests_per_s=1, burst=2)
    for issued in (one, other):
        admission.admit(bearer(issued), "late")
    assert refused(admission, bearer(one)) == refused(admission, bearer(other)) == "Limited"


def test_so_many_at_a_time_until_one_is_done(house: House) -> None:
    """Done twice is done once; a refusal holds no place."""
    issued = house.issue()
    admission = house.admission(concurrent=2)
    tickets = [admission.admit(bearer(issued), "late") for _ in range(2)]
    assert refused(admission, bearer(issued)) == "Limited"
    tickets[0].done()
    tickets[0].done()
    admission.admit(bearer(issued), "late")
    assert refused(admission, bearer(issued)) == "Limited" and admission.overload.inside == 2


def test_the_first_rule_that_fits_counts(house: House) -> None:
    """For its tenant and capability, alone."""
    admission = house.admission(
        requests_per_s=1, rules=[{"tenant": "shop", "capability": "late", "concurrent": 1}, {"tenant": "shop"}]
    )
    issued, other = house.issue("shop"), house.issue("other")
    admission.refresh()
    admission.admit(bearer(issued), "late")
    assert refused(admission, bearer(issued), "late") == "Limited"
    for _ in range(5):
        admission.admit(bearer(issued), "free")
    admission.admit(bearer(other), "late")
    assert refused(admission, bearer(other), "late") == "Limited"


def test_many_questions_count_as_many(house: House) -> None:
    """A request that is larger than the burst would never fit, and is told so."""
    issued = house.issue()
    admission = house.admission(requests_per_s=10, burst=10)
    admission.admit(bearer(issued), "late", questions=8)
    assert refused(admission, bearer(issued), questions=3) == "Limited"
    assert refused(admission, bearer(issued), questions=11) == "UsageError"


def test_lanes_are_bounded_and_forget_only_the_idle(house: House) -> None:
    """Whoever is at its limit stays there."""
    from plimsoll.sections import Limits
    from plimsoll.serving.admission import Lanes
    from plimsoll.serving.admission.tenant import _verified

    lanes = Lanes(Limits(requests_per_s=1, burst=1), capacity=3, now=house.clocks.monotonic)
    busy = lanes.of(_verified("busy"), "late")
    assert busy is not None
    busy.enter(1, house.clocks.monotonic())
    for n in range(20):
        lanes.of(_verified(f"t{n}"), "late")
    assert lanes.of(_verified("busy"), "late") is busy and lanes.forgotten > 0


def test_threads_never_take_more_than_there_is(house: House) -> None:
    """gRPC admits from several at once."""
    issued = house.issue()
    admission = house.admission(requests_per_s=1, burst=100, concurrent=1000)
    let_in: list[int] = []

    def ask() -> None:
        for _ in range(60):
            try:
                admission.admit(bearer(issued), "late").done()
            except Limited:
                continue
            let_in.append(1)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(let_in) == 100 and admission.overload.inside == 0
