"""Sufficient statistics of the log: when blocks close, what is in them, and what they may not forget."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.kernel.columns import in_columns
from plimsoll.kernel.records import FALLBACK, Event, Record
from plimsoll.kernel.requirement import at_most, no_worse
from plimsoll.operations.tally import Tally

from .given import DAY, HOUR, T0, a_day, asked, days, knows, told

SAYS = knows("r1")
NO_WORSE = no_worse("log_loss", margin=0.1, than="champion")


def tally(**options: Any) -> Tally:
    return Tally(task="binary", maturity=36 * HOUR, limits_ms=[50], **options)


def test_a_block_closes_when_a_later_one_has_begun_and_all_its_outcomes_are_there() -> None:
    """The running day stays open, however fully it is labelled."""
    t = tally()
    t.read(in_columns(days(2, SAYS)))
    assert t.close(T0 + 2 * DAY) == ["2025-03-01"]
    t.read(in_columns(a_day(2, SAYS)))
    assert t.close(T0 + 3 * DAY) == ["2025-03-02"]


def test_an_outcome_that_is_missing_keeps_its_block_open_until_it_can_no_longer_come() -> None:
    """The fast half of a day is not the day: after the maturity the rest counts as never, and is counted."""
    t = tally()
    t.read(in_columns(a_day(0, SAYS, labelled=0.5)))
    t.read(in_columns(a_day(1, SAYS)))
    assert t.close(T0 + 2 * DAY) == []
    assert t.close(T0 + DAY - HOUR + 36 * HOUR) == ["2025-03-01"]
    assert t.closed[0].missing_share == 0.5


def test_blocks_close_in_their_order() -> None:
    """A later block that is ready waits for the earlier one: nobody judges the days that happened to be easy."""
    t = tally()
    t.read(in_columns(a_day(0, SAYS, labelled=0.9) + a_day(1, SAYS) + a_day(2, SAYS)))
    assert t.close(T0 + 2 * DAY) == []
    assert t.close(T0 + 3 * DAY) == ["2025-03-01", "2025-03-02"]
    assert all(a.first_at < b.first_at for a, b in pairwise(t.closed))


def test_the_last_block_closes_by_itself_after_a_silent_day() -> None:
    """Where nobody asks any more there is no later block to wait for."""
    t = tally()
    t.read(in_columns(a_day(0, SAYS)))
    last = T0 + DAY - HOUR
    assert t.close(last + DAY) == [] and t.close(last + 25 * HOUR) == ["2025-03-01"]


def test_everything_is_counted_by_release_and_hour() -> None:
    """Errors and slow answers per hour, from the served answer and from those beside it."""
    t = tally()
    t.read(
        in_columns(asked("e1", T0, {"r1": None, FALLBACK: 0.5}) + asked("e2", T0 + HOUR, {"r1": 0.9, FALLBACK: 0.5}))
    )
    errors = t.counts(at_most("error_rate", 0.1), "r1", after="", until="9")
    assert [(c.name, c.hits, c.n) for c in errors] == [("2025-03-01T00", 1, 1), ("2025-03-01T01", 0, 1)]
    assert t.served == {"fallback": 2} and t.events == 2
    assert [c.hits for c in t.counts(at_most("fallback_rate", 0.1), FALLBACK, after="", until="9")] == [1, 1]
    assert [c.hits for c in t.counts(at_most("latency_p95_ms", 50), "r1", after="", until="9")] == [0, 0]


def test_a_kept_answer_says_nothing_of_how_the_release_does_now() -> None:
    """It took no time and cannot fail: enough of them would hide that every fresh answer is slow or an error."""
    t = tally()
    fresh = asked("e1", T0, {"r1": None}, served="r1")
    kept = asked("e2", T0, {"r1": 0.9}, served="r1")
    t.read(
        in_columns([*fresh, *(msgspec.structs.replace(r, cached=True) if isinstance(r, Event) else r for r in kept)])
    )
    for limit in (at_most("error_rate", 0.1), at_most("latency_p95_ms", 50)):
        assert [c.n for c in t.counts(limit, "r1", after="", until="9")] == [1]
    assert t.served == {"r1": 2}


def test_hours_are_counted_after_one_and_until_another() -> None:
    """What was looked at once is not looked at again."""
    t = tally()
    t.read(in_columns(a_day(0, SAYS)))
    found = t.counts(at_most("error_rate", 0.1), "r1", after="2025-03-01T05", until="2025-03-01T07")
    assert [c.name for c in found] == ["2025-03-01T06", "2025-03-01T07"]


def test_the_first_outcome_counts_and_the_others_are_counted() -> None:
    """A second outcome changes no label; one of an event that is not here is unknown."""
    t = tally()
    t.read(in_columns(asked("e1", T0, {"r1": 0.9, FALLBACK: 0.5})))
    t.read(in_columns([told("e1", 1.0, T0 + HOUR), told("e1", 0.0, T0 + 2 * HOUR), told("nobody's", 1.0, T0)]))
    t.close(T0 + 3 * DAY)
    assert (t.outcomes, t.duplicates, t.unknown) == (1, 1, 1) and t.closed[0].labels.tolist() == [1.0]


def test_an_outcome_after_the_maturity_counts_as_never() -> None:
    """Before its block was closed and after: late or unknown, and the block is what it was."""
    t = tally()
    t.read(in_columns(a_day(0, SAYS, labelled=0.0)))
    late = T0 + 2 * DAY + 12 * HOUR
    t.read(in_columns([told("d0-0", 1.0, late)]))
    t.close(late)
    t.read(in_columns([told("d0-1", 1.0, late)]))
    assert (t.late, t.unknown, t.outcomes) == (1, 1, 0) and np.isnan(t.closed[0].labels).all()


def test_an_event_of_a_closed_block_counts_for_errors_only() -> None:
    """A block does not open twice; an error of a straggler is an error all the same."""
    t = tally()
    t.read(in_columns(days(2, SAYS)))
    t.close(T0 + 2 * DAY)
    t.read(in_columns(asked("late one", T0 + 2 * DAY, {"r1": None, FALLBACK: 0.5}, served="r1", block="2025-03-01")))
    t.read(in_columns(a_day(2, SAYS)))
    t.close(T0 + 3 * DAY)
    assert [b.name for b in t.closed] == ["2025-03-01", "2025-03-02"] and t.stragglers == 1
    assert sum(c.hits for c in t.counts(at_most("error_rate", 0.1), "r1", after="", until="9")) == 1


def test_blocks_measure_the_pair_where_both_have_answered() -> None:
    """The loss against a comparator, one number a block: here ln 2 less than who does not know."""
    t = tally()
    t.read(in_columns(days(3, knows("r1", 0.9))))
    t.close(T0 + 3 * DAY)
    found = t.blocks(NO_WORSE, "r1", FALLBACK, t.closed)
    assert [b.n for b in found] == [24, 24]
    assert all(abs(b.mean - (-np.log(0.9) - np.log(2))) < 1e-9 for b in found)
    assert t.blocks(NO_WORSE, "r1", "nobody", t.closed) == ()


def test_tainted_blocks_are_left_out_for_whoever_was_wrong() -> None:
    """The open day is no evidence about r1, nor about who is compared with it; for the others it is."""
    t = tally()
    t.read(in_columns(a_day(0, SAYS)))
    t.taint("r1", T0)
    t.read(in_columns(days(3, SAYS)[len(a_day(0, SAYS)) :]))
    t.close(T0 + 3 * DAY)
    assert [b.name for b in t.blocks(NO_WORSE, "r1", FALLBACK, t.closed)] == ["2025-03-02"]
    assert len(t.blocks(NO_WORSE, FALLBACK, "r1", t.closed)) == 1
    assert set(t.rows("r1", t.closed)[2]) == {"2025-03-02"} and len(set(t.rows(FALLBACK, t.closed)[2])) == 2


def test_a_slice_restricts_to_its_rows() -> None:
    """The rows of one value of a column that was asked with."""
    t = tally(columns=["depot"])
    for i in range(10):
        t.read(in_columns(asked(f"e{i}", T0, {"r1": 0.9, FALLBACK: 0.5}, depot="north" if i < 3 else "south")))
        t.read(in_columns([told(f"e{i}", 1.0, T0)]))
    t.close(T0 + 2 * DAY)
    sliced = no_worse("log_loss", margin=0.1, than="champion", by="depot")
    assert [b.n for b in t.blocks(sliced, "r1", FALLBACK, t.closed, "north")] == [3]


def test_memory_is_bounded_by_the_window() -> None:
    """Closed blocks, their rows, hours, taints and measures: of what left the window nothing is kept."""
    t = tally(keep_blocks=5)
    for day in range(40):
        t.read(in_columns(a_day(day, SAYS, questions=4)))
        t.close(T0 + (day + 1) * DAY)
        t.blocks(NO_WORSE, "r1", FALLBACK, t.closed)
        t.taint("r1", T0) if day % 10 == 0 else None
    assert len(t.closed) == 5 and len(t._rows) <= 8 and len(t._shut) == 5 and not t.tainted
    assert len(t._cache) <= 5 and all(len(hours) <= 7 * 4 for hours in t._hours.counts.values())


@st.composite
def histories(draw: Any) -> list[Record]:
    """A week in the order of its times: questions, and outcomes told when they became known, if ever, or twice."""
    coming: list[tuple[Any, int, list[Record]]] = []
    for i in range(draw(st.integers(1, 40))):
        at = T0 + draw(st.integers(0, 7 * 24 * 60)) * HOUR / 60
        score = draw(st.sampled_from([0.1, 0.5, 0.8, None]))
        coming.append((at, 0, asked(f"e{i}", at, {"r1": score, FALLBACK: 0.5})))
        for minutes in draw(st.lists(st.integers(0, 60 * 60), max_size=2)):
            coming.append((at + minutes * HOUR / 60, 1, [told(f"e{i}", 1.0, at + minutes * HOUR / 60)]))
    return [record for _, _, records in sorted(coming, key=lambda c: c[:2]) for record in records]


def content(t: Tally) -> Any:
    blocks = [(b.name, b.labels.tobytes(), {r: s.tobytes() for r, s in b.scores.items()}) for b in t.closed]
    return blocks, {k: dict(v) for k, v in t._hours.counts.items()}, dict(t.served), t.events


@given(histories(), st.integers(1, 30))
def test_rebuilt_from_the_log_is_what_was_counted_as_it_happened(history: list[Record], hours: int) -> None:
    """Whoever starts later, or starts again, sees the same blocks as who looked at it every so many hours."""
    watching, rebuilt, end = tally(), tally(), T0 + 14 * DAY
    now, coming = T0, list(history)
    while now < end:
        now = min(now + hours * HOUR, end)
        known = [r for r in coming if time_of(r, coming) <= now]
        watching.read(in_columns(known))
        coming = coming[len(known) :]
        watching.close(now)
    rebuilt.read(in_columns(history))
    rebuilt.close(end)
    assert not coming and content(watching) == content(rebuilt)


def time_of(record: Record, among: list[Record]) -> Any:
    """When it was written; what others said comes with its event."""
    if hasattr(record, "at"):
        return record.at
    event = next((r for r in among if isinstance(r, Event) and r.id == record.event), None)
    return event.at if event else T0


def test_a_question_handed_to_a_person_was_not_answered() -> None:
    """It counts as an abstention, like one that nobody is asked about; a stand-in's answer does not."""
    t = tally()
    for action in ("answer", "abstain", "person", "fallback"):
        t.read(in_columns([msgspec.structs.replace(r, action=action) for r in a_day(0, SAYS) if isinstance(r, Event)]))
    counted = {
        rate: [(c.hits, c.n) for c in t.counts(at_most(rate, 0.1), FALLBACK, after="", until="9")]
        for rate in ("abstention_rate", "fallback_rate")
    }
    (abstained, n), (stood_in, _) = (
        (sum(hits for hits, _ in found), sum(n for _, n in found)) for found in counted.values()
    )
    assert (abstained / n, stood_in / n) == (0.5, 0.25)


def test_slices_measured_together_are_those_measured_alone() -> None:
    """Large ones share one pass; a tiny one is measured when it is asked for."""
    t = tally(columns=["depot"])
    for i in range(90):
        depot = "tiny" if i < 5 else ("north", "south")[i % 2]
        t.read(in_columns(asked(f"e{i}", T0, {"r1": 0.5 + i / 200, FALLBACK: 0.5}, depot=depot)))
        t.read(in_columns([told(f"e{i}", float(i % 3 == 0), T0)] if i % 7 else []))
    t.close(T0 + 3 * DAY)
    sliced = no_worse("log_loss", margin=0.1, than="champion", by="depot")
    for depot in ("south", "tiny", "north"):
        alone = tally(columns=["depot"])
        alone.closed = t.closed
        assert t.blocks(sliced, "r1", FALLBACK, t.closed, depot) == alone.blocks(
            sliced, "r1", FALLBACK, t.closed, depot
        )
    (tiny,) = t.blocks(sliced, "r1", FALLBACK, t.closed, "tiny")
    assert (tiny.name, tiny.n, tiny.missing) == (t.closed[0].name, 5, 1)
    assert t.blocks(sliced, "r1", FALLBACK, t.closed, "nowhere") == ()
