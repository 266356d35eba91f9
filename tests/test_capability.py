"""Declaring a capability: everything that can be wrong with it is found before anything is built on it."""

from __future__ import annotations

import sys
import types
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from plimsoll.capability import (
    Answer,
    BinaryClassification,
    Capability,
    MulticlassClassification,
    Regression,
    Source,
    Split,
    Table,
    load,
    load_object,
)
from plimsoll.errors import InvalidDeclaration, UsageError
from plimsoll.features import Inputs, number, view
from plimsoll.kernel.promise import ErrorAmongAnswered, WrongPerRequest
from plimsoll.kernel.requirement import at_least, at_most, better, equivalent, no_worse
from plimsoll.kernel.rollout import Canary, Live, Shadow
from plimsoll.kernel.verdict import Policy
from plimsoll.own_metric import metric

SOURCE = Source(name="orders", contract="orders.odcs.yaml", rows="orders.csv", asked_at="asked_at", unit="id")
ERRORS = at_most("error_rate", 0.01)
NO_WORSE = no_worse("log_loss", margin=0.02, than="champion")


@view(source="visits", entity="customer", values=["visits"])
def visits(t: Any) -> Any:
    return t


def fallback(columns: Any) -> list[float]:
    return [0.1] * len(columns["asked_at"])


GOOD = Capability(
    name="returns",
    owner="shop",
    task=BinaryClassification(label="returned"),
    source=SOURCE,
    tables=[Table(name="visits", contract="visits.odcs.yaml", rows="visits.csv")],
    features=[Inputs(number("price")), visits],
    gate=[at_least("auc", 0.6), no_worse("log_loss", margin=0.02, than="fallback"), NO_WORSE],
    keep=[ERRORS, no_worse("log_loss", margin=0.02, than="predecessor")],
    fallback=fallback,
    train=lambda training, params: None,
)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "my returns"}, "use letters, digits"),
        ({"owner": ""}, "somebody to go to"),
        ({"train": None}, "neither is given"),
        ({"model": "model.onnx"}, "both are given"),
        ({"features": []}, "features is empty"),
        ({"tables": []}, "reads 'visits', which is no table"),
        ({"bindings": {"visits": "visists"}}, "reads 'visists', which is no table"),
        ({"bindings": {"visit": "visits"}}, "bindings name the view 'visit'"),
    ],
)
def test_what_does_not_fit_together_is_named(changes: dict[str, Any], said: str) -> None:
    """Names, an owner, one model, and tables that are there."""
    with pytest.raises(InvalidDeclaration, match=said):
        replace(GOOD, **changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"gate": []}, "gate is empty"),
        ({"gate": [at_most("mae", 3)]}, "mae is not a metric of a binary task"),
        ({"gate": [ERRORS]}, "seen in shadow and later"),
        ({"gate": [better("log_loss", than="predecessor")]}, "has no predecessor yet"),
        ({"fallback": None}, "no fallback is declared"),
        ({"keep": [NO_WORSE]}, "a live release is the champion"),
        ({"keep": [ERRORS, at_most("log_loss", 0.5)]}, "follows the base rate"),
        ({"keep": [no_worse("auc", margin=0.01, than="fallback")]}, "needs all rows at once"),
        ({"keep": [at_least("latency_p95_ms", 50)]}, "counted over all answers"),
        ({"keep": [no_worse("error_rate", margin=0.01, than="predecessor")]}, "counted over all answers"),
        ({"keep": [at_most("error_rate", 0.01, by="country")]}, "counted over all answers"),
        ({"keep": [no_worse("latency_p95_ms", margin=5, than="predecessor")]}, "counted over all answers"),
        ({"rollout": [Shadow(requires=(at_least("auc", 0.6),)), Live()]}, "needs all rows at once"),
        ({"report": ["auc", "bier"]}, "no metric 'bier'"),
        ({"keep": [equivalent("log_loss", margin=0.1, than="predecessor")]}, "watched for becoming worse"),
        ({"gate": [at_least("auc", 0.8), at_most("auc", 0.7)]}, "no value is both"),
        ({"retrain": [at_most("rmse", 3)]}, "rmse is not a metric of a binary task"),
    ],
)
def test_a_requirement_that_could_not_be_judged_where_it_stands_is_refused(changes: dict[str, Any], said: str) -> None:
    """At the gate, in a stage, under keep: each place has its own kinds of evidence."""
    with pytest.raises(InvalidDeclaration, match=said):
        replace(GOOD, **changes)


