"""Inputs in trouble: how many rows are hit, by what, and always the same way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plimsoll.errors import UsageError
from plimsoll.evaluation.deep.perturbation import (
    UNSEEN,
    Perturbation,
    chance,
    hit,
    kinds_of,
    mistyped,
    perturbed,
    perturbed_matrix,
)

NAMES = np.array(["UA", "AA", "DL", None] * 500, dtype=object)
NUMBERS = np.linspace(0.0, 9.0, 2_000)
TIMES = np.datetime64("2025-01-01T00:00", "us") + np.arange(2_000) * np.timedelta64(1, "h")


def by(kind, rate=0.5, spread=0.5):
    return Perturbation(kind=kind, rate=rate, spread=spread if kind == "noisy" else 0.0)


@pytest.mark.parametrize("column", [NAMES, NUMBERS, TIMES, np.arange(2_000)], ids=["text", "float", "time", "int"])
def test_a_column_is_hit_in_about_the_rate_and_elsewhere_left_alone(column):
    """In every way that it can be."""
    for kind in kinds_of(column):
        made = perturbed(column, by(kind), "release", "column")
        same = np.array([a == b or (a != a and b != b) for a, b in zip(column.tolist(), made.tolist(), strict=True)])
        assert len(made) == len(column) and 0.35 < (~same).mean() < 0.65, kind
        assert same[~hit(len(column), 0.5, "release", "column")].all()


@given(low=st.floats(0, 1), high=st.floats(0, 1))
def test_a_row_hit_at_a_rate_is_hit_at_every_higher_one(low, high):
    """So that two rates differ by the rate alone."""
    low, high = sorted((low, high))
    assert not (hit(300, low, "x") & ~hit(300, high, "x")).any()


def test_the_same_question_has_the_same_answer_and_another_one_another():
    """The seed is a digest of what is asked."""
    a, b, c = (perturbed(NUMBERS, by("noisy"), name) for name in ("one", "one", "two"))
    assert (a == b).all() and (a != c).any()


def test_noise_is_as_wide_as_said():
    """Half a standard deviation of the column, where it is hit."""
    noise = perturbed(NUMBERS, by("noisy", rate=1.0), "x") - NUMBERS
    assert abs(noise.mean()) < 0.1 and noise.std() == pytest.approx(0.5 * NUMBERS.std(), rel=0.05)


def test_missing_is_null_in_the_columns_own_way():
    """NaN, NaT or None."""
    assert np.isnan(perturbed(np.arange(9), by("missing", 1.0), "x")).all()
    assert np.isnat(perturbed(TIMES, by("missing", 1.0), "x")).all()
    assert set(perturbed(NAMES, by("missing", 1.0), "x").tolist()) == {None}


def test_a_swapped_value_is_another_rows_and_an_unseen_one_nobodys():
    """A category becomes another of the same column."""
    swapped = perturbed(NAMES, by("swapped", 1.0), "x")
    assert (swapped != NAMES).mean() > 0.99 and set(swapped.tolist()) == set(NAMES.tolist())
    assert set(perturbed(NAMES, by("unseen", 1.0), "x").tolist()) == {UNSEEN}


def test_a_column_of_one_value_is_swapped_for_nothing_else():
    """There is no other value to take; it stays, and nothing hangs."""
    assert (perturbed(np.array(["a"] * 50, dtype=object), by("swapped", 1.0), "x") == "a").all()


@given(st.text(min_size=1, max_size=12), st.integers(0, 99))
def test_a_slip_is_one_letter_or_two_the_other_way_round(text, seed):
    """The length differs by one at most."""
    assert abs(len(mistyped(text, chance(seed))) - len(text)) <= 1


def test_features_of_a_view_are_hit_together():
    """A row lacks all of them, or is another row's as a whole; each is noisy by its own spread."""
    X = np.column_stack([np.arange(900), 100.0 * np.arange(900)]).astype(np.float32)
    gone = np.isnan(perturbed_matrix(X, by("missing"), "v"))
    assert (gone.all(axis=1) == gone.any(axis=1)).all() and 0.4 < gone.any(axis=1).mean() < 0.6
    swapped = perturbed_matrix(X, by("swapped", 1.0), "v")
    assert (swapped[:, 1] == 100 * swapped[:, 0]).all() and (swapped != X).any()
    noise = perturbed_matrix(X, by("noisy", 1.0, 1.0), "v") - X
    assert noise.std(axis=0) == pytest.approx(X.std(axis=0), rel=0.1)


def test_what_does_not_apply_is_said():
    """A number cannot be mistyped, and what is looked up has no level."""
    with pytest.raises(UsageError, match="cannot be mistyped") as caught:
        perturbed(NUMBERS, by("mistyped"), "x")
    assert "missing, noisy" in caught.value.hint
    with pytest.raises(UsageError, match="cannot be unseen"):
        perturbed_matrix(np.ones((3, 1), dtype=np.float32), by("unseen"), "x")
