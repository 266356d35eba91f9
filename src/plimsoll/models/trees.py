"""The trees of an ONNX ensemble, read back out of its graph: what every answer of a forest or of boosting is the sum of.

The converters of LightGBM and scikit-learn write one ``TreeEnsembleClassifier`` or ``TreeEnsembleRegressor`` (ai.onnx.ml
operators, version 1 to 3) whose weights stand at the leaves. That the sum of what was read is what the graph answers is
checked on rows, not assumed: a graph may do more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plimsoll.errors import UsageError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
LEAF = -1
_TESTS: dict[bytes, Callable[[Any, Any], Any]] = {
    b"BRANCH_LEQ": np.less_equal,
    b"BRANCH_LT": np.less,
    b"BRANCH_GTE": np.greater_equal,
    b"BRANCH_GT": np.greater,
    b"BRANCH_EQ": np.equal,
    b"BRANCH_NEQ": np.not_equal,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """Node 0 is the root. ``feature`` is LEAF at a leaf, whose ``weights`` (nodes × outputs) are what it says."""

    feature: NDArray[np.int64]
    value: NDArray[np.float32]
    mode: tuple[bytes, ...]
    yes: NDArray[np.int64]
    no: NDArray[np.int64]
    missing_is_yes: Bools
    weights: Floats

    def passes(self, X: NDArray[np.float32]) -> Bools:
        """(rows, nodes): whether a row that came to a node goes on to its ``yes``; of a leaf it means nothing."""
        passed = np.zeros((len(X), len(self.feature)), dtype=np.bool_)
        for node in np.flatnonzero(self.feature != LEAF).tolist():
            column = X[:, self.feature[node]]
            passed[:, node] = _TESTS[self.mode[node]](column, self.value[node])
            if self.missing_is_yes[node]:
                passed[:, node] |= np.isnan(column)
        return passed

    def reached(self, passed: Bools) -> Bools:
        """(rows, nodes): whether a row comes to a node."""
        reached = np.zeros_like(passed)
        reached[:, 0] = True
        for node in self.inner_first():
            reached[:, self.yes[node]] = reached[:, node] & passed[:, node]
            reached[:, self.no[node]] = reached[:, node] & ~passed[:, node]
        return reached

    def inner_first(self) -> list[int]:
        """The nodes that split, a parent before its children."""
        found, waiting = [], [0]
        while waiting:
            node = waiting.pop()
            if self.feature[node] != LEAF:
                found.append(node)
                waiting += [int(self.yes[node]), int(self.no[node])]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Trees:
    """``base`` (outputs,) and the leaves that a row comes to add up to its raw score; ``link`` makes the answer of it."""

    trees: tuple[Tree, ...]
    base: Floats
    link: str

    @property
    def leaves(self) -> int:
        return sum(int((tree.feature == LEAF).sum()) for tree in self.trees)

    def raw(self, X: NDArray[np.float32]) -> Floats:
        """(rows, outputs)."""
        total = np.tile(self.base, (len(X), 1))
        for tree in self.trees:
            total += tree.reached(tree.passes(X)) @ tree.weights
        return total

    def answers(self, raw: Floats) -> Floats:
        """What is answered for raw scores: (rows,), or (rows, classes)."""
        if self.link == "LOGISTIC":
            raw = 1.0 / (1.0 + np.exp(-raw))
        elif self.link == "SOFTMAX":
            raw = np.exp(raw - raw.max(axis=1, keepdims=True))
            raw = raw / raw.sum(axis=1, keepdims=True)
        return raw[:, 0] if raw.shape[1] == 1 else raw


def read_trees(onnx_bytes: bytes) -> Trees:
    """The trees of a packed model. Raises UsageError, saying what it is instead, where it is no ensemble of trees."""
    import onnx

    nodes = onnx.load_model_from_string(onnx_bytes).graph.node
    found = [node for node in nodes if node.op_type in ("TreeEnsembleClassifier", "TreeEnsembleRegressor")]
    if len(found) != 1 or any(node.op_type not in (*_PLAIN, found[0].op_type) for node in nodes):
        others = sorted({node.op_type for node in nodes} - set(_PLAIN))
        raise UsageError(
            f"its graph is not one ensemble of trees, but of: {', '.join(others) or 'nothing that learns'}"
        )
    parts = {a.name: onnx.helper.get_attribute_value(a) for a in found[0].attribute}
    return _ensemble(parts, "class" if found[0].op_type == "TreeEnsembleClassifier" else "target")


_PLAIN = ("Identity", "Cast", "Mul", "Reshape", "ArrayFeatureExtractor", "Concat", "Gather")
"""What converters put around an ensemble; that it changes nothing is seen from the answers."""


def _ensemble(parts: Mapping[str, Any], role: str) -> Trees:
    outputs = max(parts[f"{role}_ids"]) + 1
    trees = np.asarray(parts["nodes_treeids"])
    leaf_trees, leaf_nodes = (np.asarray(parts[f"{role}_{what}"]) for what in ("treeids", "nodeids"))
    count = len(np.unique(trees))
    divided = count if parts.get("aggregate_function", b"SUM") == b"AVERAGE" else 1
    made = [
        _tree(parts, role, np.flatnonzero(trees == t), np.flatnonzero(leaf_trees == t), leaf_nodes, outputs, divided)
        for t in np.unique(trees)
    ]
    base = np.zeros(outputs)
    base[: len(parts.get("base_values", ()))] = parts.get("base_values", ())
    return Trees(trees=tuple(made), base=base, link=parts.get("post_transform", b"NONE").decode())


def _tree(
    parts: Mapping[str, Any],
    role: str,
    of_nodes: NDArray[np.int64],
    of_leaves: NDArray[np.int64],
    leaf_nodes: NDArray[np.int64],
    outputs: int,
    divided: int,
) -> Tree:
    def cut(name: str) -> list[Any]:
        return [parts[f"nodes_{name}"][i] for i in of_nodes.tolist()]

    place = {node: at for at, node in enumerate(cut("nodeids"))}
    mode = tuple(cut("modes"))
    is_leaf = np.array([m == b"LEAF" for m in mode])
    weights = np.zeros((len(mode), outputs))
    for i in of_leaves.tolist():
        weights[place[leaf_nodes[i]], parts[f"{role}_ids"][i]] += parts[f"{role}_weights"][i] / divided
    tracks = parts.get("nodes_missing_value_tracks_true", ())
    children = {name: [place.get(node, 0) for node in cut(name)] for name in ("truenodeids", "falsenodeids")}
    return Tree(
        feature=np.where(is_leaf, LEAF, cut("featureids")),
        value=np.array(cut("values"), dtype=np.float32),
        mode=mode,
        yes=np.array(children["truenodeids"]),
        no=np.array(children["falsenodeids"]),
        missing_is_yes=np.array([bool(tracks[i]) if tracks else False for i in of_nodes.tolist()]),
        weights=weights,
    )
