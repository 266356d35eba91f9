"""From measures to evidence: what the requirements ask for, in the kernel's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from plimsoll.errors import UsageError, nearest
from plimsoll.evaluation.measurement import ALL, Evaluation, Measure
from plimsoll.kernel.requirement import Requirement
from plimsoll.kernel.verdict import Evidence
from plimsoll.stats.metrics import called


def evidence(
    evaluation: Evaluation,
    requirements: Sequence[Requirement],
    *,
    release: str,
    comparators: Mapping[str, str] | None = None,
    problems: Sequence[str] = (),
) -> tuple[Evidence, ...]:
    """One piece of evidence for each requirement, and for each judged slice where it says ``by``.

    ``comparators``: role → the name of the release (or ``fallback``) that was scored in that role. ``problems`` make
    all of it inadmissible (leakage, a broken contract). Slices that are too small to be judged give none; where no
    slice is large enough, one piece without blocks says so, and is inconclusive.
    Raises UsageError for a metric, comparator or slice column that was not measured.
    """
    names = dict(comparators or {})
    made: list[Evidence] = []
    for requirement in requirements:
        for measure in _asked(evaluation, requirement, names):
            made.append(_piece(requirement, measure, release, names, tuple(problems)))
    return tuple(made)


def _asked(evaluation: Evaluation, requirement: Requirement, names: Mapping[str, str]) -> list[Measure]:
    than = requirement.than or ""
    if than and (than not in evaluation.comparators or than not in names):
        raise UsageError(
            f"{requirement}: no {than} was scored on these rows",
            hint="score it, or leave the requirement out: the first release has no champion",
        )
    of_metric = [m for m in evaluation.measures if m.metric == requirement.metric and m.comparator == than]
    if not of_metric:
        known = {m.metric for m in evaluation.measures}
        if others := [m for m in sorted(known) if called(m) == called(requirement.metric)]:
            raise UsageError(
                f"{requirement}: it asks for {requirement.metric}, and measured was {others[0]}: another definition",
                hint="measure it again with the definition that is required",
            )
        raise UsageError(
            f"{requirement}: {requirement.metric} was not measured", hint=nearest(requirement.metric, known)
        )
    if not requirement.by:
        return [m for m in of_metric if m.slice == ALL]
    sliced = [m for m in of_metric if m.slice.startswith(f"{requirement.by}=")]
    if not sliced:
        columns = {m.slice.partition("=")[0] for m in of_metric} - {ALL}
        raise UsageError(
            f"{requirement}: nothing was sliced by {requirement.by!r}", hint=nearest(requirement.by, columns)
        )
    return [m for m in sliced if m.judged] or sliced[:1]


def _piece(
    requirement: Requirement, measure: Measure, release: str, names: Mapping[str, str], problems: tuple[str, ...]
) -> Evidence:
    blocks = measure.blocks if measure.judged else ()
    return Evidence(
        requirement=requirement,
        release=release,
        source="gate",
        comparator=names[requirement.than] if requirement.than else "",
        slice=measure.slice,
        blocks=blocks,
        problems=problems,
        waits_for="" if blocks else f"{requirement}: {measure.note or 'there are no blocks'}",
    )
