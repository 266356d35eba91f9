"""What the answers rest on, in words."""

from __future__ import annotations

from plimsoll.evaluation.deep.attribution import Attributed
from plimsoll.evaluation.deep.document import Deep
from plimsoll.evaluation.deep.words.section import Section, Table
from plimsoll.evaluation.sheet import interval, number


def attribution(deep: Deep) -> Section:
    """The features and views with the largest part first."""
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
            f"are no Shapley values, which the model does not give: {deep.attribution[0].why}. Two features that say the same "
            "hide each other here, too."
        )
    return Section(
        part="attribution",
        title=title,
        caption=caption,
        says=[f"Most rests on {', '.join(a.name for a in features[:3])}."],
        tables=[
            Table(title="", columns=("view", column), rows=[_part(a) for a in views]),
            Table(
                title="Features" if views else "",
                columns=("feature", column),
                rows=[_part(a) for a in features],
                folded=bool(views),
            ),
        ],
    )


def largest(deep: Deep, of: str) -> list[Attributed]:
    """The features, or the views, with the largest part first."""
    found = [a for a in deep.attribution if a.of == of]
    return sorted(found, key=lambda a: -(a.size or 0.0))


def _part(a: Attributed) -> tuple[str, str]:
    return a.name, f"{number(a.size)} {interval(a)}" if a.size is not None else a.note
