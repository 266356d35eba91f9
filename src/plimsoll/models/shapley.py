"""What each feature adds to an answer of a model that is made of trees: exact Shapley values.

A feature that is not known is averaged over at each split, by how many of the background rows go either way: the *path
dependent* TreeSHAP of Lundberg et al. 2020 (*From local explanations to global understanding with explainable AI for
trees*, Nature Machine Intelligence 2:56). What is known of features S then is worth, summed over the leaves,

    f(S) = Σ_leaf w · Π_{j ∈ S} o_j · Π_{j ∉ S} z_j

with o_j whether the row keeps to the leaf's path at every split on feature j, and z_j the share of the background that does.
A Shapley value is the mean of f(S ∪ {i}) − f(S) when every other feature is in S with probability t, over t from 0 to 1
(Owen 1972, *Multilinear extensions of games*, Management Science 18:64):

    φ_i = Σ_leaf w · (o_i − z_i) · ∫₀¹ Π_{j ≠ i} (t·o_j + (1 − t)·z_j) dt

The integrand is a polynomial of degree D − 1 in t, D the features on the path, so ⌈D/2⌉ points of Gauss and Legendre give the
integral exactly; all terms lie in [0, 1] and nothing cancels. Cost: O(leaves · D² · rows).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from plimsoll.models.trees import LEAF, Tree, Trees

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class Shapley(NamedTuple):
    """``values`` (rows, outputs, features) and ``base`` (outputs,): they add up to the raw score."""

    values: Floats
    base: Floats


def shapley(trees: Trees, X: NDArray[np.float32], background: NDArray[np.float32]) -> Shapley:
    """Of every row of ``X``; ``background``: the rows by which what is not known is averaged over."""
    outputs, width = len(trees.base), X.shape[1]
    values, base = np.zeros((width, outputs, len(X))), trees.base.copy()
    for tree in trees.trees:
        _add(tree, X, background, values, base)
    return Shapley(values.transpose(2, 1, 0), base)


def _add(tree: Tree, X: NDArray[np.float32], background: NDArray[np.float32], values: Floats, base: Floats) -> None:
    passed, shares = tree.passes(X), _shares(tree, background)
    waiting: list[tuple[int, dict[int, tuple[Bools, float]]]] = [(0, {})]
    while waiting:
        node, path = waiting.pop()
        if tree.feature[node] == LEAF:
            _leaf(tree.weights[node], path, values, base)
            continue
        feature = int(tree.feature[node])
        kept, share = path.get(feature, (True, 1.0))
        yes = passed[:, node]
        waiting.append((int(tree.yes[node]), {**path, feature: (kept & yes, share * shares[node])}))
        waiting.append((int(tree.no[node]), {**path, feature: (kept & ~yes, share * (1.0 - shares[node]))}))


def _shares(tree: Tree, background: NDArray[np.float32]) -> Floats:
    """Of the background rows that come to each node, the share that goes on to its ``yes``; half where none comes."""
    passed = tree.passes(background)
    reached = tree.reached(passed)
    there = reached.sum(axis=0)
    return np.asarray(np.where(there > 0, (reached & passed).sum(axis=0) / np.maximum(there, 1), 0.5))


def _leaf(weights: Floats, path: dict[int, tuple[Bools, float]], values: Floats, base: Floats) -> None:
    z = np.array([share for _, share in path.values()])
    base += weights * z.prod()
    if not path or not weights.any():
        return
    o = np.stack([kept for kept, _ in path.values()]).astype(np.float64)
    at, by = np.polynomial.legendre.leggauss((len(z) + 1) // 2)
    t = (at + 1.0) / 2.0
    terms = t[:, None, None] * o + (1.0 - t)[:, None, None] * z[None, :, None]  # points, features, rows
    ones = np.ones_like(terms[:, :1])
    before = np.concatenate([ones, terms[:, :-1].cumprod(axis=1)], axis=1)
    after = np.concatenate([terms[:, :0:-1].cumprod(axis=1)[:, ::-1], ones], axis=1)
    integral = np.einsum("k,kjr->jr", by / 2.0, before * after)
    parts = (o - z[:, None]) * integral
    for j, feature in enumerate(path):
        values[feature] += weights[:, None] * parts[j]
