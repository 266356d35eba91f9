"""What the features are worth, in words."""

from __future__ import annotations

from plimsoll.evaluation.deep.document import Ablated, Deep
from plimsoll.evaluation.deep.words.section import Section, Table, loss_of, loss_said, metrics_of
from plimsoll.evaluation.sheet import number


def ablation(deep: Deep) -> Section:
    """Each part of the features, the one that is worth most first."""
    worth = [a.name for a in ranked(deep) if (found := loss_of(a.losses, deep.metric)) and found.low and found.low > 0]
    spared = [
        a.name for a in ranked(deep) if (found := loss_of(a.losses, deep.metric)) and found.high and found.high < 0
    ]
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
        tables=[_worths(deep, metric, folded=metric != deep.metric) for metric in metrics_of(deep)],
    )


def _worths(deep: Deep, metric: str, *, folded: bool) -> Table:
    rows = [
        (a.name, a.of, str(len(a.features)), a.note or loss_said(loss_of(a.losses, metric)), number(a.moved))
        for a in ranked(deep)
    ]
    columns = ("trained without", "", "features", f"{metric}: worse by", "answers move by")
    return Table(title=metric if folded else "", columns=columns, rows=rows, left=2, folded=folded)


def ranked(deep: Deep) -> list[Ablated]:
    """The one that is worth most first."""

    def worth(a: Ablated) -> float:
        found = loss_of(a.losses, deep.metric)
        return -(found.worse_by or 0.0) if found else 0.0

    return sorted(deep.ablation, key=worth)
