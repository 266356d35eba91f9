"""Near copies: found where they are, exactly by features, and by text as brute force finds them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plimsoll.evaluation.deep.duplicates import cells, partners
from plimsoll.evaluation.deep.loss import Answered, without
from plimsoll.evaluation.deep.minhash import ALIKE, jaccard, shingles, signature, twins
from plimsoll.stats import METRICS

RNG = np.random.default_rng(5)
WIDE = RNG.normal(size=(400, 9)).astype(np.float32)
WORDS = ["parcel", "late", "broken", "refund", "again", "thanks", "order", "never", "came", "box", "please", "today"]


def brute(earlier, later):
    """The newest earlier row that differs in no cell, else in the first feature in which alone one differs."""
    found = []
    for row in later:
        off = (earlier != row).sum(axis=1)
        same, one = np.flatnonzero(off == 0), np.flatnonzero(off == 1)
        found.append((same[-1], 0) if len(same) else (one[-1], 1) if len(one) and row.size >= 8 else (-1, 0))
    return found


@settings(max_examples=40)
@given(st.integers(1, 10), st.integers(0, 1_000))
def test_partners_are_those_that_comparing_every_two_finds(width, seed):
    """Rows that agree in all cells, and of eight features and more in all but one."""
    rng = np.random.default_rng(seed)
    earlier, later = rng.integers(0, 3, size=(60, width)), rng.integers(0, 3, size=(40, width))
    found = partners(earlier, later)
    for i, (place, differs) in enumerate(brute(earlier, later)):
        assert (found.place[i] >= 0) == (place >= 0)
        if place >= 0:
            assert (earlier[found.place[i]] != later[i]).sum() == differs == (found.differs[i] >= 0)
        if place >= 0 and differs == 0:
            assert found.place[i] == place


def test_a_copy_with_a_little_noise_and_one_other_feature_is_found():
    """Noise of a thousandth of the spread; a missing value is a cell of its own, and another row is no copy."""
    copies = WIDE[:50] + 0.0001 * RNG.normal(size=(50, 9)).astype(np.float32)
    copies[:25, 3] = np.nan
    gate = np.concatenate([copies, RNG.normal(size=(50, 9)).astype(np.float32)])
    made = [cells(X, WIDE, [False] * 9) for X in (WIDE, gate)]
    found = partners(*made)
    assert (found.place[:50] == np.arange(50)).mean() > 0.9 and (found.place[50:] < 0).all()
    assert (found.differs[:25][found.place[:25] >= 0] == 3).all()


def test_categories_are_compared_by_their_codes():
    """Codes 0 and 1 are two levels, however narrow their spread."""
    X = np.array([[0, 1.0], [1, 1.0]], dtype=np.float32)
    assert cells(X, X, [True, False])[:, 0].tolist() == [0, 1]


def sentence(rng, words=40):
    return " ".join(rng.choice(WORDS, size=words))


def test_texts_that_are_alike_are_those_that_brute_force_finds():
    """Of 200 texts, a quarter nearly copied: a word changed; near the threshold a pair in a hundred may be missed."""
    rng = np.random.default_rng(1)
    earlier = [sentence(rng) for _ in range(200)]
    later = [text.replace("refund", "rebate", 1) for text in earlier[::4]] + [sentence(rng) for _ in range(50)]
    found = twins(earlier, later)
    sets = [shingles(text) for text in earlier]
    for text, twin in zip(later, found, strict=True):
        alike = [jaccard(shingles(text), other) for other in sets]
        assert twin.alike == 0.0 or twin.alike == pytest.approx(max(alike))
        assert twin.place >= 0 or max(alike) < ALIKE + 0.05
    assert all(twin.place == 4 * i for i, twin in enumerate(found[:50]))


def test_the_share_of_hashes_that_agree_estimates_the_similarity():
    """Broder's theorem, over many pairs: within four standard errors."""
    rng = np.random.default_rng(2)
    off = []
    for _ in range(60):
        a = np.unique(rng.integers(0, 2**62, size=300, dtype=np.uint64))
        b = np.concatenate([a[: rng.integers(30, 300)], rng.integers(0, 2**62, size=60, dtype=np.uint64)])
        off.append((signature(a) == signature(b)).mean() - jaccard(np.unique(a), np.unique(b)))
    assert abs(np.mean(off)) < 4 * np.std(off) / np.sqrt(60) and np.std(off) < 0.06


def test_case_and_white_space_do_not_count_and_nothing_is_like_nothing():
    """An empty text, a missing one and one of two letters have no twin, or are their own."""
    assert jaccard(shingles("Where is  my PARCEL"), shingles("where is my parcel\n")) == 1.0
    assert [t.place for t in twins(["", None, "ok"], ["", None, "ok"])] == [-1, -1, 2]


def test_what_copies_flatter_is_seen_without_them():
    """Answers that are right on copies alone: the loss without them is higher in every block, and the interval says so."""
    rng = np.random.default_rng(3)
    labels = (rng.random(1_400) < 0.5).astype(float)
    copy = np.arange(1_400) % 10 == 0
    scores = np.where(copy, np.where(labels == 1, 0.95, 0.05), 0.5)
    answered = Answered(task="binary", scores=scores, labels=labels, blocks=np.repeat(np.arange(14), 100).tolist())
    cut = without(METRICS["log_loss"], answered, copy)
    assert cut.value == pytest.approx(np.log(2)) and cut.low > 0.05 and cut.worse_by == pytest.approx(0.0642, abs=1e-3)
