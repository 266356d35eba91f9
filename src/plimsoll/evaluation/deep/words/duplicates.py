"""Near copies between training and gate, in words."""

from __future__ import annotations

from plimsoll.evaluation.deep.document import Deep
from plimsoll.evaluation.deep.duplicates import Copies, Pair
from plimsoll.evaluation.deep.words.section import Section, Table, loss_said
from plimsoll.evaluation.sheet import number
from plimsoll.kernel.figure import share


def duplicates(deep: Deep) -> Section:
    """How many there are, which, and what they do to the metrics."""
    rows = [
        (c.name, c.of if c.of == "text" else "", f"{c.near:,} of {c.rows:,}", share(c.share), f"{c.exact:,}", _usual(c))
        for c in deep.duplicates
    ]
    columns = ("compared by", "", "nearly the same", "of the rows", "of them exactly", "usually")
    metrics = [
        (c.name, cut.metric, number(among.value), number(cut.value), loss_said(cut))
        for c in deep.duplicates
        for cut, among in zip(c.without, c.among, strict=True)
    ]
    return Section(
        part="duplicates",
        title="Near copies between training and gate",
        caption=(
            "Rows of the gate that a training row is nearly the same as. By features: every number in the same tenth of its "
            "standard deviation, and of eight features and more one may differ. By text: a Jaccard similarity of 0.8 of its runs "
            "of five letters (MinHash: Broder 1997). Usually: how much of the training set's own last blocks recurs so. A split "
            "by time makes no copy a leak by itself; a metric that is better for them flatters."
        ),
        says=_copied(deep),
        tables=[
            Table(title="", columns=columns, rows=rows, left=2),
            Table(
                title="The metrics with and without them",
                columns=("compared by", "metric", "among them", "without them", "worse without them by"),
                rows=metrics,
                left=2,
                folded=True,
            ),
            Table(
                title="Examples",
                columns=("gate row", "training row", "asked at (UTC)", "alike", "differs in", "happened, then"),
                rows=[_pair(pair) for c in deep.duplicates for pair in c.pairs],
                left=3,
                folded=True,
            ),
        ],
    )


def _copied(deep: Deep) -> list[str]:
    said = []
    for c in deep.duplicates:
        beside = "" if c.usually is None else f"; inside the training set {share(c.usually)} recur so"
        said.append(f"By {c.name} {share(c.share)} of the gate's rows are nearly the same as a training row{beside}.")
        for cut in c.without:
            if cut.low is not None and cut.low > 0:
                said.append(f"Without them {cut.metric} is worse by {loss_said(cut)}: they flatter it.")
    return said


def _usual(c: Copies) -> str:
    return "–" if c.usually is None else share(c.usually)


def _pair(pair: Pair) -> tuple[str, ...]:
    return (
        pair.unit or "–",
        pair.twin or "–",
        pair.twin_asked_at,
        f"{100 * pair.alike:.0f} %",
        pair.differs or "nothing",
        f"{pair.happened or '–'}, {pair.happened_then or '–'}",
    )
