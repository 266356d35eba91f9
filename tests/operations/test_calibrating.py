"""Twins and mutants through a capability's own gate and rollout, on the rows of the scaffold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from plimsoll.app import open_home
from plimsoll.capability import Capability, Split, load
from plimsoll.errors import UsageError
from plimsoll.kernel.requirement import at_least, at_most, no_worse
from plimsoll.kernel.rollout import Canary, Live, Shadow
from plimsoll.kernel.verdict import Policy
from plimsoll.operations.calibrating.document import document_of
from plimsoll.operations.calibrating.ground import recorded, starts
from plimsoll.operations.calibrating.keeping import calibration_of, keep, newest
from plimsoll.operations.calibrating.line import TWIN
from plimsoll.operations.calibrating.mutants import MUTANTS
from plimsoll.operations.calibrating.page import markdown_of, rows_of, sentences
from plimsoll.operations.calibrating.running import Plan, Results, calibrate
from plimsoll.outcome_metric import outcome_rate
from plimsoll.scaffold import sample_plan, write
from plimsoll.settings import Settings

CLOSE = no_worse("log_loss", margin=0.05, than="champion")
ASKED = (CLOSE, at_most("error_rate", 0.005), at_most("latency_p95_ms", 100))


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Capability:
    """A gate that lets out what is as good, and a rollout that ends within the recorded days."""
    folder = tmp_path_factory.mktemp("calibrate") / "orders"
    write(sample_plan("orders", "binary"), folder)
    return load(folder).variant(
        split=Split(gate_blocks=10),
        gate=[at_least("auc", 0.55), CLOSE],
        rollout=[Shadow(blocks=5, deadline_blocks=15, requires=ASKED), Canary(0.5, blocks=2, requires=ASKED), Live()],
        keep=[*ASKED[1:], no_worse("log_loss", margin=0.1, than="predecessor")],
        policy=Policy(alpha=0.1),
    )


def tried(orders: Capability, home: Path, plan: Plan) -> Results:
    settings = Settings(home=home)
    with open_home(settings) as opened:
        return calibrate(orders, plan, opened.yard(), settings.home / "calibrations", lambda done, total, what: None)


CHOSEN = (
    "labels_flipped",
    "feature_rescaled",
    "slice_broken_live",
    "latency_up",
    "errors_up",
    "cost_up",
    "threshold_moved",
)


@pytest.fixture(scope="module")
def results(orders: Capability, tmp_path_factory: pytest.TempPathFactory) -> Results:
    return tried(orders, tmp_path_factory.mktemp("home"), Plan(twins=3, starts=2, mutants=CHOSEN))


@pytest.fixture(scope="module")
def table(orders: Capability, results: Results) -> dict[str, Any]:
    return document_of(orders, results)


def test_twins_are_not_taken_back(table: dict[str, Any]) -> None:
    """As good as the champion, trained with another seed: nobody convicts them."""
    twins = table["twins"]
    assert twins["tried"] == 3 and twins["false_rollbacks"] == 0 == twins["false_refusals"]
    assert twins["live"] > 0 and twins["at_most"] < 1.0


def test_each_mutant_is_caught_where_it_can_be_seen(table: dict[str, Any]) -> None:
    """Wrong learning at the gate, wrong feeds by the skew of features, machinery by its counts, answers by their loss."""
    by = {m["mutant"]: m for m in table["mutants"]}
    seen = {name: tuple(by[name]["caught_in"]) for name in CHOSEN[:5]}
    assert seen["labels_flipped"] == ("gate",) and seen["feature_rescaled"] == ("shadow",)
    assert seen["latency_up"] == ("shadow",) and seen["errors_up"] == ("shadow",)
    assert all(by[name]["found"] and by[name]["answers"] == 0 for name in CHOSEN[:5])


def test_what_nothing_is_required_of_is_out_of_sight(table: dict[str, Any], orders: Capability) -> None:
    """It goes live, people see its answers, and the table says why."""
    by = {m["mutant"]: m for m in table["mutants"]}
    cost, silent = by["cost_up"], by["threshold_moved"]
    assert not cost["found"] and cost["reason"] == "nothing is required of what an answer costs" and cost["answers"] > 0
    assert silent["reason"] == "nothing is required of how many questions are answered"


def test_a_loss_within_the_margin_is_named_with_its_size(orders: Capability, results: Results) -> None:
    """Not caught, and the truth of it is known: what it costs, and what is allowed."""
    first = results.tried[-1]
    small = replace(first, specimen="feature_lost", end="live", effects={CLOSE.metric: (0.01, 0.02)})
    of = replace(results, tried=(small,), plan=Plan(mutants=("feature_lost",)))
    (row,) = document_of(orders, of)["mutants"]
    assert row["reason"] == "it costs 0.01 of log_loss, and 0.05 is allowed" and row["live"] == 1


def test_a_calibration_goes_on_where_it_was(orders: Capability, tmp_path: Path) -> None:
    """What was tried is read again; a line that was cut off is tried again, with the same result."""
    plan = Plan(twins=1, starts=1, mutants=("errors_up",))
    first = tried(orders, tmp_path, plan)
    (file,) = (tmp_path / "calibrations").glob("*.jsonl")
    whole = file.read_bytes()
    file.write_bytes(whole[:-40])
    again = tried(orders, tmp_path, plan)
    assert again == first and again.tried[-1].end == "rolled back"
    assert [t.specimen for t in again.tried] == [TWIN, "errors_up"]


def test_the_newest_calibration_of_what_is_declared_is_found(
    orders: Capability, table: dict[str, Any], tmp_path: Path
) -> None:
    """Of another declaration it is none: what was calibrated was another gate."""
    with open_home(Settings(home=tmp_path)) as home:
        keep(home.catalog, table, home.clock.now())
        found = newest(home.catalog, orders)
        assert found is not None and rows_of(found) == rows_of(table)
        assert (calibration_of(home.catalog, orders) or ((),))[0] == sentences(table)
        assert newest(home.catalog, orders.variant(policy=Policy(alpha=0.01))) is None


def test_the_table_has_a_row_a_mutant(table: dict[str, Any]) -> None:
    """As Markdown too, with the reasons."""
    assert len(rows_of(table)) == len(CHOSEN)
    text = markdown_of(table)
    assert text.count("\n| ") == len(CHOSEN) + 1 and "False rollbacks: 0 of" in text


def test_too_few_rows_are_refused(orders: Capability, tmp_path: Path) -> None:
    """With the number that there are."""
    with open_home(Settings(home=tmp_path)) as home:
        rows = recorded(orders, home.yard())
        few = rows.questions.take(np.isin(rows.questions.blocks, np.unique(rows.questions.blocks)[:20]))
    with pytest.raises(UsageError, match="20 recorded blocks are too few"):
        starts(orders, few, 3)
    with pytest.raises(UsageError, match="no mutant"):
        tried(orders, tmp_path, Plan(mutants=("label_flipped",)))


def test_what_recorded_rows_cannot_tell_is_refused(orders: Capability, tmp_path: Path) -> None:
    """Outcomes of other answers say nothing of a mutant's, and a ranking's rows are worth nothing one by one."""
    returned = outcome_rate(higher_is_better=False)
    canary = Canary(0.5, blocks=14, requires=(no_worse(returned, margin=0.1, than="champion"),))
    influencing = orders.variant(
        influences_outcome=True, metrics=[returned], rollout=[canary, Live()], keep=[at_most("error_rate", 0.01)]
    )
    with open_home(Settings(home=tmp_path)) as home, pytest.raises(UsageError, match="turned out as they did"):
        recorded(influencing, home.yard())


def test_every_mutant_is_broken_in_one_way() -> None:
    """A name, a sentence, and one thing that it does."""
    assert len({m.name for m in MUTANTS}) == len(MUTANTS) >= 12
    for m in MUTANTS:
        ways = [m.learnt, m.rows, m.answers, m.error_share or None, m.late or None, m.silent or None]
        assert sum(way is not None for way in ways) + (m.dearer != 1.0) == 1, m.name
