"""A ranking measured query by query: one value a query, from the order of its candidates, and the mean of these by block.

A query is the rows of one group in one block. One without a relevant candidate has no value: there was nothing to find. One of
whose candidates an outcome never came could have any value from 0 to 1; two releases that put its candidates into the same
order cannot differ on it, whatever turns out.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from plimsoll.errors import UsageError
from plimsoll.evaluation.rows import Floats, Rowset
from plimsoll.stats import Metric

Ints = NDArray[np.int64]


class Queries(NamedTuple):
    """``codes``: each query's block; ``first``: the place of its first row; ``values``: not oriented, and less the comparator's
    where there is one; ``low`` and ``high``: what they could have been before any outcome was known; ``known``: whether all
    of its outcomes are."""

    codes: Ints
    first: Ints
    values: Floats
    low: Floats
    high: Floats
    known: NDArray[np.bool_]


def queries_of(metric: Metric, rows: Rowset, other: Floats | None) -> Queries:
    """Those that have a value, or may have one. Raises UsageError where nobody said which rows are of one query."""
    if metric.per_query is None or rows.groups is None:
        raise UsageError(f"{metric.name} ranks the rows of one query, and which are of one is not known here")
    pairs, first, query = np.unique(np.stack([rows.codes, rows.groups]), axis=1, return_index=True, return_inverse=True)
    query = query.reshape(-1)
    count = pairs.shape[1]
    known = np.bincount(query, weights=~rows.known, minlength=count) == 0
    labels = np.where(rows.known, rows.labels, 0.0)
    values = metric.per_query(rows.scores, labels, query)
    low, high = np.zeros(count), np.ones(count)
    if other is not None:
        values = values - metric.per_query(other, labels, query)
        alike = np.bincount(query, weights=_places(rows.scores, query) != _places(other, query), minlength=count) == 0
        low, high = np.where(alike, 0.0, -1.0), np.where(alike, 0.0, 1.0)
    there = ~known | ~np.isnan(values)
    at = first[there]
    return Queries(rows.codes[at], at, np.where(known, values, 0.0)[there], low[there], high[there], known[there])


def in_full(rows: NDArray[np.bool_], groups: Ints) -> NDArray[np.bool_]:
    """``rows`` without those of queries that are not there in full: half of a query has another order."""
    short = np.bincount(groups, weights=~rows) > 0
    return np.asarray(rows & ~short[groups])


def _places(scores: Floats, query: Ints) -> Ints:
    """Each row's place in its query, the best score first, equal scores in one place."""
    order = np.lexsort((-scores, query))
    q, s = query[order], scores[order]
    new_query = np.diff(q, prepend=-1) != 0
    step = np.cumsum(new_query | (np.diff(s, prepend=np.nan) != 0))
    starts = np.flatnonzero(new_query)
    found = np.empty(len(order), dtype=np.int64)
    found[order] = step - np.repeat(step[starts], np.diff(starts, append=len(order)))
    return found
