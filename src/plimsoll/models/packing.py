"""Packing a model: the form in which it answers as it does itself, and the golden rows that prove it elsewhere.

ONNX is tried first: it is the quickest, and no library of training has to be where it runs. A model that has no ONNX
form, or another answer in it, keeps its own library's format; the package says why.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from plimsoll.errors import Refused, UsageError, nearest
from plimsoll.models import native
from plimsoll.models.engine import Scores, shaped
from plimsoll.models.engines import Adapter, adapter_for, adapter_of, kinds, open_engine
from plimsoll.models.golden import golden

Task = Literal["binary", "multiclass", "regression"]

PARITY = 1e-5
"""How far the packed model may be from the model: of the largest answer, or of 1 where that is smaller. float32
carries 7 digits; a tree that takes another branch is off by 1e-3 or more."""


class Package(NamedTuple):
    """What a release carries of its model. ``parity``: the largest difference from the model itself, on the sample.

    ``note``: why it is not ONNX, where it is not."""

    model: bytes
    golden: bytes
    parity: float
    kind: str = "onnx"
    note: str = ""


class _Given(NamedTuple):
    """What is packed: the model, what it must answer, and what it says itself (None: nothing to compare with)."""

    model: Any
    task: str
    names: Sequence[str]
    classes: tuple[str, ...]
    own: NDArray[np.float64] | None


def package(
    model: Any,
    *,
    names: Sequence[str],
    task: Task,
    sample: NDArray[np.float32],
    classes: Sequence[Any] | None = None,
) -> Package:
    """Pack ``model``: a LightGBM booster or estimator, a fitted scikit-learn estimator or pipeline, an exported PyTorch
    program, ONNX bytes, the path of a file of any of these, or the source of a Python class (``code_model``).

    ``names``: the features in order; ``sample``: float32 (n, k), the whole gate set; ``classes``: in the order of the
    scores (binary: the second is the positive one); where the model knows its classes they must agree.
    Raises UsageError for a model that does not fit the task or the features, Refused where no form of it answers as it
    does. The bytes depend on the model alone, the golden rows on the sample too.
    """
    _check_sample(sample, names, task)
    read = _read(model)
    given = _given(read, names, task, sample, classes)
    first: UsageError | Refused | None = None
    for adapter in _forms(read):
        try:
            return _packed(adapter, given, sample, note=_why(adapter, first))
        except (UsageError, Refused) as error:
            if first is not None:  # why it is no ONNX says more than why it is not its own format either
                raise first from error
            first = error
    assert first is not None  # there is always one form to try
    raise first


def _read(model: Any) -> Any:
    """The model in a person's file, as its library has it; ONNX stays where it is."""
    if not isinstance(model, str | Path):
        return model
    path = Path(model)
    adapter = adapter_for(path)
    if not path.is_file():
        raise UsageError(
            f"there is no {adapter.kind.upper()} file {path}", hint="is the path relative to another folder?"
        )
    return adapter.read(path)


def _forms(model: Any) -> Iterator[Adapter]:
    """The adapters to try, in order."""
    if native.is_code(model):
        yield adapter_of("python")
        return
    yield adapter_of("onnx")
    if native.is_onnx(model):
        return
    own = (adapter_of(kind) for kind in kinds() if kind not in ("onnx", "python"))
    yield from (adapter for adapter in own if adapter.takes(model))


def _given(
    model: Any, names: Sequence[str], task: Task, sample: NDArray[np.float32], classes: Sequence[Any] | None
) -> _Given:
    if native.is_onnx(model) or native.is_code(model):
        return _Given(model, task, names, _classes(None, classes, task), None)
    _check_names(model, names)
    own = native.answers(model, names, task, sample)
    return _Given(model, task, names, _classes(native.classes_of(model), classes, task), own)


def _packed(adapter: Adapter, given: _Given, sample: NDArray[np.float32], *, note: str) -> Package:
    """Packed by ``adapter`` and opened again: what is compared is what a replica will run."""
    data = adapter.pack(given.model, task=given.task, names=given.names, classes=given.classes)
    engine = open_engine(data)
    got = engine.predict(sample)
    _check_answers(got, given.task, len(given.classes))
    parity = 0.0 if given.own is None else _parity(given.own, got, given.task, adapter.kind)
    return Package(data, golden(engine, sample), parity, adapter.kind, note)


def _why(adapter: Adapter, error: UsageError | Refused | None) -> str:
    if error is None:
        return ""
    found = error.details
    if "packed" not in found:
        return f"kept as {adapter.kind}: {error.message}"
    return (
        f"kept as {adapter.kind}: its ONNX form answers row {found['row']} of {found['rows']:,} with "
        f"{found['packed']:.6g} where it says {found['model']:.6g}"
    )


