"""A look at a LightGBM text before LightGBM gets it: it trusts its input, and ends the process, or reads past the end of
an array, on text that was cut off or changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from plimsoll.errors import UsageError

_END = "end of trees\n"


def check_trees(text: str, what: str) -> None:
    """Raises UsageError where ``text`` is not a whole LightGBM model whose trees end, and stay inside their arrays.

    Costs about 10 µs a tree.
    """
    if not text.startswith("tree\n"):
        raise UsageError(f"{what}: not a LightGBM text model", hint="save it with booster.save_model(path)")
    trees, end, _ = text.partition(_END)
    head, *blocks = trees.split("\nTree=")
    if not end or not blocks:
        raise UsageError(f"{what}: the LightGBM text is cut off: it has no end of its trees")
    try:
        fields = _fields(head)
        _check_sizes(fields["tree_sizes"], blocks)
        features = int(fields["max_feature_idx"]) + 1
        for number, block in enumerate(blocks):
            if problem := next(_problems(_fields(block), features), ""):
                raise UsageError(f"{what}: tree {number} of the LightGBM text {problem}")
    except (KeyError, ValueError) as error:
        raise UsageError(f"{what}: the LightGBM text is damaged: {error}") from error


def _fields(block: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in block.splitlines() if "=" in line)


def _check_sizes(declared: str, blocks: list[str]) -> None:
    """Each block must be as long as the head says; ``\\nTree=`` was cut from its front."""
    sizes = [int(s) for s in declared.split()]
    found = [len(f"Tree={block}\n".encode()) for block in blocks]
    found[-1] -= 1  # no other tree follows it
    if sizes != found:
        raise ValueError("its trees are not as long as it says")


def _problems(tree: Mapping[str, str], features: int) -> Iterator[str]:
    leaves = int(tree["num_leaves"])
    inner = leaves - 1
    if leaves < 1 or len(_floats(tree["leaf_value"])) != leaves:
        yield f"has {leaves} leaves, and not as many values"
    if tree.get("is_linear") == "1":
        yield from _linear_problems(tree, leaves, features)
    if inner == 0:
        return
    left, right, split, kinds = (
        _ints(tree[k]) for k in ("left_child", "right_child", "split_feature", "decision_type")
    )
    lengths = {len(left), len(right), len(split), len(kinds), len(_floats(tree["threshold"]))}
    if lengths != {inner}:
        yield f"has {inner} splits, and arrays of other lengths"
        return
    # LightGBM numbers nodes as it splits them: a child that is a split comes after its parent, so every path ends
    for child in (left, right):
        if ((child >= 0) & (child <= np.arange(inner))).any() or (child >= inner).any() or (~child >= leaves).any():
            yield "leads to a node that is not there, or back"
    if (split < 0).any() or (split >= features).any():
        yield f"splits on a feature beyond the {features} there are"
    if (categorical := (kinds & 1) == 1).any():
        yield from _categorical_problems(tree, _floats(tree["threshold"])[categorical])


def _categorical_problems(tree: Mapping[str, str], places: NDArray[np.float64]) -> Iterator[str]:
    """A categorical split's threshold is its place among ``num_cat`` sets of bits."""
    count, bounds = int(tree["num_cat"]), _ints(tree["cat_boundaries"])
    whole = len(bounds) == count + 1 and bounds[0] == 0 and (np.diff(bounds) >= 0).all()
    if not whole or bounds[-1] != len(_ints(tree["cat_threshold"])) or (places < 0).any() or (places >= count).any():
        yield "has categories beyond the ones it lists"


def _linear_problems(tree: Mapping[str, str], leaves: int, features: int) -> Iterator[str]:
    counts, used = _ints(tree["num_features"]), _ints(tree["leaf_features"])
    lengths_fit = len(counts) == len(_floats(tree["leaf_const"])) == leaves and (counts >= 0).all()
    if not lengths_fit or counts.sum() != len(used) or len(used) != len(_floats(tree["leaf_coeff"])):
        yield "has linear leaves without their coefficients"
    if (used < 0).any() or (used >= features).any():
        yield f"has leaves on a feature beyond the {features} there are"


def _ints(text: str) -> NDArray[np.int64]:
    return np.array(text.split(), dtype=np.int64)


def _floats(text: str) -> NDArray[np.float64]:
    return np.array(text.split(), dtype=np.float64)
