"""The error tree: what a person reads, what a script gets, and the spelling that was meant."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll import errors
from plimsoll.errors import (
    Broken,
    Conflict,
    Damaged,
    IllegalTransition,
    Inadmissible,
    InvalidDeclaration,
    PlimsollError,
    Refused,
    Unavailable,
    UsageError,
    nearest,
)

names = st.text("abcdef_", min_size=1, max_size=8)


def tree(kind: type[PlimsollError] = PlimsollError) -> Iterator[type[PlimsollError]]:
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (UsageError, 2),
        (InvalidDeclaration, 2),
        (Refused, 1),
        (Inadmissible, 1),
        (Unavailable, 3),
        (Conflict, 3),
        (Broken, 4),
        (Damaged, 4),
        (IllegalTransition, 4),
    ],
)
def test_each_error_has_the_exit_code_of_its_branch(kind: type[PlimsollError], code: int) -> None:
    """A script tells a refusal from a mistake, a wait and a fault."""
    assert kind.exit_code == code and issubclass(kind, PlimsollError)


def test_the_drawing_is_the_tree() -> None:
    """The module's docstring names every error, and every error says what it means."""
    drawing = inspect.getdoc(errors) or ""
    for kind in tree():
        assert kind.__name__ in drawing and kind.__doc__


@given(st.text(max_size=30), st.text(max_size=30), st.dictionaries(names, st.integers()))
def test_an_error_reads_as_its_message_and_then_its_hint(message: str, hint: str, details: dict[str, int]) -> None:
    """What, values and why first; what to do next on a line of its own. Details are for machines, and a copy."""
    error = Refused(message, hint=hint, details=details)
    assert str(error) == (f"{message}\n  {hint}" if hint else message)
    assert (error.message, error.hint, error.details) == (message, hint, details)
    assert error.details is not details


def test_what_is_away_says_when_to_come_back() -> None:
    """In seconds; a second unless it is known better."""
    assert Unavailable("away").retry_after_s == 1.0
    assert Conflict("moved", hint="read again", retry_after_s=0.1).retry_after_s == 0.1


@given(names, st.lists(names, min_size=1, max_size=6))
def test_the_nearest_name_is_one_that_there_is(name: str, known: list[str]) -> None:
    """A suggestion, or everything there is to choose from."""
    hint = nearest(name, known)
    assert hint == f"known: {', '.join(sorted(known))}" or any(hint == f"did you mean {k!r}?" for k in known)
    assert nearest(known[0], known) == f"did you mean {known[0]!r}?"


def test_where_nothing_is_declared_there_is_nothing_to_suggest() -> None:
    """It says so."""
    assert nearest("auc", []) == "nothing is declared here"
    assert nearest("zzz", ["auc", "brier"]) == "known: auc, brier"