@pytest.mark.parametrize(
    ("rollout", "said"),
    [
        ([], "must end in Live"),
        ([Shadow()], "must end in Live"),
        ([Live(), Live()], "one Shadow"),
        ([Canary(0.1), Shadow(), Live()], "one Shadow"),
        ([Shadow(), Shadow(), Live()], "one Shadow"),
        ([Canary(0.5), Canary(0.1), Live()], "must grow"),
        ([Canary(1.0), Live()], "lie between 0 and 1"),
        ([Canary(0.0), Live()], "lie between 0 and 1"),
        ([Shadow(blocks=40), Live()], "asks for 40 blocks but ends after 30"),
        ([Shadow(blocks=5, deadline_blocks=9), Live()], "underpowered: by its deadline there are 9 blocks"),
    ],
)
def test_a_rollout_that_could_not_end_well_is_refused(rollout: list[Any], said: str) -> None:
    """In the wrong order, shrinking, or too short for any verdict."""
    with pytest.raises(InvalidDeclaration, match=said):
        replace(GOOD, rollout=rollout)


def test_a_stage_that_nothing_judges_is_refused() -> None:
    """A comparison by slice, of all rows at once, or of the live lease does not judge it."""
    gate = [at_least("auc", 0.6), no_worse("log_loss", margin=0.02, than="champion", by="country")]
    compared = [no_worse("log_loss", margin=0.02, than="predecessor")]
    for declared in (gate, [no_worse("auc", margin=0.01, than="champion")]):
        with pytest.raises(InvalidDeclaration, match="shadow is judged by nothing"):
            replace(GOOD, gate=declared, keep=compared)
        assert replace(GOOD, gate=declared, keep=[ERRORS]).stages[0].requires == (ERRORS,)


def test_a_stage_may_compare_errors_and_latency() -> None:
    """Both answer the same requests there, so what fails one may fail the other, and is counted for both."""
    compared = (
        no_worse("error_rate", margin=0.005, than="champion"),
        no_worse("latency_p95_ms", margin=5, than="champion"),
    )
    assert replace(GOOD, rollout=[Shadow(requires=compared), Live()]).stages[0].requires == compared


def test_a_short_canary_goes_on_with_the_shadow_s_blocks() -> None:
    """One sequence runs through both, so it is not underpowered."""
    replace(GOOD, rollout=[Shadow(), Canary(0.1, blocks=2, deadline_blocks=3), Live()])


@pytest.mark.parametrize(
    "wrong", [{"alpha": 0.6}, {"alpha": 0.0}, {"run_length_blocks": 1.0}, {"max_missing_share": 1}]
)
def test_a_policy_that_promises_nothing_is_refused(wrong: dict[str, Any]) -> None:
    """Before the loop meets it."""
    with pytest.raises(InvalidDeclaration, match=f"Policy\\({next(iter(wrong))}"):
        replace(GOOD, policy=Policy(**wrong))


def test_a_gate_with_too_few_blocks_is_underpowered() -> None:
    """It could only ever be inconclusive."""
    with pytest.raises(InvalidDeclaration, match="the gate has 6 blocks and nothing passes below 7"):
        replace(GOOD, split=Split(gate_blocks=6))


def test_a_time_zone_and_classes_are_checked_where_they_are_declared() -> None:
    """An unknown zone, and a choice of one."""
    with pytest.raises(InvalidDeclaration, match="no such time zone"):
        Source(name="o", contract="c", rows="r", asked_at="a", unit="u", timezone="New York")
    with pytest.raises(InvalidDeclaration, match="1 classes"):
        MulticlassClassification(label="kind", classes=["only"])
    assert Regression(label="minutes").kind == "regression"


# ── what follows from a declaration ───────────────────────────────────────────────────────────────────────────────


def test_stages_inherit_the_gate_s_comparison_and_the_lease_s_machinery() -> None:
    """Once, against the champion; a stage's own requirements replace them."""
    shadow, canary, live = replace(GOOD, rollout=[Shadow(), Canary(0.2, requires=(ERRORS,)), Live()]).stages
    assert shadow.requires == (NO_WORSE, ERRORS)
    assert (canary.requires, live.requires) == ((ERRORS,), ())


