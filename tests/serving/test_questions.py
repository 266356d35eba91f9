from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.capability import Source
from plimsoll.errors import UsageError
from plimsoll.kernel.block import namer
from plimsoll.serving import QuestionMaker, SeededIds, random_id
from plimsoll.serving.batch import microseconds
from plimsoll.serving.ids import RandomIds, asked_at_of

from .conftest import T0, parcel, toy


def source(**changes: str) -> Source:
    declared = {"name": "parcels", "contract": "c", "rows": "r", "asked_at": "asked", "unit": "parcel"}
    return Source(**{**declared, **changes})


def test_the_block_is_the_local_day() -> None:
    """Half past midnight in UTC is still the day before in New York."""
    question = QuestionMaker(toy())(parcel(1), datetime(2026, 3, 2, 0, 30, tzinfo=UTC))
    assert question.block == "2026-03-01"


def test_the_block_may_be_an_hour_a_shorter_time_or_a_column() -> None:
    """What is independent is declared, not guessed."""
    hourly = QuestionMaker(toy(source=source(block="hour")))(parcel(1), T0)
    by_depot = QuestionMaker(toy(source=source(block="depot")))(parcel(1), T0)
    short = QuestionMaker(toy(source=source(block="10 s")))(parcel(1), T0)
    assert (hourly.block, short.block, by_depot.block) == ("2026-03-01T12Z", "2026-03-01T12:00:00Z", "south")


def test_the_answer_sticks_to_the_declared_column() -> None:
    """All parcels of a depot see the same release if the depot is what is sticky."""
    assert QuestionMaker(toy())(parcel(1), T0).unit == "p1"
    assert QuestionMaker(toy(source=source(sticky="depot")))(parcel(1), T0).unit == "south"


def test_a_question_without_its_unit_is_refused() -> None:
    """The error names the column that is missing, and the one that was meant."""
    with pytest.raises(UsageError, match="'parcel'") as caught:
        QuestionMaker(toy())({"parcels": "p1"}, T0)
    assert "did you mean 'parcels'" in str(caught.value)


def test_the_time_of_the_question_is_filled_in() -> None:
    """A caller need not send the time; the column that holds it is there all the same."""
    assert QuestionMaker(toy())(parcel(1), T0).inputs["asked"] == T0


@given(st.integers(0, 2**32), st.text(max_size=10), st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1)))
def test_an_id_says_when_it_was_asked(seed: int, unit: str, at: datetime) -> None:
    """Ids are UUIDs of version 7: sortable by time, to the millisecond."""
    asked_at = at.replace(tzinfo=UTC)
    for made in (
        SeededIds(seed)(unit, asked_at),
        random_id(unit, asked_at),
        *RandomIds().take(1, microseconds(asked_at) // 1000),
    ):
        read = asked_at_of(made)
        assert read is not None
        assert abs(read - asked_at) <= timedelta(milliseconds=1)


def test_ids_taken_many_at_a_time_are_random_in_every_digit() -> None:
    """Each of the right version and variant, none twice, and no digit is likelier than another (chi-squared, 15 degrees of
    freedom: 60 is passed once in four million)."""
    maker = RandomIds()
    ids = [id for count in (1, 3, 700, 2_000) for id in maker.take(count, 1_000 + count)]
    assert len(set(ids)) == 2_704
    assert {(UUID(id).version, UUID(id).variant) for id in ids} == {(7, RFC_4122)}
    for place in (15, 16, 17, 20, 21, 22, *range(24, 36)):
        counts = Counter(id[place] for id in ids)
        assert sum((counts[digit] - 169) ** 2 / 169 for digit in "0123456789abcdef") < 60
    assert all(count > 600 for count in Counter(id[19] for id in ids).values())


@given(
    st.sampled_from(["day", "hour", "10 s", "500 ms"]),
    st.sampled_from(["America/New_York", "Africa/Monrovia", "UTC"]),
    st.lists(st.datetimes(datetime(1960, 1, 1), datetime(2030, 1, 1)), min_size=1, max_size=5),
)
def test_a_block_is_that_of_its_moment_whatever_was_asked_before(
    block: str, zone: str, moments: list[datetime]
) -> None:
    """What is worked out once a second is what the kernel says of each moment; Monrovia was 44 min 30 s off until 1972."""
    maker, name = QuestionMaker(toy(source=source(block=block, timezone=zone))), namer(block, zone)
    for at in (each.replace(tzinfo=UTC) for each in moments):
        for moment in (at, at + timedelta(milliseconds=400), at):
            assert maker(parcel(1), moment).block == name(moment)


def test_seeded_ids_replay() -> None:
    """The same seed and questions give the same ids; nothing repeats within a run."""
    first, second = SeededIds(7), SeededIds(7)
    ids = [first("p1", T0) for _ in range(100)]
    assert ids == [second("p1", T0) for _ in range(100)]
    assert len(set(ids)) == 100


@pytest.mark.parametrize("text", ["", "no-id", "x" * 36, "01234567-89ab-4cde-8f01-23456789abcd"])
def test_what_is_no_id_of_ours_has_no_time(text: str) -> None:
    """Anything may be posted as an event id."""
    assert asked_at_of(text) is None
