"""A deep evaluation in sentences and tables: the same for the screen, for Markdown and for a release's report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from plimsoll.evaluation.deep.attribution import Attributed
from plimsoll.evaluation.deep.churn import Churn
from plimsoll.evaluation.deep.document import Ablated, Deep
from plimsoll.evaluation.deep.loss import Loss
from plimsoll.evaluation.deep.perturbation import how
from plimsoll.evaluation.deep.robustness import RATES, Strain, Target
from plimsoll.evaluation.sheet import interval, number, signed
from plimsoll.kernel.figure import share


class Table(NamedTuple):
    """``left``: the columns of text; the others are numbers. ``folded``: long, and not needed at first sight."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: int = 1
    folded: bool = False


class Section(NamedTuple):
    """A part of the evaluation: what a reader should know, in sentences, and the numbers."""

    part: str
    title: str
    caption: str
    says: Sequence[str]
    tables: Sequence[Table]


def sections(deep: Deep) -> Iterator[Section]:
    """The parts that were made, in their order."""
    if deep.robustness:
        yield _robustness(deep)
    if deep.ablation:
        yield _ablation(deep)
    if deep.stability:
        yield _stability(deep)
    if deep.attribution:
        yield _attribution(deep)


def loss_said(found: Loss | None) -> str:
    """``+0.0213 [0.0101, 0.0325]``; what is missing instead."""
    if found is None:
        return "–"
    return f"{signed(found.worse_by)} {interval(found)}".strip() if found.worse_by is not None else found.note or "–"


def _of(losses: Sequence[Loss], metric: str) -> Loss | None:
    return next((found for found in losses if found.metric == metric), None)


def basis(deep: Deep) -> str:
    """On what everything below rests."""
    levels = ", ".join(f"{found.metric} {number(found.value)}" for found in deep.levels)
    return f"On {deep.rows:,} labelled rows of the gate in {deep.blocks} blocks: {levels}."


# ── robustness ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _robustness(deep: Deep) -> Section:
    return Section(
        part="robustness",
        title="Missing and noisy inputs",
        caption=(
            "Each input and each feature view by itself, in a share of the rows, through the release's own features and model. "
            "Noise in standard deviations of the input. What is lost against the untroubled answers, paired row by row, with a "
            "95 % interval over blocks; above zero is worse. Of so many intervals one in twenty misses zero by luck."
        ),
        says=_weakest(deep),
        tables=[_troubles(deep, metric) for metric in _metrics(deep)],
    )


def _troubles(deep: Deep, metric: str) -> Table:
    rows = [
        (target.name, target.of, how(kind, spread), *_strained(strains, metric))
        for target in deep.robustness
        for (kind, spread), strains in by_kind(target)
    ]
    return Table(title=metric, columns=_RATED, rows=rows, left=3, folded=True)


_RATED = ("what", "", "trouble", *(f"in {share(rate)} of the rows" for rate in RATES))


def by_kind(target: Target) -> Iterator[tuple[tuple[str, float], list[Strain]]]:
    """The strains of one kind and spread, by rate."""
    kinds = dict.fromkeys((s.by.kind, s.by.spread) for s in target.strains)
    for kind, spread in kinds:
        yield (kind, spread), [s for s in target.strains if (s.by.kind, s.by.spread) == (kind, spread)]


def _strained(strains: Sequence[Strain], metric: str) -> list[str]:
    return [s.note or loss_said(_of(s.losses, metric)) for s in strains]


def _weakest(deep: Deep) -> list[str]:
    """What costs most, and what it does not answer."""
    every = [(t, s, _of(s.losses, deep.metric)) for t in deep.robustness for s in t.strains]
    shown = [(found.worse_by or 0.0, t, s, found) for t, s, found in every if found and found.is_shown]
    said = []
    for _, t, s, found in sorted(shown, key=lambda x: -x[0])[:1]:
        said.append(
            f"Worst: {t.name} {s.by.says} of the rows costs {loss_said(found)} of {found.metric}, and an answer moves by "
            f"{number(s.moved)} on average."
        )
    harmless = [t.name for t in deep.robustness if not any(x[1] is t and x[0] > 0 for x in shown)]
    if harmless:
        said.append(f"No loss is shown, whatever befalls it: {', '.join(harmless)}.")
    silent = dict.fromkeys(f"{t.name}, {how(s.by.kind, s.by.spread)}: {s.note}" for t, s, _ in every if s.note)
    return said + list(silent)


# ── ablation ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _ablation(deep: Deep) -> Section:
    worth = [a.name for a in ranked(deep) if (found := _of(a.losses, deep.metric)) and found.low and found.low > 0]
    spared = [a.name for a in ranked(deep) if (found := _of(a.losses, deep.metric)) and found.high and found.high < 0]
    says = [f"Shown to be worth something: {', '.join(worth) or 'none by itself'}."]
    says += [f"It is better without: {', '.join(spared)}."] if spared else []
    return Section(
        part="ablation",
        title="What the features are worth",
        caption=(
            "Trained again without each view and each feature of the question, on the same rows with the same parameters and "
            "seed. Two that say the same are worth little each: either stands in for the other."
        ),
        says=says,
        tables=[_worths(deep, metric, folded=metric != deep.metric) for metric in _metrics(deep)],
    )