def test_a_variant_retires_the_views_that_it_drops() -> None:
    """Releases that use them may still be deployed."""
    changed = GOOD.variant(features=[Inputs(number("price"))], grace=timedelta(hours=1))
    assert (changed.views, changed.known_views, changed.grace) == ((), (visits,), timedelta(hours=1))
    assert GOOD.variant(seed=3).retired == ()


# ── loading ───────────────────────────────────────────────────────────────────────────────────────────────────────

DECLARED = """
from features import PRICE
from plimsoll import BinaryClassification, Capability, Inputs, Source, at_least, at_most, number

capability = Capability(
    name="returns",
    owner="shop",
    task=BinaryClassification(label="returned"),
    source=Source(name="orders", contract="orders.odcs.yaml", rows="orders.csv", asked_at="asked_at", unit="id"),
    features=[Inputs(number(PRICE))],
    gate=[at_least("auc", 0.6)],
    keep=[at_most("error_rate", 0.01)],
    train=lambda training, params: None,
)
"""
CONTRACT = """
apiVersion: v3.2.0
kind: DataContract
id: 4dd3c0a5-2a2f-5a7e-9d27-0d6f0f6a3c11
name: orders
version: 1.0.0
status: active
schema:
  - name: orders
    properties:
      - {name: id, logicalType: string, primaryKey: true, required: true}
      - {name: asked_at, logicalType: timestamp, required: true}
      - {name: price, logicalType: number}
      - {name: returned, logicalType: boolean}
"""


def folder_of(path: Path, **files: str) -> Path:
    path.mkdir(exist_ok=True)
    written = {"capability": DECLARED, "features": 'PRICE = "price"\n', **files}
    for name, text in written.items():
        (path / f"{name}.py").write_text(text)
    (path / "orders.odcs.yaml").write_text(CONTRACT)
    return path


def test_a_capability_is_loaded_from_its_folder(tmp_path: Path) -> None:
    """With the folder that its paths are relative to; nothing of it stays importable."""
    before, paths = set(sys.modules), list(sys.path)
    loaded = load(folder_of(tmp_path / "one"))
    assert (loaded.name, loaded.folder) == ("returns", (tmp_path / "one").resolve())
    assert not {"capability", "features"} & (set(sys.modules) - before) and sys.path == paths


def test_two_capabilities_may_both_have_a_features_file(tmp_path: Path) -> None:
    """Each gets its own."""
    one = load(folder_of(tmp_path / "one"))
    two = load(folder_of(tmp_path / "two", features='PRICE = "returned"\n'))
    assert (one.inputs[0].columns, two.inputs[0].columns) == (("price",), ("returned",))


