from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from plimsoll.capability import Capability, MulticlassClassification, Regression
from plimsoll.errors import Unavailable, UsageError
from plimsoll.kernel.records import Outcome
from plimsoll.serving import Counts, OutcomeInbox, QuestionMaker, SeededIds
from plimsoll.serving.outcomes import Report, label_of

from .conftest import T0, live, make_yard, parcel, toy
from .running import Running, running, two_parcels

LATER = T0 + timedelta(hours=2)


@pytest.fixture
def answered(yard: Any) -> list[str]:
    """Twenty events: ten of one hour, ten of three hours later."""
    row = yard.release()
    yard.fleet.ensure([row])
    make = QuestionMaker(yard.capability, ids=SeededIds(7))
    asked = [make(parcel(i), T0 + timedelta(hours=i // 10 * 3)) for i in range(20)]
    return [event.id for event in yard.pipeline().answer(asked, live(row.digest))]


class Inbox:
    """An inbox of one capability, or of several; what became of the reports, all together."""

    def __init__(self, yard: Any, *beside: Capability, **options: Any) -> None:
        toy = yard.capability.variant(maturity=timedelta(hours=36))
        self.box = OutcomeInbox(yard.log, [toy, *beside], **options)

    def tell(self, reports: Sequence[Report], now: datetime) -> Counts:
        return self.box.tell(reports, now).all

    def catch_up(self) -> int:
        return self.box.catch_up()


inbox = Inbox


def kept(yard: Any) -> list[Outcome]:
    return [r for r in yard.log.read()[0] if isinstance(r, Outcome)]


def test_the_first_outcome_counts(yard: Any, answered: list[str]) -> None:
    """Said again it is a duplicate, said otherwise conflicting; all are kept."""
    box = inbox(yard)
    first, second = answered[:2]
    assert box.tell([Report(first, 1.0), Report(second, False)], LATER) == Counts(accepted=2)
    assert box.tell([Report(first, True), Report(second, True)], LATER) == Counts(duplicate=1, conflicting=1)
    assert [o.label for o in kept(yard)] == [1.0, 0.0, 1.0, 1.0]


def test_an_outcome_may_carry_further_numbers(yard: Any, answered: list[str]) -> None:
    """Under names that metrics read; one that is no number, or has no such name, keeps everything out."""
    inbox(yard).tell([Report(answered[0], 1.0, values={"paid_usd": 34.5})], LATER)
    assert [o.values for o in kept(yard)] == [{"paid_usd": 34.5}]
    for wrong in ({"paid usd": 1.0}, {"paid": float("nan")}, {f"v{i}": 1.0 for i in range(33)}):
        with pytest.raises(UsageError, match="value"):
            inbox(yard).tell([Report(answered[1], 1.0, values=wrong)], LATER)
    assert len(kept(yard)) == 1


def test_one_request_may_repeat_itself(yard: Any, answered: list[str]) -> None:
    """The same event twice in one list counts once."""
    assert inbox(yard).tell([Report(answered[0], 1.0)] * 3, LATER) == Counts(accepted=1, duplicate=2)


def test_unknown_events_are_kept_and_counted(yard: Any, answered: list[str]) -> None:
    """An id of nobody's is no error: the log keeps what was said."""
    made_up = SeededIds(8)("p1", T0)
    assert inbox(yard).tell([Report(made_up, 1.0), Report("what?", 0.0)], LATER) == Counts(unknown=2)
    assert len(kept(yard)) == 2


def test_after_the_maturity_window_it_is_late(yard: Any, answered: list[str]) -> None:
    """What counts is when it became known, not when it was told."""
    box = inbox(yard)
    much_later = T0 + timedelta(days=5)
    assert box.tell([Report(answered[0], 1.0)], much_later) == Counts(late=1)
    assert box.tell([Report(answered[1], 1.0, at=LATER)], much_later) == Counts(accepted=1)


def test_a_restart_forgets_nothing(yard: Any, answered: list[str]) -> None:
    """The index is rebuilt from the log."""
    inbox(yard).tell([Report(e, 1.0) for e in answered[:5]], LATER)
    assert inbox(yard).tell([Report(e, 1.0) for e in answered[:6]], LATER) == Counts(duplicate=5, accepted=1)


def test_what_another_process_was_told_is_known(yard: Any, answered: list[str]) -> None:
    """Two inboxes on one log agree, because both follow it."""
    one, other = inbox(yard), inbox(yard)
    one.tell([Report(answered[0], 1.0)], LATER)
    assert other.tell([Report(answered[0], 1.0)], LATER) == Counts(duplicate=1)
    assert one.tell([Report(answered[0], 0.0)], LATER) == Counts(conflicting=1)


def test_ids_beyond_the_capacity_are_looked_up(yard: Any, answered: list[str]) -> None:
    """Memory is bounded; an id that was dropped is found in the log, with what was said about it."""
    box = inbox(yard, capacity=10)
    box.tell([Report(answered[0], 1.0)], LATER)
    assert box.tell([Report(answered[0], 1.0), Report(answered[1], 1.0)], LATER) == Counts(duplicate=1, accepted=1)
    assert box.tell([Report(answered[1], 1.0), Report(SeededIds(8)("p1", T0), 1.0)], LATER) == Counts(
        duplicate=1, unknown=1
    )


def test_nothing_counts_that_could_not_be_kept(yard: Any, answered: list[str]) -> None:
    """A log that is away leaves the index as it was."""
    box = inbox(yard)
    box.catch_up()
    yard.log.close()
    with pytest.raises(Unavailable):
        box.tell([Report(answered[0], 1.0)], LATER)


def test_labels_are_what_the_task_says() -> None:
    """A class may be named; anything else is refused in words."""
    colours = MulticlassClassification(label="colour", classes=["red", "green", "blue"])
    assert [label_of(v, colours) for v in ("green", 2, 0.0)] == [1.0, 2.0, 0.0]
    assert label_of(-3.5, Regression(label="delay")) == -3.5
    assert label_of(True, toy().task) == 1.0
    for wrong in ("gren", 3, 0.5, float("nan")):
        with pytest.raises(UsageError, match="label"):
            label_of(wrong, colours)
    with pytest.raises(UsageError, match="finite"):
        label_of(float("inf"), Regression(label="delay"))


@pytest.fixture(scope="module")
def up(tmp_path_factory: Any) -> Iterator[Running]:
    yard = make_yard(tmp_path_factory.mktemp("outcomes"), toy())
    row = yard.release()
    with running(yard, live(row.digest), rows=[row]) as made:
        yield made
    yard.log.close()


def event_ids(up: Running) -> list[str]:
    outputs = up.infer(*two_parcels())[1]["outputs"]
    return next(list(o["data"]) for o in outputs if o["name"] == "event_id")


def test_outcomes_are_posted_one_or_many(up: Running) -> None:
    """A single object or a list; the answer says what each was."""
    one, other = event_ids(up)
    status, said = up.call("POST", "/v1/outcomes", {"event_id": one, "label": True})
    assert (status, said["accepted"]) == (200, 1)
    many = [{"event_id": one, "label": 1}, {"event_id": other, "label": 0, "at": "2026-03-01T12:00:00Z"}]
    assert up.call("POST", "/v1/outcomes", many)[1] == {
        "accepted": 1,
        "duplicate": 1,
        "conflicting": 0,
        "unknown": 0,
        "late": 0,
    }


@pytest.mark.parametrize(
    "body", [{}, {"event_id": 3, "label": 1}, [{"event_id": "x"}], {"event_id": "x", "label": 1, "lable": 2}]
)
def test_a_malformed_outcome_is_refused(up: Running, body: Any) -> None:
    """400 and the place in the body; nothing of it is kept."""
    status, said = up.call("POST", "/v1/outcomes", body)
    assert (status, list(said)) == (400, ["error"])


def test_a_label_of_another_task_is_refused(up: Running) -> None:
    """A binary label is 0 or 1."""
    status, said = up.call("POST", "/v1/outcomes", {"event_id": event_ids(up)[0], "label": 2})
    assert (status, "label" in said["error"]) == (400, True)


def test_a_time_beyond_the_calendar_is_refused(up: Running) -> None:
    """The first hours of year 1 east of Greenwich have no UTC, and could not be recorded."""
    event = up.call("POST", "/v1/capabilities/parcel-late/ask", {"inputs": parcel(1)})[1]["event_id"]
    report = {"event_id": event, "label": True, "at": "0001-01-01T00:00:00+14:00"}
    status, said = up.call("POST", "/v1/outcomes", report)
    assert (status, "beyond the calendar" in said["error"]) == (400, True)
