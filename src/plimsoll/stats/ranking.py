"""How well candidates are ordered, query by query: nDCG, reciprocal rank, recall and average precision.

Candidates of equal score have no order: each value is the expectation over all orders of the tied ones (McSherry & Najork
2008, *Computing Information Retrieval Performance Measures Efficiently in the Presence of Tied Scores*, ECIR), so that a
constant score is worth what guessing is worth. A query without a relevant candidate has no value (NaN): there was nothing
to find. The mean over queries adds up over blocks; its interval is that of any row metric, a query being the row.

Sources: Järvelin & Kekäläinen 2002 (nDCG, the gain being the relevance itself); Voorhees 1999 (reciprocal rank).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plimsoll.errors import UsageError

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


class Ranked(NamedTuple):
    """Candidates query after query, the best score first. ``query``: each one's place among ``queries``; ``place``: 1 for the
    first of a query. Of the tied ones around each: ``before`` stand ahead of them, ``tied`` is how many they are, ``hits``
    how many are relevant."""

    query: Codes
    queries: int
    relevance: Floats
    place: Codes
    group: Codes
    before: Codes
    tied: Codes
    hits: Floats


def ranked(scores: Any, relevance: Any, query_ids: Any) -> Ranked:
    """The rows (one a candidate) in order. Raises UsageError for other lengths, a score that is no number, or a relevance
    that is negative or none."""
    s, r = np.asarray(scores, dtype=np.float64), np.asarray(relevance, dtype=np.float64)
    ids = np.asarray(query_ids)
    if len({len(s), len(r), len(ids)}) > 1:
        raise UsageError(
            f"there are {len(s):,} scores, {len(r):,} relevances and {len(ids):,} query ids: one each a row"
        )
    if np.isnan(s).any() or not (np.isfinite(r) & (r >= 0)).all():
        raise UsageError("a score is not a number, or a relevance is negative or none", hint="irrelevant is 0")
    names, codes = np.unique(ids, return_inverse=True)
    order = np.lexsort((-s, codes.reshape(-1)))
    query, s, r = codes.reshape(-1)[order], s[order], r[order]
    new_query = np.diff(query, prepend=-1) != 0
    group = np.cumsum(new_query | (np.diff(s, prepend=np.nan) != 0)) - 1
    starts = np.flatnonzero(new_query)
    place = np.arange(len(s)) - np.repeat(starts, np.diff(starts, append=len(s))) + 1
    first = np.flatnonzero(np.diff(group, prepend=-1))
    sizes = np.diff(first, append=len(s))
    return Ranked(
        query=query,
        queries=len(names),
        relevance=r,
        place=place,
        group=group,
        before=np.repeat(place[first] - 1, sizes),
        tied=np.repeat(sizes, sizes),
        hits=np.bincount(group, weights=r > 0, minlength=len(first))[group] if len(s) else np.zeros(0),
    )


def ndcg(of: Ranked, k: int | None = None) -> Floats:
    """Discounted gain of the first ``k`` places (all, without), as a share of the best order's; one value a query."""
    discount = _within(of.place, k) / np.log2(of.place + 1.0)
    gained = _by_query(of, _tied_mean(of, discount) * of.relevance)
    best = of.relevance[np.lexsort((-of.relevance, of.query))]
    return _share(gained, _by_query(of, discount * best))


def recall_at(of: Ranked, k: int) -> Floats:
    """The share of the relevant candidates that are among the first ``k``."""
    relevant = (of.relevance > 0) * 1.0
    return _share(_by_query(of, _tied_mean(of, _within(of.place, k)) * relevant), _by_query(of, relevant))


def average_precision_at(of: Ranked, k: int | None = None) -> Floats:
    """The mean over the relevant candidates of the precision at their place; those beyond ``k`` count as 0. Its mean over
    queries is called MAP."""
    i = of.place - of.before
    ahead = _relevant_before(of) + (i - 1) * np.maximum(of.hits - 1, 0) / np.maximum(of.tied - 1, 1)
    precision = _within(of.place, k) * (ahead + 1.0) / of.place * of.hits / of.tied
    return _share(_by_query(of, precision), _by_query(of, (of.relevance > 0) * 1.0))


def reciprocal_rank(of: Ranked, k: int | None = None) -> Floats:
    """One over the place of the first relevant candidate; 0 where it is beyond ``k``. Its mean over queries is called MRR.

    Of n tied with r relevant the first of these is the i-th with probability C(n − i, r − 1) / C(n, r).
    """
    i, n, r = of.place - of.before, of.tied, of.hits.astype(np.int64)
    can = (r > 0) & (n - i >= r - 1) & (_relevant_before(of) == 0)
    log = np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, max(n.max(initial=1), 1) + 1)))))
    left, rest = np.where(can, n - i, 0), np.where(can, r - 1, 0)
    choices = log[left] - log[rest] - log[np.maximum(left - rest, 0)]
    every = log[n] - log[np.where(can, r, 0)] - log[n - np.where(can, r, 0)]
    chance = np.where(can, np.exp(choices - every), 0.0)
    found = _by_query(of, _within(of.place, k) * chance / of.place)
    return np.where(_by_query(of, (of.relevance > 0) * 1.0) > 0, found, np.nan)


def _within(place: Codes, k: int | None) -> Floats:
    if k is not None and k < 1:
        raise UsageError(f"k={k}: at least the first place is looked at")
    return np.ones(len(place)) if k is None else (place <= k).astype(np.float64)


def _tied_mean(of: Ranked, values: Floats) -> Floats:
    """What a place is worth, shared among those that are tied for it."""
    return np.asarray(np.bincount(of.group, weights=values)[of.group] / of.tied) if len(values) else values


def _relevant_before(of: Ranked) -> Floats:
    """How many relevant ones stand ahead of the tied ones."""
    relevant = (of.relevance > 0).astype(np.float64)
    seen = np.cumsum(relevant) - relevant
    first = np.flatnonzero(np.diff(of.group, prepend=-1))
    of_query = np.flatnonzero(np.diff(of.query, prepend=-1))
    start = np.repeat(seen[of_query], np.diff(of_query, append=len(seen)))
    return np.asarray(np.repeat(seen[first], np.diff(first, append=len(seen))) - start)


def _by_query(of: Ranked, values: Any) -> Floats:
    return np.bincount(of.query, weights=values, minlength=of.queries).astype(np.float64)


def _share(part: Floats, of: Floats) -> Floats:
    """NaN where there is nothing to find."""
    return np.where(of > 0, part / np.where(of > 0, of, 1.0), np.nan)
