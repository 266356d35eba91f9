"""A tally fed with columns comes to what it would come to one by one, however the records were written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plimsoll.kernel.columns import Columns, Written, in_columns
from plimsoll.kernel.records import Answer, Beside, Event, Outcome, Record
from plimsoll.operations import index, waiting
from plimsoll.operations.closed import ClosedBlock
from plimsoll.operations.tally import Tally
from plimsoll.stats.metrics import COST

from .given import DAY, HOUR, T0
from .one_by_one import OneByOne

IDS = [f"e{i}" for i in range(12)]


def at(dice: Random) -> datetime:
    return T0 + dice.randrange(5 * 24) * HOUR


def answer(dice: Random) -> Answer:
    return Answer(
        release=dice.choice(["r1", "r2", "r3"]),
        role="live",
        score=dice.choice([0.1, 0.5, 0.9, None]),
        latency_ms=dice.choice([1.0, 60.0]),
        error=dice.choice(["", "", "timeout"]),
    )


def event(dice: Random) -> Event:
    id, depot = dice.choice(IDS), dice.choice(["north", "south", 3, None])
    return Event(
        id=id,
        capability="late",
        at=at(dice),
        block=dice.choice("abc"),
        unit=id,
        inputs={"depot": depot} if depot else {"other": 1},
        served=answer(dice),
        action=dice.choice(["answer", "answer", "abstain", "person", "fallback"]),
        cached=dice.random() < 0.2,
        cost_usd=dice.choice([0.0, 0.01]),
    )


def beside(dice: Random) -> Beside:
    return Beside(
        event=dice.choice([*IDS, "nobody's"]), answers=tuple(answer(dice) for _ in range(dice.choice([0, 1, 2, 2])))
    )


def outcome(dice: Random) -> Outcome:
    id, values = dice.choice([*IDS, "nobody's"]), dice.choice([{}, {"paid": 2.5}, {"paid": 3.0, "items": 1.0}])
    return Outcome(event=id, label=dice.choice([0.0, 1.0]), at=at(dice), values=values)


def turns(dice: Random, most: int) -> list[list[Record]]:
    """Groups of one kind each, as they are appended."""
    kinds: list[Callable[[Random], Record]] = [event, beside, outcome]
    made = (dice.choice(kinds) for _ in range(dice.randrange(most)))
    return [[kind(dice) for _ in range(dice.randrange(1, 7))] for kind in made]


def ordered(dice: Random, groups: list[list[Record]]) -> list[list[Record]]:
    """Now and then as it mostly is: every event once, before anything is said of it."""
    if dice.random() < 0.5:
        return groups
    once: dict[str, Record] = {r.id: r for group in groups for r in group if isinstance(r, Event)}
    others = [[r for r in group if not isinstance(r, Event)] for group in groups]
    return [group for group in [list(once.values()), *others] if group]


def tally() -> Tally:
    return Tally(task="binary", maturity=36 * HOUR, limits_ms=[50], columns=["depot"], shown=["paid"])


def one_by_one() -> OneByOne:
    return OneByOne(maturity=36 * HOUR, limit_ms=50, column="depot")


def content(t: Tally) -> Any:
    blocks = {b.name: (b.first_at, b.labels.tolist(), *_columns(b)) for b in t.closed}
    counts = {name: getattr(t, name) for name in ("events", "outcomes", "duplicates", "late", "unknown", "stragglers")}
    return str(blocks), counts, dict(t.served), dict(t._hours.counts)


def expected(o: OneByOne) -> Any:
    blocks = {
        name: (b["first"], b["label"], b["slice"], _scores(b), b["shown"], b["paid"]) for name, b in o.shut.items()
    }
    counts = {name: o.counts[name] for name in ("events", "outcomes", "duplicates", "late", "unknown", "stragglers")}
    return str(blocks), counts, dict(o.served), dict(o.hours)


def _columns(b: ClosedBlock) -> Any:
    depots, shown = b.columns["depot"], b.shown
    assert shown is not None and len({*shown.units.tolist()}) <= len(IDS)
    names = list(shown.releases)
    return (
        [depots.names[code] for code in depots.codes.tolist()],
        {r: b.scores[r].tolist() for r in sorted(b.scores)},
        [(names[code], cost) for code, cost in zip(shown.rows.tolist(), shown.values[COST].tolist(), strict=True)],
        shown.values["paid"].tolist(),
    )


def _scores(block: dict[str, Any]) -> dict[str, list[float]]:
    rows = range(len(block["label"]))
    return {r: [_plain(said.get(row, nothing(said))) for row in rows] for r, said in sorted(block["scores"].items())}


def nothing(said: dict[int, Any]) -> Any:
    """What stands where a release said nothing."""
    nan = float("nan")
    return (nan, nan) if isinstance(next(iter(said.values())), tuple) else nan


def _plain(score: Any) -> Any:
    return list(score) if isinstance(score, tuple) else score


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Written]).decode


def as_read(groups: Sequence[Sequence[Record]], dice: Random) -> list[Columns]:
    """What the loop gets of these groups, some of which were written in columns and some one by one."""
    written: list[Written] = []
    for group in groups:
        written += in_columns(group) if dice.random() < 0.5 else group
    return in_columns(_decode(_encode(written)) if dice.random() < 0.5 else written)


def in_classes(record: Record) -> Record:
    """The same with a score for each class."""
    match record:
        case Event(served=Answer() as said):
            return msgspec.structs.replace(record, served=_in_classes(said))
        case Beside():
            return msgspec.structs.replace(record, answers=tuple(map(_in_classes, record.answers)))
    return record


def _in_classes(said: Answer) -> Answer:
    return msgspec.structs.replace(said, score=said.score and (said.score, 1 - said.score))


@pytest.fixture
def no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables that grow, move together and fill shelves all the time, as they do with millions of rows."""
    monkeypatch.setattr(waiting, "LEAST", 1)
    monkeypatch.setattr(index, "SHELF", 4)


@pytest.mark.usefixtures("no_room")
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32))
def test_columns_come_to_what_their_records_come_to_one_by_one(seed: int) -> None:
    """Duplicates, late and unknown ones, ids that come again, stragglers, errors, missing scores, several releases."""
    dice = Random(seed)
    t, o, now, classes = tally(), one_by_one(), T0 + 2 * DAY, dice.random() < 0.3
    for _ in range(dice.randrange(1, 5)):
        groups = ordered(dice, turns(dice, 9))
        groups = [list(map(in_classes, group)) for group in groups] if classes else groups
        t.read(as_read(groups, dice))
        o.read(record for group in groups for record in group)
        now += DAY
        assert t.close(now) == o.close(now)
        assert content(t) == expected(o)
