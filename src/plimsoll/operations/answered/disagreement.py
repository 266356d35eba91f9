"""Where a release and another one part: the distribution, the worst cases kept for labelling, and what the labels say.

Two lists are kept for people to label: the *worst*, which teach, and a *sample*, which measures. The sample is drawn by a
hash of each event's id, so that it is random, the same whoever asks, and grows without changing. The worst are no sample:
nothing is estimated from them. Both are bounded, and kept in the home, so that they outlive the events' retention.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from hashlib import md5
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from plimsoll.errors import UsageError
from plimsoll.operations.answered.expectation import as_said
from plimsoll.operations.answered.reading import Answered
from plimsoll.stats import METRICS
from plimsoll.stats.disagreement import decisions, difference, paired_differences, worst
from plimsoll.stats.label_free import expected_rows
from plimsoll.stats.powered import powered_mean
from plimsoll.store import replace_file

FOLDER = "disagreements"
"""Within the home: the cases that are kept, a file for each pair of releases."""
MOST = 200
"""Cases in each list."""
METRIC_OF = {
    "binary": ("log_loss", "brier", "accuracy"),
    "multiclass": ("log_loss", "accuracy"),
    "regression": ("mae",),
}
COMPLETE = 0.9
"""Of a sample's cases that are labelled, from which on it is one: labels that come for some only are no sample."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One question to label. ``difference`` as ``stats.disagreement`` has it; ``label`` None until it turned out."""

    id: str
    unit: str
    block: str
    asked_at: str
    said: Any
    other: Any
    difference: float
    changed: bool
    label: float | None


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of one pair of releases."""

    release: str
    against: str
    worst: tuple[Case, ...] = ()
    sample: tuple[Case, ...] = ()


def cases(rows: Answered, at: Sequence[int], task: str) -> tuple[Case, ...]:
    """The rows at these places."""
    assert rows.others is not None
    apart = paired_differences(rows.scores, rows.others)
    mine, others = decisions(rows.scores, task), decisions(rows.others, task)
    return tuple(
        Case(
            id=rows.ids[i],
            unit=rows.units[i],
            block=str(rows.blocks[i]),
            asked_at=f"{rows.asked_at[i]:%Y-%m-%d %H:%M:%S}",
            said=rows.scores[i].tolist(),
            other=rows.others[i].tolist(),
            difference=float(apart[i]),
            changed=mine is not None and others is not None and bool(mine[i] != others[i]),
            label=None if np.isnan(rows.labels[i]) else float(rows.labels[i]),
        )
        for i in at
    )


def collected(rows: Answered, task: str, before: Kept) -> Kept:
    """The lists as ``rows`` and what was kept ``before`` make them: the furthest apart, and the first by their hash."""
    assert rows.others is not None
    newer = cases(rows, worst(rows.scores, rows.others, task, most=MOST).tolist(), task)
    order = sorted(range(len(rows)), key=lambda i: _place(rows.ids[i]))[:MOST]
    sample = cases(rows, order, task)
    return Kept(
        release=before.release,
        against=before.against,
        worst=_merged(before.worst, newer, lambda c: (not c.changed, -abs(c.difference), c.id)),
        sample=_merged(before.sample, sample, lambda c: _place(c.id)),
    )


def _merged(before: Sequence[Case], newer: Sequence[Case], order: Any) -> tuple[Case, ...]:
    """The newest word on each case (its label may have come), in order, MOST of them."""
    known = {c.id: c for c in before} | {c.id: c for c in newer}
    return tuple(sorted(known.values(), key=order)[:MOST])


def _place(event: str) -> str:
    """Where an event stands in a random order that everybody finds again, the database as well."""
    return md5(event.encode(), usedforsecurity=False).hexdigest()


def kept_at(folder: Path, release: str, against: str) -> Kept:
    """What is kept of the two so far."""
    path = _file(folder, release, against)
    return (
        msgspec.json.decode(path.read_bytes(), type=Kept) if path.is_file() else Kept(release=release, against=against)
    )


def keep(folder: Path, kept: Kept) -> Path:
    """Write the lists down; where they are."""
    path = _file(folder, kept.release, kept.against)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, msgspec.json.encode(kept))
    return path


def _file(folder: Path, release: str, against: str) -> Path:
    return folder / f"{release[:16]}-{against[:16]}.json"


# ── as a document ────────────────────────────────────────────────────────────────────────────────────────────────────


def document_of(rows: Answered, kept: Kept, task: str, names: Mapping[str, str]) -> dict[str, Any]:
    """How the two differ, whom the labels prove right, and the lists. Raises UsageError where they answered nothing in
    common."""
    if not len(rows):
        raise UsageError(
            f"{names['release']} and {names['against']} have answered no question in common",
            hint="name another release with --against; what answers beside whom, `plimsoll status` says",
        )
    assert rows.others is not None
    return {
        **names,
        "task": task,
        "blocks": len(set(rows.blocks.tolist())),
        "difference": msgspec.to_builtins(difference(rows.scores, rows.others, rows.blocks, task)),
        "right": _right(rows, task),
        "estimates": _estimates(rows, kept, task),
        "worst": [msgspec.to_builtins(c) for c in kept.worst],
        "sample": [msgspec.to_builtins(c) for c in kept.sample],
        "sample_labelled": sum(c.label is not None for c in kept.sample),
    }


def _right(rows: Answered, task: str) -> dict[str, int] | None:
    """Of the questions that get another decision and have a label: who was right."""
    mine, others = decisions(rows.scores, task), decisions(rows.others, task)
    if mine is None or others is None:
        return None
    known = (mine != others) & ~np.isnan(rows.labels)
    ours, theirs = int((mine[known] == rows.labels[known]).sum()), int((others[known] == rows.labels[known]).sum())
    return {"labelled": int(known.sum()), "release": ours, "against": theirs}


def _estimates(rows: Answered, kept: Kept, task: str) -> list[dict[str, Any]]:
    """How much worse the release is, from the labels of the sample alone and all answers (prediction-powered): few labels
    are enough, and it holds however wrong the predictions are. Empty while the sample is not labelled."""
    sampled = {c.id for c in kept.sample}
    inside = np.array([i in sampled for i in rows.ids])
    labelled = inside & ~np.isnan(rows.labels)
    if not inside.any() or labelled.sum() < COMPLETE * inside.sum() or task == "regression":
        return []
    assert rows.others is not None
    middle = 0.5 * (rows.scores + rows.others)
    chances = as_said(middle)
    found = []
    for name in METRIC_OF[task]:
        metric = METRICS[name]
        assert metric.rows is not None
        predicted = metric.loss_sign * (
            expected_rows(metric, rows.scores, chances) - expected_rows(metric, rows.others, chances)
        )
        y = rows.labels[labelled]
        truth = metric.loss_sign * (metric.rows(rows.scores[labelled], y) - metric.rows(rows.others[labelled], y))
        rest = ~inside
        interval, weight = powered_mean(
            truth,
            predicted[labelled],
            predicted[rest],
            blocks=rows.blocks[labelled].astype(str),
            other_blocks=rows.blocks[rest].astype(str),
        )
        if math.isfinite(interval.low):
            found.append(
                {
                    "metric": name,
                    "worse_by": interval.estimate,
                    "low": interval.low,
                    "high": interval.high,
                    "labels": interval.n,
                    "weight": weight,
                }
            )
    return found
