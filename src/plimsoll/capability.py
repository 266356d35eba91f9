"""What a user declares: one AI feature, when it ships, and when it comes back.

A capability is a Python file that ends in ``capability = Capability(…)``. Everything that can be wrong with it is
found when it is constructed, not when it is needed.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from plimsoll.data import Contract, Recorded
from plimsoll.errors import InvalidDeclaration, UsageError, nearest
from plimsoll.features import Inputs, View
from plimsoll.influence import check_influence
from plimsoll.kernel.block import length_of
from plimsoll.kernel.promise import SENTENCES, AnswerRule, Promise, Step, check_steps
from plimsoll.kernel.requirement import Requirement, contradictions
from plimsoll.kernel.rollout import Canary, Live, Shadow, Stage
from plimsoll.kernel.verdict import Policy
from plimsoll.ordering import check_ranking
from plimsoll.stats.confidence import Widths
from plimsoll.stats.metrics import COST, METRICS, Metric, found
from plimsoll.stats.sequence import START
from plimsoll.suite import Behaviour, Golden, Tolerance, Trusted

Declared = TypeVar("Declared")
TaskKind = Literal["binary", "multiclass", "regression"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is predicted: ``label`` is the source's column with the truth; ``classes`` for multiclass, in order. ``kind`` is what
    scores are: those of a ranking are values, as a regression's; its rows are ranked within their ``group``."""

    kind: TaskKind
    label: str
    classes: tuple[str, ...] = ()
    group: str = ""

    @property
    def measured_as(self) -> str:
        """Of which tasks its metrics are."""
        return "ranking" if self.group else self.kind


def BinaryClassification(*, label: str) -> Task:
    """The probability that ``label`` is true. Scores are P(label = 1)."""
    return Task(kind="binary", label=label)


def MulticlassClassification(*, label: str, classes: Sequence[str]) -> Task:
    """One of ``classes``. Scores are one probability per class, in this order."""
    if len(classes) < 2:
        raise InvalidDeclaration(
            f"MulticlassClassification(label={label!r}): {len(classes)} classes; it needs two or more"
        )
    return Task(kind="multiclass", label=label, classes=tuple(classes))


def Regression(*, label: str) -> Task:
    """A number, in the label's unit."""
    return Task(kind="regression", label=label)


def Ranking(*, label: str, group: str) -> Task:
    """An order of the rows of one query. ``group`` is the column that names the query; ``label`` how relevant a row turned out
    to be, 0 or more. A score is any number; of one query's rows the largest goes first."""
    if not group:
        raise InvalidDeclaration(f"Ranking(label={label!r}): which rows are ranked together?", hint="give group=…")
    return Task(kind="regression", label=label, group=group)


