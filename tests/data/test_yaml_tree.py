"""YAML as declarations need it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.data.yaml_tree import NotYaml, parse


def test_scalars_are_those_of_yaml_1_2() -> None:
    """A country NO, a time 12:30 and a date stay text; numbers, booleans and null are what they look like."""
    text = "a: NO\nb: 12:30\nc: 2013-01-01\nd: 1e3\ne: .5\nf: '1'\ng: 007\nh: true\ni: ~\nj: 9E"
    assert parse(text).plain == {
        "a": "NO",
        "b": "12:30",
        "c": "2013-01-01",
        "d": 1000.0,
        "e": 0.5,
        "f": "1",
        "g": 7,
        "h": True,
        "i": None,
        "j": "9E",
    }


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: 1\na: 2", 2, "twice (first in line 1)"),
        ("a: &x 1\nb: *x", 2, "aliases"),
        ("a: 1\n---\nb: 2", 2, "second document"),
        ("a: !!python/object:os.system 1", 1, "tag"),
        ("a:\n  ? [1]\n  : 2", 2, "key must be a word"),
        ("a: [1, 2", 1, "expected"),
        ("[" * 200_000, 1, "nested"),
        ("", 0, "empty"),
    ],
)
def test_what_a_declaration_may_not_say(text: str, line: int, said: str) -> None:
    """Each is refused with its line; deep nesting ends in an error, not in a crash."""
    with pytest.raises(NotYaml) as caught:
        parse(text)
    assert said in str(caught.value)
    assert caught.value.line in (line, line + 1)


@given(st.text(max_size=200))
def test_any_text_is_a_tree_or_an_error(text: str) -> None:
    """Nothing but NotYaml ever comes out."""
    try:
        parse(text)
    except NotYaml as error:
        assert str(error)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(10**9), 10**9)
        | st.text(st.characters(codec="ascii", exclude_categories=["Cc"])),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3),
        max_leaves=10,
    )
)
def test_json_is_read_as_it_is(value: object) -> None:
    """A JSON document means the same as YAML."""
    import json

    assert parse(json.dumps(value)).plain == value
