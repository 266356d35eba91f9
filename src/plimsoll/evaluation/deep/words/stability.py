"""Another training of the same, in words."""

from __future__ import annotations

from plimsoll.evaluation.deep.churn import Churn
from plimsoll.evaluation.deep.document import Deep
from plimsoll.evaluation.deep.words.section import Section, Table, loss_said, metrics_of
from plimsoll.evaluation.sheet import number
from plimsoll.kernel.figure import share


def stability(deep: Deep) -> Section:
    """Each other training, and where most differs."""
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
                columns=("trained again with", *(f"{metric}: worse by" for metric in metrics_of(deep))),
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
