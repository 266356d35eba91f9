"""A batch of the log's records, taken apart by kind, and what they say of each other.

Taking a batch in together comes to the same as one by one only if order makes no difference in it: nothing is said of an
event before the event itself, no id comes twice, and no outcome is late or not depending on which events were read before
it. That is nearly always so, and is looked at first.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, compress
from typing import Any, NamedTuple

import numpy as np

from plimsoll.kernel.columns import Besides, Columns, Events, Outcomes
from plimsoll.operations.flat import Bools, Codes, Integers
from plimsoll.operations.index import NOWHERE, Index


class Part:
    """The records of one kind, and how many rows each has."""

    __slots__ = ("orders", "records", "sizes")

    def __init__(self, records: Sequence[tuple[int, Any]]) -> None:
        self.orders = [order for order, _ in records]
        self.records = [record for _, record in records]
        self.sizes: Integers = np.array([len(record) for record in self.records], np.int64)

    @property
    def order(self) -> Integers:
        """Each row's place in the batch, by its record."""
        return np.repeat(np.array(self.orders, np.int64), self.sizes)


class Asked(NamedTuple):
    """The events of a batch. ``ids``: of the rows that wait; their ``places``, from ``begin`` on. ``numbers``: of each
    row's block. ``kept``: which rows wait; the others are of closed blocks."""

    begin: int
    ids: list[str]
    places: dict[str, int]
    at_us: Integers
    numbers: Codes
    kept: Integers

    @property
    def twice(self) -> bool:
        """Whether an id came more than once."""
        return len(self.places) < len(self.kept)


def parts(batch: Sequence[Columns]) -> tuple[Part, Part, Part]:
    """Events, what was said beside them, and outcomes."""
    kinds: dict[type, list[tuple[int, Any]]] = {Events: [], Besides: [], Outcomes: []}
    for order, record in enumerate(batch):
        kinds[type(record)].append((order, record))
    return Part(kinds[Events]), Part(kinds[Besides]), Part(kinds[Outcomes])


def places_of(part: Part, asked: Asked, index: Index) -> Integers:
    """Where the event of each row is; NOWHERE for one that is not known.

    What is said of a turn mostly lists its events as they were asked: then comparing the two lists is ten times as fast as
    looking each of them up.
    """
    starts = [_start(record.events, asked) for record in part.records]
    within = np.arange(int(part.sizes.sum())) - np.repeat(np.cumsum(part.sizes) - part.sizes, part.sizes)
    places: Integers = np.repeat(np.array(starts, np.int64), part.sizes) + within
    if NOWHERE in starts:
        loose = np.array(starts) == NOWHERE
        events = chain.from_iterable(record.events for record in compress(part.records, loose.tolist()))
        places[np.repeat(loose, part.sizes)] = index.find(list(events), asked.places)
    return places


def _start(events: list[str], asked: Asked) -> int:
    place = asked.places.get(events[0], NOWHERE)
    first = place - asked.begin
    return place if place != NOWHERE and asked.ids[first : first + len(events)] == events else NOWHERE


def before_their_events(asked: Asked, order: Integers, part: Part, places: Integers) -> bool:
    """Whether a record is about an event that comes behind it. ``order``: that of the asked."""
    new = np.flatnonzero(places >= asked.begin)
    if not len(new):
        return False
    return bool((order[asked.kept][places[new] - asked.begin] > part.order[new]).any())


def newest_at_us(asked: Asked, order: Integers, newest_us: Integers, numbers: Codes, orders: Integers) -> Integers:
    """When the event was asked that was read last of each row's block, before the row. ``newest_us``: by the block's
    number, before the batch; ``order``: that of the asked."""
    records = np.int64(max(order.max(initial=0), orders.max(initial=0)) + 1)
    keys = asked.numbers * records + order
    sorted_keys = np.argsort(keys, kind="stable")
    before = np.searchsorted(keys[sorted_keys], numbers * records + orders) - 1
    found = newest_us[numbers]
    if len(keys):
        row = sorted_keys[before]
        here = (before >= 0) & (asked.numbers[row] == numbers)
        found[here] = asked.at_us[row[here]]
    return found


def first_of_each(places: Integers, chosen: Bools) -> tuple[Bools, Bools]:
    """Of rows about ``places``, in their order: which are the first ``chosen`` one of their place, and which come behind
    that one. Costs as much as there are rows, not places."""
    order = np.arange(len(places))
    first = np.empty(int(places.max(initial=-1)) + 1, np.int64)
    first[places] = len(places)
    last_to_first = np.flatnonzero(chosen)[::-1]
    first[places[last_to_first]] = last_to_first  # where a place comes again, the last one written stays: the first row
    return chosen & (first[places] == order), first[places] < order