Rows = str | Callable[[], Path]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows that features are made from: a name, a contract, and where the rows are (a CSV or Parquet file, or a
    function that returns its path). Paths are relative to the capability's folder.

    ``arrives_at``: the column with the time from which a row is complete; later ones are not read yet. Without it,
    every row of the file is there."""

    name: str
    contract: str
    rows: Rows
    arrives_at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The questions: one row each, with the label once it is known.

    ``asked_at``: the column with the time of the question. ``unit``: the column that names the row (unique).
    ``sticky``: the column whose values always see the same release (default: the unit). ``block``: ``"day"`` (the
    local day of ``asked_at`` in ``timezone``), ``"hour"``, a length such as ``"10 s"``, or a column: what may be taken as
    independent.
    ``arrives_at`` as in Table: for a question, when its outcome has come or can no longer come.
    """

    name: str
    contract: str
    asked_at: str
    unit: str
    rows: Rows
    arrives_at: str = ""
    sticky: str = ""
    block: str = "day"
    timezone: str = "UTC"

    @property
    def block_length(self) -> timedelta | None:
        """How long a block is; None where a column names it."""
        return length_of(self.block)

    @property
    def block_column(self) -> str:
        """The column that names the blocks; empty where they are of time."""
        return "" if self.block_length else self.block

    def __post_init__(self) -> None:
        length_of(self.block)
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise InvalidDeclaration(
                f"Source({self.name!r}, timezone={self.timezone!r}): no such time zone",
                hint='use an IANA name such as "America/New_York"',
            ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is done with a score: given as the answer, or not.

    ``promise``: an error that is kept (``ErrorAmongAnswered``, ``WrongPerRequest``); the threshold is chosen from the
    gate's rows when the release is built. Or ``abstain_below``: a confidence (0–1; binary: max(p, 1−p)) chosen by
    hand, which promises nothing. ``unsure``: what is done below it, and ``failed``: what is done where there is no
    score; each an ordered list of ``previous`` (the release before it, where it is sure), ``fallback`` (the declared
    rule), ``cached`` (what the unit was answered last, at most ``stale_s`` old), ``person`` and ``abstain``. ``says``
    replaces sentences of ``kernel.promise.SENTENCES`` that callers are shown.
    """

    abstain_below: float = 0.0
    promise: Promise | None = None
    unsure: Sequence[Step] = ("abstain",)
    failed: Sequence[Step] = ("fallback",)
    says: Mapping[str, str] = field(default_factory=dict)
    stale_s: float = 3_600.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.abstain_below <= 1.0:
            raise InvalidDeclaration(f"Answer(abstain_below={self.abstain_below:g}): a confidence lies between 0 and 1")
        if self.promise is not None and self.abstain_below:
            raise InvalidDeclaration(
                f"Answer: abstain_below={self.abstain_below:g} and a promise: the threshold of a promise is chosen from data",
                hint="give one of them",
            )
        check_steps("unsure", self.unsure)
        check_steps("failed", self.failed)
        for code in self.says:
            if code not in SENTENCES:
                raise InvalidDeclaration(f"Answer(says=…): {code!r} is never said", hint=nearest(code, SENTENCES))
        if not self.stale_s > 0.0:
            raise InvalidDeclaration(f"Answer(stale_s={self.stale_s:g}): an age in seconds is above zero")

    def rule(self, threshold: float | None = None, widths: Widths | None = None) -> AnswerRule:
        """What the manifest holds: this, with the threshold that the promise came to."""
        return AnswerRule(
            abstain_below=self.abstain_below if threshold is None else threshold,
            unsure=tuple(self.unsure),
            failed=tuple(self.failed),
            says=dict(self.says),
            stale_s=self.stale_s,
            promise=self.promise,
            widths=widths,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Always by time: the last ``gate_blocks`` complete blocks are the gate's, what came before is for training
    (its last ``train_blocks`` if given)."""

    gate_blocks: int = 14
    train_blocks: int | None = None


Fallback = Callable[[Mapping[str, Any]], Any]
"""Release zero: the question's columns (name → sequence) to one score each. Must never need anything else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caching:
    """An answer may be given again for ``ttl`` to exactly the same question of the same tenant to the same release.

    It is then as old as that: features that are looked up, and the hour of asking, are those of the first time. Units
    are told apart, unless ``units_share``: then the same columns have the same answer whoever it is about, as far as no
    feature reads the unit.
    """

    ttl: timedelta
    units_share: bool = False

    def __post_init__(self) -> None:
        if self.ttl <= timedelta():
            raise InvalidDeclaration(f"Caching(ttl={self.ttl}): an answer would never be given again")


@dataclass(frozen=True, kw_only=True)
class Capability:
    """One AI feature. See ``docs/concepts/capability.md``; every field is checked when it is constructed.

    ``train``: ``(TrainingSet, Params) -> model`` or an unfitted scikit-learn estimator; ``model``: the path of an
    ONNX file instead. ``maturity``: how long after the question an outcome may still come; after it, it counts as
    never. ``grace``: how long a live release may answer on inadmissible evidence. ``bindings``: view → the table
    that it reads instead of its own (another feed). ``metrics``: those of your own that requirements and the report
    name (``plimsoll.metric``). ``suite``: what the gate asks beside its requirements (``invariance``, ``directional``,
    ``minimum``, ``golden``, ``tolerates``). ``retired``: views that this declaration no longer uses but
    releases still deployed do. ``drill``: faults injected on purpose, honoured in rehearsals
    only. ``influences_outcome``: the answer changes what happens (a price, a ranking, an offer), so releases are compared
    only between those who were shown the one and those who were shown the other (``influence``).
    """

    name: str
    owner: str
    task: Task
    source: Source
    features: Sequence[View | Inputs]
    gate: Sequence[Requirement]
    tables: Sequence[Table] = ()
    train: Any = None
    model: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    fallback: Fallback | None = None
    rollout: Sequence[Stage] = field(default_factory=lambda: (Shadow(), Canary(0.25), Live()))
    keep: Sequence[Requirement] = ()
    retrain: Sequence[Requirement] = ()
    report: Sequence[str | Metric] = ()
    metrics: Sequence[Metric] = ()
    slices: Sequence[str] = ()
    answer: Answer = field(default_factory=Answer)
    caching: Caching | None = None
    suite: Sequence[Behaviour | Golden | Tolerance | Trusted] = ()
    split: Split = field(default_factory=Split)
    policy: Policy = field(default_factory=Policy)
    maturity: timedelta = timedelta(hours=36)
    grace: timedelta = timedelta(hours=6)
    max_evidence_age: timedelta = timedelta(days=7)
    bindings: Mapping[str, str] = field(default_factory=dict)
    retired: Sequence[View] = ()
    drill: Mapping[str, float] = field(default_factory=dict)
    influences_outcome: bool = False
    folder: Path = field(default=Path(), compare=False)

    def __post_init__(self) -> None:
        _check_names(self)
        _check_requirements(self)
        check_influence(self)
        check_ranking(self)
        _check_policy(self)
        _check_rollout(self)
        _check_answer(self)
        _check_suite(self)
        _check_golden(self)
        _check_tolerances(self)

    @property
    def views(self) -> tuple[View, ...]:
        return tuple(f for f in self.features if isinstance(f, View))

    @property
    def known_views(self) -> tuple[View, ...]:
        """Every view that a deployed release may use: the declared ones and the retired ones."""
        return (*self.views, *self.retired)

    @property
    def sources(self) -> tuple[Table | Source, ...]:
        """Every table there are rows of; the questions' own last."""
        return (*self.tables, self.source)

    @property
    def inputs(self) -> tuple[Inputs, ...]:
        return tuple(f for f in self.features if isinstance(f, Inputs))

    @property
    def behaviours(self) -> tuple[Behaviour, ...]:
        """What the gate asks of the answers beside their metrics."""
        return tuple(asked for asked in self.suite if isinstance(asked, Behaviour))

    @property
    def golden(self) -> tuple[Golden, ...]:
        """The labelled cases that a release has to get right."""
        return tuple(asked for asked in self.suite if isinstance(asked, Golden))

    @property
    def tolerances(self) -> tuple[Tolerance, ...]:
        """What a release has to stand."""
        return tuple(asked for asked in self.suite if isinstance(asked, Tolerance))

    @property
    def trusted(self) -> tuple[Trusted, ...]:
        """The features that may look too good to be true."""
        return tuple(asked for asked in self.suite if isinstance(asked, Trusted))

    def definition(self, metric: str | Metric) -> Metric:
        """How a metric is measured here. Raises UsageError if it is unknown, or known as another version."""
        return found(metric if isinstance(metric, str) else metric.id, self.metrics)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The rollout's stages, each with its requirements: its own, or the gate's comparisons with the champion
        (not by slice, and of metrics that are means over rows; none where answers change what happens) and the operational
        part of ``keep``, in shadow without what is seen only of answers that are shown."""
        usual = tuple(r for r in self.gate if r.than in ("champion", "fallback") and not r.by and _by_row(self, r))
        compared = {(r.kind, r.metric): r for r in sorted(usual, key=lambda r: r.than == "champion")}
        defaults = () if self.influences_outcome else tuple(replace_than(r, "champion") for r in compared.values())
        defaults += tuple(r for r in self.keep if r.operational)
        unseen = tuple(r for r in defaults if not r.definition.of_shown)
        usual_of = {"shadow": unseen, "canary": defaults, "live": ()}
        return tuple(s if s.requires else _with_requires(s, usual_of[s.kind]) for s in self.rollout)

    @property
    def trial_stages(self) -> tuple[Stage, ...]:
        """The stages that a release passes before it is live."""
        return tuple(s for s in self.stages if s.kind != "live")

    @property
    def watched(self) -> tuple[Requirement, ...]:
        """What is required of a release that has left the yard: by its stages, then by its lease."""
        return (*(r for s in self.stages for r in s.requires), *self.keep)

    @property
    def redacted(self) -> dict[str, Recorded]:
        """The columns of a question that an event does not keep as they are. Reads the contract."""
        return Contract.load(self.folder / self.source.contract).redacted

    @property
    def sliced(self) -> tuple[str, ...]:
        """The columns of the question that evidence is cut by once the release has left the yard: slices, and queries."""
        return tuple(sorted({r.by for r in self.watched if r.by} | ({self.task.group} if self.task.group else set())))

    @property
    def follows(self) -> tuple[str, ...] | None:
        """The numbers of outcomes, besides the label, that are kept with who was shown what; None where nobody asks who was."""
        read = {name for r in (*self.watched, *self.retrain) for name in self.definition(r.metric).reads}
        return tuple(sorted(read - {"label", COST})) if read or self.influences_outcome else None

    def variant(self, **changes: Any) -> Capability:
        """This capability as another commit of it would declare it: the same name, some fields changed. Views that the
        change drops are retired, since releases that use them may still be deployed."""
        changed = replace(self, **changes)
        used = {v.digest for v in changed.known_views}
        dropped = tuple(v for v in self.known_views if v.digest not in used)
        return replace(changed, retired=(*changed.retired, *dropped))


def replace_than(requirement: Requirement, than: str) -> Requirement:
    """The same requirement against another comparator."""
    return Requirement(
        kind=requirement.kind,
        metric=requirement.metric,
        limit=requirement.limit,
        than=than,
        by=requirement.by,
    )


def load(folder: Path) -> Capability:
    """The capability declared in ``folder/capability.py``; every column that it names is in its questions' contract."""
    capability = replace(load_object(folder, "capability", Capability), folder=folder.resolve())
    _check_columns(capability)
    return capability


_WHERE_IT_IS = {
    "capability": "run this in a capability's folder, or make one: plimsoll init my-feature",
    "rehearsal": "it says what is replayed, and when which candidate comes: examples/flights/rehearsal.py is one",
}


def load_object(folder: Path, name: str, kind: type[Declared]) -> Declared:
    """What ``folder/NAME.py`` defines under NAME.

    The folder is importable while the file runs, and goes before what was imported under the same names; afterwards
    all is as it was, so that two capabilities may both have a ``features.py``.
    """
    folder = folder.resolve()
    path = folder / f"{name}.py"
    if not path.is_file():
        raise UsageError(
            f"there is no {name}.py in {folder}",
            hint=_WHERE_IT_IS.get(name, ""),
        )
    shadowed = _set_aside({p.stem for p in folder.glob("*.py")} | {p.parent.name for p in folder.glob("*/__init__.py")})
    sys.path.insert(0, str(folder))
    try:
        found = getattr(importlib.import_module(name), name, None)
    except UsageError:
        raise
    except Exception as error:
        raise InvalidDeclaration(f"{path} could not be run: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(folder))
        _forget(folder)
        sys.modules.update(shadowed)
    if not isinstance(found, kind):
        raise InvalidDeclaration(f"{path} does not define `{name}`", hint=f"end it with: {name} = {kind.__name__}(…)")
    return found


def _set_aside(names: set[str]) -> dict[str, ModuleType]:
    """Take the modules of these names, and what is inside them, out of ``sys.modules``."""
    return {n: sys.modules.pop(n) for n in list(sys.modules) if n.partition(".")[0] in names}


def _forget(folder: Path) -> None:
    """Take the folder's modules out of ``sys.modules``; their functions live on."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and Path(file).is_relative_to(folder):
            del sys.modules[name]


def _with_requires(stage: Stage, requires: tuple[Requirement, ...]) -> Stage:
    return Stage(
        kind=stage.kind,
        share=stage.share,
        blocks=stage.blocks,
        deadline_blocks=stage.deadline_blocks,
        requires=requires,
    )


def _check_names(c: Capability) -> None:
    if not c.name or not all(ch.isalnum() or ch in "-_" for ch in c.name):
        raise InvalidDeclaration(f"Capability(name={c.name!r}): use letters, digits, '-' and '_'")
    if not c.owner:
        raise InvalidDeclaration(f"{c.name}: owner is empty; an incident must have somebody to go to")
    if bool(c.train) == bool(c.model):
        raise InvalidDeclaration(
            f"{c.name}: give either train=… or model=…, {'both are' if c.train else 'neither is'} given"
        )
    if not c.features:
        raise InvalidDeclaration(f"{c.name}: features is empty; a model needs at least one")
    names = {t.name for t in c.tables} | {c.source.name}
    for view in c.views:
        table = c.bindings.get(view.name, view.source)
        if table not in names:
            raise InvalidDeclaration(
                f"{c.name}: the view {view.name!r} reads {table!r}, which is no table of this capability",
                hint=nearest(table, names),
            )
    for bound in c.bindings:
        if bound not in {v.name for v in c.views}:
            raise InvalidDeclaration(
                f"{c.name}: bindings name the view {bound!r}", hint=nearest(bound, [v.name for v in c.views])
            )


def _check_requirements(c: Capability) -> None:
    if not c.gate:
        raise InvalidDeclaration(f"{c.name}: gate is empty; nothing ships without a requirement")
    if len({m.name for m in c.metrics}) < len(c.metrics):
        raise InvalidDeclaration(f"{c.name}: metrics: two of them have one name")
    for r in _requirements(c):
        try:
            definition = c.definition(r.metric)
        except UsageError as error:
            raise InvalidDeclaration(f"{c.name}: {r}: {error}", hint="name it under metrics=[…]") from error
        if not definition.defined_for(c.task.measured_as):
            raise InvalidDeclaration(f"{c.name}: {r}: {definition.name} is not a metric of a {c.task.measured_as} task")
        if definition.of == "groups":
            _check_groups(c, r)
        elif definition.of:
            raise InvalidDeclaration(
                f"{c.name}: {r}: {definition.name} is not required by itself; a behaviour brings its own requirement",
                hint="declare it under suite=[…]: invariance(…), directional(…), minimum(…), with fails=…",
            )
        if r.kind == "equivalent" and r in c.keep:
            raise InvalidDeclaration(
                f"{c.name}: keep: {r}: a lease is watched for becoming worse, and ends for nothing else",
                hint=f'write no_worse("{definition.name}", margin={r.limit:g}, than="{r.than}")',
            )
        if r.than == "fallback" and c.fallback is None:
            raise InvalidDeclaration(
                f"{c.name}: {r}: no fallback is declared", hint="give fallback=…, or compare with champion"
            )
        if r.operational and not _countable(c, r):
            raise InvalidDeclaration(
                f"{c.name}: {r}: {r.metric} is counted over all answers of a release, against a limit; a stage may compare "
                "errors and latency with the champion's, and a canary what was shown",
                hint=f'write at_most("{r.metric}", …), without by=…',
            )
    for together in (c.gate, c.keep, c.retrain, *(s.requires for s in c.rollout)):
        if said := contradictions(tuple(together)):
            raise InvalidDeclaration(f"{c.name}: {'; '.join(said)}", hint="leave one of the two out")
    for asked in c.report:
        try:
            if c.definition(asked).of:
                raise UsageError(f"{asked} is shown where its suite is, without being named here")
        except UsageError as error:
            known = [*METRICS, *(m.name for m in c.metrics)]
            name = asked if isinstance(asked, str) else asked.name
            raise InvalidDeclaration(f"{c.name}: report: {error}", hint=nearest(name, known)) from error
    for r in c.gate:
        if r.operational:
            raise InvalidDeclaration(
                f"{c.name}: gate: {r}: errors and latency are seen in shadow and later, not on a test set",
                hint="put it under keep",
            )
        if r.than == "predecessor":
            raise InvalidDeclaration(
                f"{c.name}: gate: {r}: a candidate has no predecessor yet", hint='compare with than="champion"'
            )
    for r in (*c.keep, *(r for s in c.rollout for r in s.requires)):
        if not _by_row(c, r):
            raise InvalidDeclaration(
                f"{c.name}: {r}: {r.metric} needs all rows at once and cannot be followed block by block in production",
                hint="require it at the gate or under retrain; compare a mean over rows (log_loss, brier, mae) here",
            )
    for r in c.keep:
        if r.than == "champion":
            raise InvalidDeclaration(
                f"{c.name}: keep: {r}: a live release is the champion; compare it with its predecessor or the fallback"
            )
        if not r.compares and not r.operational:
            raise InvalidDeclaration(
                f"{c.name}: keep: {r}: an absolute quality level follows the base rate and would lapse with the season",
                hint=f'compare instead: no_worse("{r.metric}", margin=…, than="predecessor"); or put it under retrain',
            )


def _check_groups(c: Capability, r: Requirement) -> None:
    """A requirement on groups is a level between any two of them, and is asked at the gate."""
    kind = "at_least" if r.definition.higher_is_better else "at_most"
    if not r.by or r.than or r.kind != kind or r not in c.gate:
        raise InvalidDeclaration(
            f"{c.name}: {r}: groups are compared with each other, at the gate, by a column",
            hint=f'write gate=[{kind}("{r.metric}", …, by="…")]',
        )


def _check_columns(c: Capability) -> None:
    contract = Contract.load(c.folder / c.source.contract)
    known = {column.name for column in contract.columns}
    for who, name in _named_columns(c):
        if name and name not in known:
            raise InvalidDeclaration(
                f"{c.name}: {who}: the questions have no column {name!r} ({c.source.contract})",
                hint=nearest(name, known),
            )
    _check_redaction(c, contract.redacted)


def _check_redaction(c: Capability, redacted: Mapping[str, str]) -> None:
    """Evidence shows the values of blocks and slices, and without its time or its unit an event is none."""
    shown = {"asked_at": c.source.asked_at, "block": c.source.block, "arrives_at": c.source.arrives_at}
    named = [(f"source: {who}", name) for who, name in shown.items()]
    named += [("slices", name) for name in c.slices] + [(str(r), r.by or "") for r in _requirements(c)]
    for who, name in named:
        if name in redacted:
            raise InvalidDeclaration(
                f"{c.name}: {who}: the column {name!r} is shown in evidence, but its contract says recorded: "
                f"{redacted[name]} ({c.source.contract})",
                hint="slice by another column, or let this one be recorded: plain",
            )
    whose = {"source: unit": c.source.unit, "source: sticky": c.source.sticky, "task: group": c.task.group}
    for who, name in whose.items():
        if redacted.get(name) == "drop":
            raise InvalidDeclaration(
                f"{c.name}: {who}: the column {name!r} is dropped from events, which then belong to nobody",
                hint=f"write recorded: hash ({c.source.contract})",
            )


def _named_columns(c: Capability) -> Iterator[tuple[str, str]]:
    """(who names it, the column of the questions)."""
    for name in ("asked_at", "unit", "sticky", "arrives_at"):
        yield f"source: {name}", getattr(c.source, name)
    yield "source: block", c.source.block_column
    yield "task: label", c.task.label
    yield "task: group", c.task.group
    for r in _requirements(c):
        yield str(r), r.by or ""
    yield from (("slices", name) for name in c.slices)
    yield from (("features", name) for inputs in c.inputs for name in inputs.columns)
    yield from ((f"the view {view.name}", view.entity) for view in c.views)


def _requirements(c: Capability) -> tuple[Requirement, ...]:
    return (*c.gate, *c.keep, *c.retrain, *(r for s in c.rollout for r in s.requires))


def _countable(c: Capability, r: Requirement) -> bool:
    """Whether what is counted can be required so: as a limit, or as a stage's comparison of what every release has."""
    in_a_stage = any(r in s.requires for s in c.rollout) and r not in (*c.gate, *c.keep, *c.retrain)
    of_both = (r.metric == "error_rate" or r.definition.quantile is not None) and r.than != "predecessor"
    of_arms = r.definition.of_shown and r.than == "champion"
    return not r.by and (r.kind == "at_most" or (in_a_stage and r.compares and (of_both or of_arms)))


def _by_row(c: Capability, r: Requirement) -> bool:
    """Whether blocks of live traffic can be judged by it: a mean over rows, or a count."""
    metric = c.definition(r.metric)
    return r.operational or metric.rows is not None or metric.per_query is not None or bool(metric.reads)


def _check_policy(c: Capability) -> None:
    p = c.policy
    if c.split.gate_blocks < p.min_gate_blocks:
        raise InvalidDeclaration(
            f"{c.name}: underpowered: the gate has {c.split.gate_blocks} blocks and nothing passes below "
            f"{p.min_gate_blocks}; every release would be inconclusive",
            hint="raise Split(gate_blocks=…)",
        )
    wrong = {
        "alpha": not 0.0 < p.alpha < 0.5,
        "run_length_blocks": not p.run_length_blocks > 1.0,
        "looks_per_block": p.looks_per_block < 1,
        "start_blocks": p.start_blocks < 2,
        "planned_blocks": p.planned_blocks < 2,
        "min_gate_blocks": p.min_gate_blocks < 2,
        "max_missing_share": not 0.0 <= p.max_missing_share < 1.0,
    }
    for name in (n for n, is_wrong in wrong.items() if is_wrong):
        raise InvalidDeclaration(
            f"{c.name}: Policy({name}={getattr(p, name)}) promises nothing",
            hint="alpha lies between 0 and 0.5, max_missing_share from 0 to below 1, counts of blocks from 2 up",
        )


def _check_suite(c: Capability) -> None:
    names = [asked.name for asked in c.suite]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise InvalidDeclaration(f"{c.name}: suite: two are named {', '.join(sorted(repeated))}")
    for behaviour in c.behaviours:
        if fixed := {c.source.asked_at, c.source.unit, c.task.label} & set(behaviour.change):
            raise InvalidDeclaration(
                f"{c.name}: suite: {behaviour}: {', '.join(sorted(fixed))} says which question it is, and is not changed"
            )
        if behaviour.of_class and behaviour.of_class not in c.task.classes:
            raise InvalidDeclaration(
                f"{c.name}: suite: {behaviour}: of_class={behaviour.of_class!r}",
                hint=nearest(behaviour.of_class, c.task.classes),
            )
        if c.task.kind == "multiclass" and behaviour.kind != "invariance" and not behaviour.of_class:
            raise InvalidDeclaration(f"{c.name}: suite: {behaviour}: say of which class", hint="give of_class=…")


def _check_golden(c: Capability) -> None:
    for asked in c.golden:
        if bool(asked.within) != (c.task.kind == "regression"):
            raise InvalidDeclaration(
                f"{c.name}: suite: {asked}: `within` says how far off a regression may be; this is a {c.task.kind} task",
                hint="give within=… (in the label's unit) for a regression, and leave it out elsewhere",
            )


def _check_tolerances(c: Capability) -> None:
    read = {column for inputs in c.inputs for column in inputs.columns} | {view.entity for view in c.views}
    views = {view.name for view in c.known_views}
    for asked in c.tolerances:
        if asked.of not in read | views:
            raise InvalidDeclaration(
                f"{c.name}: suite: {asked}: {asked.of!r} is neither a column that a feature reads nor a feature view",
                hint=nearest(asked.of, [*sorted(read), *sorted(views)]),
            )
        if asked.of in views and asked.trouble not in ("missing", "noisy", "swapped"):
            raise InvalidDeclaration(
                f"{c.name}: suite: {asked}: a view is looked up: it is missing, noisy or swapped, not {asked.trouble}"
            )
        metric = c.definition(asked.requirement.metric)
        if metric.operational or metric.of or not metric.defined_for(c.task.kind):
            raise InvalidDeclaration(
                f"{c.name}: suite: {asked}: {metric.name} is no metric of a {c.task.kind} task's answers and outcomes"
            )


def _check_answer(c: Capability) -> None:
    promise = c.answer.promise
    steps = (*c.answer.unsure, *c.answer.failed)
    declared = c.answer.failed != ("fallback",) or "fallback" in c.answer.unsure
    if "fallback" in steps and declared and c.fallback is None:
        raise InvalidDeclaration(f"{c.name}: answer: falls back on a rule, and no fallback is declared")
    if promise is None:
        if c.task.kind == "regression" and c.answer.abstain_below:
            raise InvalidDeclaration(
                f"{c.name}: answer: a regression's score has no confidence of its own to abstain below",
                hint="promise an error instead: promise=ErrorAmongAnswered(0.1, within=…)",
            )
        return
    if (c.task.kind == "regression") != (promise.within is not None):
        raise InvalidDeclaration(
            f"{c.name}: answer: `within` says how far off a regression may be before it is wrong; this is a {c.task.kind} task",
            hint="give within=… (in the label's unit) for a regression, and leave it out elsewhere",
        )
    blocks = c.split.gate_blocks if promise.within is None else c.split.gate_blocks - c.split.gate_blocks // 2
    if promise.about == "wrong_per_request" and promise.at_most <= 1 / (blocks + 1):
        raise InvalidDeclaration(
            f"{c.name}: answer: {blocks} blocks cannot promise {promise.at_most:g} wrong per request; the least is above "
            f"{1 / (blocks + 1):.3f}",
            hint="raise Split(gate_blocks=…), or promise an error among the answered",
        )


def _check_rollout(c: Capability) -> None:
    if c.maturity >= c.max_evidence_age:
        raise InvalidDeclaration(
            f"{c.name}: maturity is {c.maturity} and max_evidence_age {c.max_evidence_age}: every lease would be too old "
            "before the first label of its days is due",
            hint="raise max_evidence_age above maturity",
        )
    kinds = [s.kind for s in c.rollout]
    if not kinds or kinds[-1] != "live":
        raise InvalidDeclaration(f"{c.name}: the rollout must end in Live(); it is {', '.join(kinds) or 'empty'}")
    if kinds[:-1] != sorted(kinds[:-1], reverse=True) or kinds.count("shadow") > 1 or kinds.count("live") > 1:
        raise InvalidDeclaration(
            f"{c.name}: the rollout goes {', '.join(kinds)}; it is one Shadow() at most, then canaries, then Live()"
        )
    shares = [s.share for s in c.rollout if s.kind == "canary"]
    if shares != sorted(shares) or any(not 0 < s < 1 for s in shares):
        raise InvalidDeclaration(f"{c.name}: canary shares must grow and lie between 0 and 1; they are {shares}")
    in_sequence = 0
    for s in c.stages:
        if s.kind == "live":
            continue
        if s.blocks > s.deadline_blocks:
            raise InvalidDeclaration(
                f"{c.name}: {s.name}: asks for {s.blocks} blocks but ends after {s.deadline_blocks}: it can never pass"
            )
        if not s.requires:
            raise InvalidDeclaration(
                f"{c.name}: {s.name} is judged by nothing: the gate compares with nobody (over all rows, by a mean over "
                "rows), and keep has no errors or latency",
                hint='add at_most("error_rate", 0.01) to keep, or a no_worse(…, than="champion") to the gate',
            )
        before = 0 if c.influences_outcome else in_sequence
        # paired stages share one sequence: the canary adds to the shadow's blocks
        in_sequence = before + s.deadline_blocks
        needed = max(START, c.policy.start_blocks)
        if in_sequence < needed and not all(r.by_hour for r in s.requires):
            raise InvalidDeclaration(
                f"{c.name}: {s.name}: underpowered: by its deadline there are {in_sequence} blocks, fewer than the {needed} "
                "that any verdict over blocks needs; it would always end inconclusive",
                hint="raise deadline_blocks; `plimsoll check` says how long this stage needs on your data",
            )
