"""Whether a release's answers behave as declared: which rows fail, by block, and the ones that fail by most."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from plimsoll.errors import UsageError, nearest
from plimsoll.kernel.digest import rounded
from plimsoll.kernel.requirement import Requirement
from plimsoll.kernel.verdict import Block, Count, Evidence
from plimsoll.suite import Behaviour

Floats = NDArray[np.float64]
ROUNDING = 1e-6
"""A model in single precision moves an answer by so much without anything having changed."""


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One row that fails: its answer before and after the change."""

    unit: str
    before: float
    after: float


class Behaved(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one behaviour. ``note`` says why it was not asked, where ``rows`` is 0."""

    name: str
    kind: str
    fails: float
    rows: int
    failing: int
    blocks: tuple[Block, ...] = ()
    worst: tuple[Turn, ...] = ()
    note: str = ""


def behaved(
    behaviour: Behaviour,
    before: Floats,
    after: Floats,
    blocks: NDArray[np.object_],
    units: NDArray[np.object_],
    classes: tuple[str, ...] = (),
    *,
    shown: int = 3,
) -> Behaved:
    """Compare the answers of the same rows before and after the change (minimum: after alone)."""
    wrong = _by_how_much(behaviour, before, after, classes)
    failing = wrong > ROUNDING
    first, last = _answers(behaviour, before, classes), _answers(behaviour, after, classes)
    worst = np.argsort(-wrong, kind="stable")[: min(shown, int(failing.sum()))]
    turns = (
        Turn(unit=str(units[i]), before=rounded(float(first[i])), after=rounded(float(last[i]))) for i in worst.tolist()
    )
    return Behaved(
        name=behaviour.name,
        kind=behaviour.kind,
        fails=behaviour.fails,
        rows=len(failing),
        failing=int(failing.sum()),
        blocks=_blocks(failing, blocks),
        worst=tuple(turns),
    )


def behaviour_evidence(found: Behaved, requirement: Requirement, release: str, problems: tuple[str, ...]) -> Evidence:
    """For the gate: by block where a share may fail, all cases together where none may."""
    whole = requirement.metric == "failing_cases"
    return Evidence(
        requirement=requirement,
        release=release,
        source="gate",
        slice=f"{'golden' if found.kind == 'golden' else 'behaviour'}={found.name}",
        blocks=() if whole else found.blocks,
        counts=(Count("gate", found.failing, found.rows),) if whole and found.rows else (),
        problems=problems,
        waits_for="" if found.rows else f"{found.name}: {found.note or 'no row of the gate is asked this'}",
    )


def _by_how_much(behaviour: Behaviour, before: Floats, after: Floats, classes: tuple[str, ...]) -> Floats:
    """How far beyond what is allowed each answer is; above zero it fails."""
    if behaviour.kind == "invariance":
        moved = np.abs(after - before)
        return np.asarray((moved if moved.ndim == 1 else 0.5 * moved.sum(axis=1)) - behaviour.within)
    a, b = _answers(behaviour, before, classes), _answers(behaviour, after, classes)
    if behaviour.kind == "directional":
        return np.asarray((a - b if behaviour.goes == "up" else b - a) - behaviour.within)
    low, high = behaviour.between
    return np.maximum(low - b, b - high)


def _answers(behaviour: Behaviour, scores: Floats, classes: tuple[str, ...]) -> Floats:
    """One number a row: of several classes that of the named one (an invariance names none: the likeliest)."""
    if scores.ndim == 1:
        return scores
    if not behaviour.of_class and behaviour.kind == "invariance":
        return np.asarray(scores.max(axis=1))
    if behaviour.of_class not in classes:
        raise UsageError(
            f"{behaviour}: of_class={behaviour.of_class!r}: say which class's probability is meant",
            hint=nearest(behaviour.of_class, classes),
        )
    return np.asarray(scores[:, classes.index(behaviour.of_class)])


def _blocks(failing: NDArray[np.bool_], blocks: NDArray[np.object_]) -> tuple[Block, ...]:
    names, first, codes = np.unique(blocks.astype(str), return_index=True, return_inverse=True)
    n = np.bincount(codes.reshape(-1), minlength=len(names))
    share = np.bincount(codes.reshape(-1), weights=failing, minlength=len(names)) / np.maximum(n, 1)
    made: list[Block] = []
    for b in np.argsort(first, kind="stable").tolist():  # in order of time, as the rows are
        mean = rounded(float(share[b]))
        made.append(Block(str(names[b]), int(n[b]), mean, mean, mean, 0.0))
    return tuple(made)
