"""Missing and noisy inputs, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from plimsoll.evaluation.deep.document import Deep
from plimsoll.evaluation.deep.perturbation import how
from plimsoll.evaluation.deep.robustness import RATES, Strain, Target
from plimsoll.evaluation.deep.words.section import Section, Table, loss_of, loss_said, metrics_of
from plimsoll.evaluation.sheet import number
from plimsoll.kernel.figure import share


def robustness(deep: Deep) -> Section:
    """Each trouble at each rate, and the one that costs most."""
    return Section(
        part="robustness",
        title="Missing and noisy inputs",
        caption=(
            "Each input and each feature view by itself, in a share of the rows, through the release's own features and model. "
            "Noise in standard deviations of the input. What is lost against the untroubled answers, paired row by row, with a "
            "95 % interval over blocks; above zero is worse. Of so many intervals one in twenty misses zero by luck."
        ),
        says=_weakest(deep),
        tables=[_troubles(deep, metric) for metric in metrics_of(deep)],
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
    return [s.note or loss_said(loss_of(s.losses, metric)) for s in strains]


def _weakest(deep: Deep) -> list[str]:
    """What costs most, what is shown to cost nothing, and what it does not answer."""
    every = [(t, s, loss_of(s.losses, deep.metric)) for t in deep.robustness for s in t.strains]
    costly = [(lost.worse_by, t, s, lost) for t, s, lost in every if lost and lost.is_shown and lost.worse_by]
    costly = sorted((x for x in costly if x[0] > 0), key=lambda x: -x[0])
    silent = [(t, s) for t, s, _ in every if s.note]
    said = [
        f"Worst: {t.name} {s.by.says} of the rows costs {loss_said(lost)} of {lost.metric}, and an answer moves by "
        f"{number(s.moved)} on average."
        for _, t, s, lost in costly[:1]
    ]
    touched = {t.name for _, t, _, _ in costly} | {t.name for t, _ in silent}
    if harmless := [t.name for t in deep.robustness if t.name not in touched]:
        said.append(f"No loss is shown, whatever befalls it: {', '.join(harmless)}.")
    first = {(t.name, how(s.by.kind, s.by.spread)): s.note for t, s in reversed(silent)}
    return said + [f"{name}, {trouble}: {note}." for (name, trouble), note in reversed(first.items())]
