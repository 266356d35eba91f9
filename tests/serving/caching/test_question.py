"""The key of a question: nothing forgotten, nothing crossed, nothing mistaken for something else."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from plimsoll.capability import Caching
from plimsoll.serving.batch import Batch
from plimsoll.serving.caching import QuestionKey

from ..conftest import T0, toy

KEYS = QuestionKey(toy())
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.datetimes(timezones=st.none() | st.just(UTC) | st.just(timezone(timedelta(hours=2)))),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
columns = st.dictionaries(st.text(min_size=1, max_size=6), values, max_size=6)


def key(inputs: dict[str, Any], release: str = "r", tenant: str = "t") -> bytes:
    return KEYS.of(release, tenant, inputs, T0)


def same(one: Any, other: Any) -> bool:
    """Equal as a question: numbers by value, everything else by kind and value."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        if type(one) is type(other):
            return repr(one) == repr(other)
        return one == other and abs(one) < 2**53 and "-0.0" not in (repr(one), repr(other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, datetime) and isinstance(other, datetime):
        return one.isoformat() == other.isoformat()
    return type(one) is type(other) and one == other


@given(columns, columns)
def test_two_questions_have_one_key_only_if_they_are_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Whatever stands in them."""
    assert (key(one) == key(other)) == same(one, other)


numbers = st.dictionaries(
    st.sampled_from("abc"),
    st.integers(-(2**60), 2**60) | st.integers(-3, 3) | st.floats(allow_nan=False) | st.booleans(),
)


@given(numbers, numbers, st.sampled_from(["p", "q"]))
def test_questions_of_numbers_follow_the_same_rule(one: dict[str, Any], other: dict[str, Any], unit: str) -> None:
    """They are read faster; what makes two of them the same is what makes any two."""
    asked = [{**one, "parcel": "p", "asked": T0}, {"asked": T0, "parcel": unit, **other}]
    assert (key(asked[0]) == key(asked[1])) == same(*asked)


sizes = st.integers(-(2**60), 2**60) | st.floats(allow_nan=False)


@given(st.lists(st.tuples(sizes, sizes, st.sampled_from(["p", "q"])), min_size=1, max_size=4), st.booleans())
def test_a_turn_of_packed_numbers_has_the_keys_of_its_questions(rows: Any, share: bool) -> None:
    """However large the numbers are, and whether units share."""
    keys = QuestionKey(toy(caching=Caching(ttl=timedelta(minutes=1), units_share=share)))
    inputs = [{"a": a, "b": b, "parcel": unit, "asked": T0} for a, b, unit in rows]
    batch = Batch(["e"] * len(rows), inputs, [0] * len(rows), [b"packed"] * len(rows), ("a", "b"))
    tenants = [f"t{i % 2}" for i in range(len(rows))]
    alone = [keys.of("r", tenant, each, T0) for tenant, each in zip(tenants, inputs, strict=True)]
    assert keys.of_turn("r", tenants, batch, [T0] * len(rows)) == alone


@given(st.dictionaries(st.sampled_from("abc"), st.integers(-(2**52), 2**52), min_size=2))
def test_a_whole_number_is_the_same_however_it_is_written(one: dict[str, Any]) -> None:
    """1 and 1.0 are one value, and what is left out of the key stays out."""
    rest = {"parcel": "p", "asked": T0}
    assert key({**one, **rest}) == key({**{name: float(value) for name, value in one.items()}, **rest})
    shared = QuestionKey(toy(caching=Caching(ttl=timedelta(minutes=1), units_share=True)))
    assert shared.of("r", "t", {**one, **rest}, T0) == shared.of("r", "t", {**one, **rest, "parcel": "q"}, T0)


@given(columns, st.randoms())
def test_the_order_of_columns_does_not_matter(inputs: dict[str, Any], random: Any) -> None:
    """Nor does the one of a table inside."""
    shuffled = list(inputs.items())
    random.shuffle(shuffled)
    assert key(dict(shuffled)) == key(inputs)


@given(columns, st.data())
def test_no_field_is_forgotten(inputs: dict[str, Any], data: Any) -> None:
    """Changing, adding or leaving out any one column is another question."""
    name = data.draw(st.sampled_from(sorted(inputs)) if inputs else st.just("new"))
    changed = {**inputs, name: data.draw(values)}
    assume(not (name in inputs and same(changed[name], inputs[name])))
    assert key(changed) != key(inputs)
    if inputs:
        assert key({k: v for k, v in inputs.items() if k != name}) != key(inputs)


@given(columns, st.text(max_size=4), st.text(max_size=4), st.text(max_size=4), st.text(max_size=4))
def test_nothing_crosses_tenants_or_releases(
    inputs: dict[str, Any], tenant: str, other: str, release: str, later: str
) -> None:
    """However they are named, and also where the names run into each other."""
    assert (key(inputs, release, tenant) == key(inputs, later, other)) == ((release, tenant) == (later, other))


@given(st.integers(1 - 2**53, 2**53 - 1))
def test_a_number_has_one_key_in_every_form(number: int) -> None:
    """1, 1.0 and 1e0 are one value, as long as a float holds it exactly; the text "1" and true are others."""
    forms = {key({"x": json.loads(text)}) for text in (str(number), f"{number}.0", f"{number}e0")}
    assert len(forms) == 1
    assert key({"x": str(number)}) not in forms and key({"x": bool(number)}) not in forms


def test_what_looks_alike_is_told_apart() -> None:
    """Minus zero, a time and its text, large numbers that a float cannot hold, a list that looks like our own marks."""
    at = datetime(2026, 3, 1, 12)
    alike = [
        (0.0, -0.0),
        (at, at.isoformat()),
        (at, ["time", at.isoformat()]),
        (at, at.replace(tzinfo=UTC)),
        (2**53, 2**53 + 1),
        (float(2**53), 2**53 + 1),
        (2**70, ["integer", str(2**70)]),
        ([], {}),
        (["table", {}, 0], {}),
        (b"x", "x"),
    ]
    assert all(key({"x": one}) != key({"x": other}) for one, other in alike)


def test_the_servers_own_time_of_asking_is_no_part_of_the_question() -> None:
    """One that the caller sent is."""
    later = T0 + timedelta(hours=1)
    filled = [KEYS.of("r", "t", {"weight": 1, "asked": at}, at) for at in (T0, later)]
    sent = [KEYS.of("r", "t", {"weight": 1, "asked": T0 + timedelta(0)}, at) for at in (T0 + timedelta(days=1), later)]
    assert filled[0] == filled[1] != sent[0] == sent[1]


def test_units_share_only_where_it_is_declared_and_no_feature_reads_them() -> None:
    """The unit is a column like any other until then."""
    share = Caching(ttl=timedelta(minutes=1), units_share=True)
    of = [{"parcel": p, "weight": 1.0, "depot": "north"} for p in ("p1", "p2")]
    apart = QuestionKey(toy(caching=Caching(ttl=timedelta(minutes=1))))
    shared = QuestionKey(toy(caching=share))
    assert len({apart.of("r", "t", each, T0) for each in of}) == 2
    assert len({shared.of("r", "t", each, T0) for each in of}) == 1
    from dataclasses import replace

    reads = toy(caching=share, source=replace(toy().source, unit="depot"))
    other = {**of[0], "depot": "south"}
    assert QuestionKey(reads).of("r", "t", of[0], T0) != QuestionKey(reads).of("r", "t", other, T0)


def test_what_has_no_canonical_form_has_no_twin() -> None:
    """It is asked every time."""
    assert key({"x": object()}) != key({"x": object()}) and key({"x": 1j}) != key({"x": 1j})