def _check_sample(sample: NDArray[np.float32], names: Sequence[str], task: str) -> None:
    if task not in get_args(Task):
        raise UsageError(f"there is no task {task!r}", hint=nearest(task, get_args(Task)))
    if sample.dtype != np.float32 or sample.ndim != 2 or sample.shape[1] != len(names) or not len(sample):
        raise UsageError(
            f"the sample is {sample.dtype} of shape {sample.shape}, and must be float32 with at least one row and "
            f"{len(names)} columns, one for each feature",
            hint="give the gate set's feature matrix as the release will see it",
        )


def _check_names(model: Any, names: Sequence[str]) -> None:
    """A model trained on other columns, or on these in another order, would answer, and wrongly."""
    width, known = native.width_of(model), native.feature_names(model)
    if width is not None and width != len(names):
        raise UsageError(f"the model was trained on {width} features, and the capability has {len(names)}")
    if known is None:
        return
    clean = [name.replace(" ", "_") for name in names] if native.is_lightgbm(model) else list(names)
    for place, (trained, declared) in enumerate(zip(known, clean, strict=True)):
        if trained != declared:
            raise UsageError(
                f"feature {place} is {declared!r}, and the model was trained with {trained!r} in its place",
                hint="train on the training set's X, whose columns are in the declared order",
            )


def _classes(known: tuple[Any, ...] | None, declared: Sequence[Any] | None, task: str) -> tuple[str, ...]:
    if task == "regression":
        return ()
    asked = tuple(declared or ())
    if task == "multiclass" and not (known or asked):
        raise UsageError("the model does not name its classes", hint="declare them: classes=[…], in the scores' order")
    if known is None:
        return tuple(_named(c) for c in asked)
    if asked and not _agree(known, asked):
        raise UsageError(
            f"the model knows the classes {_listed(known)} in this order, and the capability declares {_listed(asked)}",
            hint="every class must occur in the training set; encode labels by their place among the declared classes",
        )
    return tuple(_named(c) for c in (asked or known))


def _agree(known: tuple[Any, ...], asked: tuple[Any, ...]) -> bool:
    """The same in the same order; or the model was trained on their places: 0, 1, 2, …"""
    places = len(known) == len(asked) and all(c == i for i, c in enumerate(known))
    return places or tuple(_named(c) for c in known) == tuple(_named(c) for c in asked)


def _named(label: Any) -> str:
    return f"{label:g}" if isinstance(label, float) else str(label)


def _listed(labels: Sequence[Any]) -> str:
    return ", ".join(_named(c) for c in labels)


def _check_answers(scores: Scores, task: str, classes: int) -> None:
    """A classifier's answers must be probabilities, one for each class."""
    if task == "regression":
        return
    if task == "multiclass" and (scores.ndim != 2 or scores.shape[1] != classes):
        raise UsageError(f"the model answers with shape {scores.shape}, and the capability has {classes} classes")
    off = np.abs(scores.sum(axis=1) - 1.0).max() if task == "multiclass" else 0.0
    if scores.min() < -PARITY or scores.max() > 1 + PARITY or off > 1e-3:
        raise UsageError(
            f"the model's answers are not probabilities: they lie between {scores.min():.6g} and {scores.max():.6g}"
            + (f", and a row's sum is off by {off:.3g}" if task == "multiclass" else ""),
            hint="end the ONNX graph with a sigmoid (binary) or a softmax (multiclass)",
        )


def _parity(own: NDArray[np.float64], packed: Scores, task: str, kind: str) -> float:
    """The largest difference. Raises Refused over PARITY, naming the row and both answers."""
    expected = shaped(own, task)
    if expected.shape != packed.shape:
        raise UsageError(f"the model answers with shape {expected.shape}, its {_form(kind)} with {packed.shape}")
    off = np.abs(expected - packed)
    worst = float(off.max())
    if worst <= PARITY * max(1.0, float(np.abs(expected).max())):
        return worst
    at = tuple(int(i) for i in np.unravel_index(int(off.argmax()), off.shape))
    raise Refused(
        f"the packed model is not the model: on row {at[0]} of {len(off):,} the model says {expected[at]:.9g} and its "
        f"{_form(kind)} {packed[at]:.9g}, {worst:.3g} apart where {PARITY:g} is allowed",
        hint="train on float32-cast features (X.astype(np.float32)), so that splits fall where float32 can tell them",
        details={"row": at[0], "model": float(expected[at]), "packed": float(packed[at]), "rows": len(off)},
    )


def _form(kind: str) -> str:
    return "ONNX form" if kind == "onnx" else f"{kind} form"