def _worths(deep: Deep, metric: str, *, folded: bool) -> Table:
    rows = [
        (a.name, a.of, str(len(a.features)), a.note or loss_said(_of(a.losses, metric)), number(a.moved))
        for a in ranked(deep)
    ]
    columns = ("trained without", "", "features", f"{metric}: worse by", "answers move by")
    return Table(title=metric if folded else "", columns=columns, rows=rows, left=2, folded=folded)


def _metrics(deep: Deep) -> list[str]:
    return [found.metric for found in deep.levels]


def ranked(deep: Deep) -> list[Ablated]:
    """The one that is worth most first."""

    def worth(a: Ablated) -> float:
        found = _of(a.losses, deep.metric)
        return -(found.worse_by or 0.0) if found else 0.0

    return sorted(deep.ablation, key=worth)


# ── stability ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _stability(deep: Deep) -> Section:
    columns = (
        "trained again with",
        "decisions that differ",
        "now right, now wrong",
        "mean move",
        "95th percentile",
        "rank",
    )
    worst = [(c.name, s.name, f"{s.rows:,}", _differs(c, s.differs)) for c in deep.stability for s in c.worst[:2]]
    return Section(
        part="stability",
        title="Another training of the same",
        caption=(
            "The same declaration trained with other seeds, and on training blocks drawn anew with replacement. Churn (Milani "
            "Fard et al. 2016) is what users see change for no reason of theirs. Rank: Spearman's correlation of the answers."
        ),
        says=_churned(deep),
        tables=[
            Table(title="", columns=columns, rows=[_row(c) for c in deep.stability]),
            Table(
                title="Is it as good?",
                columns=("trained again with", *(f"{metric}: worse by" for metric in _metrics(deep))),
                rows=[(c.name, *(loss_said(found) for found in c.losses)) for c in deep.stability],
                folded=True,
            ),
            Table(
                title="Where most differs",
                columns=("trained again with", "slice", "rows", "differs"),
                rows=worst,
                left=2,
                folded=True,
            ),
        ],
    )


def _row(c: Churn) -> tuple[str, ...]:
    flips = "–" if c.flips is None else share(c.flips.share)
    if c.flips is not None and c.flips.low is not None and c.flips.high is not None:
        flips += f" [{share(c.flips.low)}, {share(c.flips.high)}]"
    won = "–" if c.flips is None else f"{c.won:,}, {c.lost:,}"
    return (c.name, flips, won, number(c.moved), number(c.moved_p95), number(c.rank))


def _differs(c: Churn, value: float) -> str:
    return number(value) if c.flips is None else share(value)


def _churned(deep: Deep) -> list[str]:
    said = [f"{c.name}: {c.note}." for c in deep.stability if c.note]
    for kind, named in (("the seed alone", "seed"), ("the draw of the training blocks", "blocks")):
        of = [c for c in deep.stability if c.name.startswith(named) and not c.note]
        if not of:
            continue
        moved = sum(c.moved for c in of) / len(of)
        flips = [c.flips.share for c in of if c.flips is not None]
        decided = f"{share(sum(flips) / len(flips))} of the decisions differ, and " if flips else ""
        said.append(f"Between trainings that differ by {kind} {decided}an answer moves by {number(moved)} on average.")
    return said


# ── attribution ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _attribution(deep: Deep) -> Section:
    by_shapley = deep.attribution[0].method == "shapley"
    unit = deep.attribution[0].unit or "the label's own unit"
    features, views = (largest(deep, of) for of in ("feature", "view"))
    if by_shapley:
        title, column = "What the answers rest on: Shapley values", f"mean size, {unit}"
        caption = (
            f"Exact Shapley values of the trees' raw score, in {unit} (TreeSHAP: Lundberg et al. 2020); a feature that is not "
            "known is averaged over along the paths. They say how much a feature moves the answers, rightly or not: what it is "
            "worth, training without it says. Each dot is a row; its colour is the feature's value there, from low (blue) to "
            "high (ochre), grey where it has no order."
        )
    else:
        title, column = "What the answers rest on: permutation importance", unit
        caption = (
            "What the metric loses when a feature's values are dealt to other rows, the mean of five deals (Breiman 2001). These "
            f"are no Shapley values. {deep.attribution[0].why}. Two features that say the same hide each other here, too."
        )
    return Section(
        part="attribution",
        title=title,
        caption=caption,
        says=[f"Most rests on {', '.join(a.name for a in features[:3])}."],
        tables=[
            Table(title="", columns=("view", column), rows=[_part(a) for a in views]),
            Table(title="Features", columns=("feature", column), rows=[_part(a) for a in features], folded=True),
        ],
    )


def largest(deep: Deep, of: str) -> list[Attributed]:
    """The features, or the views, with the largest part first."""
    found = [a for a in deep.attribution if a.of == of]
    return sorted(found, key=lambda a: -(a.size or 0.0))


def _part(a: Attributed) -> tuple[str, str]:
    return a.name, f"{number(a.size)} {interval(a)}" if a.size is not None else a.note
