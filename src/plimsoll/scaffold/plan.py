"""What is decided before a file is written: the one input of every template."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

TaskKind = Literal["binary", "multiclass", "regression"]
InputKind = Literal["", "number", "category", "hour"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of the rows. ``type`` is the contract's; ``input`` how it becomes a feature, if it does.

    ``known_at`` is YAML as the contract takes it; empty says nothing, so the column can never be a feature.
    """

    name: str
    type: str
    input: InputKind = ""
    required: bool = False
    unique: bool = False
    known_at: str = ""
    minimum: float | None = None
    maximum: float | None = None
    enum: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A capability to be written.

    ``base`` is what the fallback answers: P(true), one probability a class, or the label's median. ``margin`` is how
    much worse a release may be, in the unit of ``metric``. ``levels`` are absolute requirements for the gate, as code.
    """

    name: str
    task: TaskKind
    question: str
    unit: str
    asked_at: str
    label: str
    columns: tuple[Column, ...]
    rows: str
    base: tuple[float, ...]
    metric: str
    margin: float
    levels: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    block: str = "day"
    gate_blocks: int = 14
    maturity_h: int = 36
    model: Path | None = None
    estimator: tuple[Path, str] | None = None
    data: Path | None = None
    csv: str = ""
    notes: tuple[str, ...] = field(default_factory=tuple)

    @property
    def identifier(self) -> str:
        """The name as Python may say it."""
        return self.name.replace("-", "_")

    @property
    def model_file(self) -> str:
        """The model's name in the capability's folder; ``""`` where there is none."""
        return f"model{self.model.suffix.lower()}" if self.model else ""

    @property
    def inputs(self) -> tuple[Column, ...]:
        return tuple(c for c in self.columns if c.input)

    @property
    def imports(self) -> tuple[str, ...]:
        """What the capability file takes from ``plimsoll``, in the order of its import."""
        maker = {"binary": "BinaryClassification", "multiclass": "MulticlassClassification", "regression": "Regression"}
        names = {"Canary", "Capability", "Inputs", "Live", "Shadow", "Source", "at_most", "no_worse", maker[self.task]}
        names |= {level.partition("(")[0] for level in self.levels} | {c.input for c in self.inputs}
        return tuple(sorted(names | ({"Split"} if self.gate_blocks != 14 else set())))

    @property
    def own(self) -> bool:
        """Whether it is made of a user's own rows."""
        return self.data is not None


def tidy(value: float) -> float:
    """``value`` to one significant digit: a margin that a person would write."""
    if value <= 0 or not math.isfinite(value):
        return 0.01
    return float(f"{value:.0e}")