def test_a_module_of_that_name_that_is_there_already_does_not_get_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller's own ``features`` is not the capability's, and is back afterwards."""
    mine = types.ModuleType("features")
    monkeypatch.setitem(sys.modules, "features", mine)
    assert load(folder_of(tmp_path / "one")).inputs[0].columns == ("price",)
    assert sys.modules["features"] is mine


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    """Nothing was wrong with the declaration: there is none."""
    with pytest.raises(UsageError, match=r"there is no capability\.py") as caught:
        load(tmp_path)
    assert "plimsoll init" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 / 0", "could not be run: ZeroDivisionError: division by zero"),
        ("import no_such_module", "could not be run: ModuleNotFoundError"),
        ("capability = (", "could not be run: SyntaxError"),
        ("answer = 42", "does not define `capability`"),
        ("capability = 42", "does not define `capability`"),
        ('from plimsoll import at_least\nat_least("acu", 0.6)', "there is no metric named 'acu'"),
    ],
)
def test_a_file_that_does_not_declare_one_says_why(tmp_path: Path, text: str, said: str) -> None:
    """Raising, not parsing, or ending without it; the way is clear again afterwards."""
    paths = list(sys.path)
    with pytest.raises(InvalidDeclaration, match=said):
        load(folder_of(tmp_path / "one", capability=text))
    assert sys.path == paths and load(folder_of(tmp_path / "one2")).name == "returns"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('unit="id"', 'unit="ids"', "source: unit: the questions have no column 'ids'"),
        ('label="returned"', 'label="return"', "task: label: the questions have no column 'return'"),
        ("0.6)]", '0.6, by="pryce")]', "for each pryce: the questions have no column 'pryce'"),
        ("number(PRICE)", 'number("prize")', "features: the questions have no column 'prize'"),
    ],
)
def test_an_unknown_column_is_found_when_it_is_loaded(tmp_path: Path, old: str, new: str, said: str) -> None:
    """In the contract of the questions; the nearest right name is in the hint."""
    with pytest.raises(InvalidDeclaration, match=said) as caught:
        load(folder_of(tmp_path / "one", capability=DECLARED.replace(old, new)))
    assert "did you mean" in caught.value.hint


def test_a_missing_contract_is_named(tmp_path: Path) -> None:
    """By its path."""
    (folder_of(tmp_path / "one") / "orders.odcs.yaml").unlink()
    with pytest.raises(UsageError, match=r"orders\.odcs\.yaml"):
        load(tmp_path / "one")


def test_other_files_of_the_folder_are_loaded_the_same_way(tmp_path: Path) -> None:
    """A rehearsal, say: by its name and kind."""
    folder = folder_of(tmp_path / "one", rehearsal="from features import PRICE\nrehearsal = PRICE\n")
    assert load_object(folder, "rehearsal", str) == "price"


@pytest.mark.parametrize(
    ("answer", "changes", "said"),
    [
        ({"abstain_below": 1.2}, {}, "between 0 and 1"),
        ({"abstain_below": 0.7, "promise": ErrorAmongAnswered(0.1)}, {}, "give one of them"),
        ({"says": {"nobody": "x"}}, {}, "'nobody' is never said"),
        ({"stale_s": 0.0}, {}, "above zero"),
        ({"unsure": ["person", "abstain"]}, {}, "never reached"),
        ({"unsure": ["fallback"]}, {"fallback": None, "gate": [at_least("auc", 0.6)], "keep": [ERRORS]}, "no fallback"),
        ({"promise": ErrorAmongAnswered(0.1, within=3)}, {}, "this is a binary task"),
        ({"promise": WrongPerRequest(0.05)}, {}, "14 blocks cannot promise 0.05"),
    ],
)
def test_an_answer_policy_that_cannot_be_is_refused(answer: dict[str, Any], changes: dict[str, Any], said: str) -> None:
    """Each with the place and what would be right."""
    with pytest.raises(InvalidDeclaration, match=said):
        replace(GOOD, answer=Answer(**answer), **changes)


def test_a_regression_promises_with_a_tolerance() -> None:
    """Without one nobody could say what wrong is, and a bare threshold has nothing to compare with."""
    measured = {"task": Regression(label="days"), "gate": [at_most("mae", 3.0)], "keep": [ERRORS], "rollout": [Live()]}
    with pytest.raises(InvalidDeclaration, match="how far off"):
        replace(GOOD, **measured, answer=Answer(promise=ErrorAmongAnswered(0.1)))
    with pytest.raises(InvalidDeclaration, match="no confidence of its own"):
        replace(GOOD, **measured, answer=Answer(abstain_below=0.6))
    made = replace(GOOD, **measured, answer=Answer(promise=ErrorAmongAnswered(0.1, within=2.0)))
    assert made.answer.promise is not None and made.answer.rule(0.5).abstain_below == 0.5


@metric(unit="share", higher_is_better=False, tasks=["binary"])
def gap(scores: Any, labels: Any) -> Any:
    """Mean distance between what was said and what happened."""
    return abs(scores - labels)


def test_a_metric_of_its_own_is_named_where_it_is_measured() -> None:
    """A requirement on one that ``metrics`` does not have could never be measured; with it, it goes into the stages."""
    gate = [no_worse(gap, margin=0.1, than="champion")]
    with pytest.raises(InvalidDeclaration, match="gap") as caught:
        replace(GOOD, gate=gate)
    assert caught.value.hint == "name it under metrics=[…]"
    declared = replace(GOOD, gate=gate, metrics=[gap], report=[gap, "auc"])
    assert gate[0] in declared.stages[0].requires and declared.definition(gap) is gap
    with pytest.raises(InvalidDeclaration, match="two of them have one name"):
        replace(GOOD, metrics=[gap, gap])
