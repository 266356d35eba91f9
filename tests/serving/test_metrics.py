"""What a scrape says: a valid exposition with bounded labels, and counters that cost no look-up."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from plimsoll.cli.reference import metrics_page
from plimsoll.kernel.records import STAGES, Answer, Event
from plimsoll.serving.cost import Prices
from plimsoll.serving.metrics import FAMILIES, OF_PROCESS, Metrics, exposition
from plimsoll.serving.reply import Reply, reply_of
from plimsoll.serving.tallies import BOUNDS_S, MOST_NAMES, OTHER, Buckets, ByName

from .conftest import T0, live, parcel
from .running import running

RULES = Path(__file__).parents[2] / "docs" / "reference" / "prometheus-rules.yaml"


def reply(**changes: Any) -> Reply:
    served = Answer(release="r", role="live", score=0.5, latency_ms=changes.pop("latency_ms", 1.0), error="")
    event = Event(id="e", capability="late", at=T0, block="b", unit="u", inputs={}, served=served, **changes)
    return reply_of(event, served)


def samples(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(text.decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples}


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return samples(metrics.text()).get((name, tuple(sorted({"capability": "late", **labels}.items()))))


def test_a_turn_is_counted_once_for_each_question() -> None:
    """Answers by what was done, reasons, tenants, hits and money."""
    metrics = Metrics("late", prices=Prices(core_second_usd=1.0))
    metrics.answered(
        [
            reply(cost_usd=0.25, tenant="a"),
            reply(action="person", reason="unsure: person", cost_usd=0.75),
            reply(cached=True, tenant="b"),
        ]
    )
    assert value(metrics, "plimsoll_answers_total", role="live", action="answer") == 2
    assert value(metrics, "plimsoll_reasons_total", reason="unsure: person") == 1
    assert value(metrics, "plimsoll_tenant_answers_total", tenant="b") == 1
    assert value(metrics, "plimsoll_answers_cost_usd_total") == 1.0
    assert value(metrics, "plimsoll_cache_hits_total") == 1
    assert value(metrics, "plimsoll_cache_saved_usd_total") == 0.5, "a hit saves what the others cost on average"


def test_a_stage_is_filled_for_the_whole_turn() -> None:
    """Every question of it spent that time there."""
    metrics = Metrics("late")
    metrics.answered([reply(stages_us=(1, 2, 3, 4, 500, 60, 7))] * 3, record_us=2_000.0)
    assert value(metrics, "plimsoll_stage_seconds_count", stage="features") == 3
    assert value(metrics, "plimsoll_stage_seconds_sum", stage="features") == pytest.approx(3 * 500e-6)
    assert value(metrics, "plimsoll_stage_seconds_bucket", stage="record", le="0.001") == 0
    assert value(metrics, "plimsoll_stage_seconds_bucket", stage="record", le="0.0025") == 3
    assert {s for s in STAGES if value(metrics, "plimsoll_stage_seconds_count", stage=s)} == set(STAGES)


def test_a_bucket_holds_what_is_at_or_below_its_bound() -> None:
    """As the format defines it; the last one holds everything."""
    buckets = Buckets()
    for seconds in (*BOUNDS_S, 99.0):
        buckets.add(seconds)
    found = buckets.cumulative()
    assert [count for _, count in found] == list(range(1, len(BOUNDS_S) + 2))
    assert found[-1][0] == "+Inf"


def test_names_that_strangers_choose_are_bounded() -> None:
    """The first ones keep their label, whoever comes later; the rest is one."""
    names = ByName()
    for i in range(MOST_NAMES + 30):
        names.add(f"tenant {i}")
    names.add("tenant 0")
    assert len(names) == MOST_NAMES + 1
    assert (names["tenant 0"], names[OTHER]) == (2, 30)


def test_what_costs_is_not_known_without_a_price() -> None:
    """No price, no series: a zero would look like a figure."""
    assert b"_usd" not in Metrics("late").text()
    metrics = Metrics("late", prices=Prices(core_second_usd=1.0, gpu_second_usd=2.0))
    metrics.answered([reply()] * 10)
    found = samples(metrics.text())
    assert found["plimsoll_cost_per_1k_usd", ()] == pytest.approx(
        100 * found["plimsoll_process_cost_usd_total", ()], rel=0.5
    )


def test_several_capabilities_share_one_exposition() -> None:
    """Each family once, as the format asks."""
    one, two = Metrics("one"), Metrics("two")
    for each in (one, two):
        each.answered([reply()])
        each.circuits = lambda: {"features": "open"}
    text = exposition([one, two])
    assert text.count(b"# TYPE plimsoll_answers_total counter") == 1
    labels = {dict(key[1])["capability"] for key in samples(text) if key[0] == "plimsoll_answers_total"}
    assert labels == {"one", "two"}


def test_a_dependency_is_in_one_state_of_its_circuit() -> None:
    """One for the state that it is in, zero for the others."""
    metrics = Metrics("late")
    metrics.circuits = lambda: {"features": "half_open"}
    states = {
        s: value(metrics, "plimsoll_circuit_state", dependency="features", state=s)
        for s in ("closed", "open", "half_open")
    }
    assert states == {"closed": 0.0, "open": 0.0, "half_open": 1.0}


def full() -> Metrics:
    """Every family with a value."""
    metrics = Metrics("late", prices=Prices(core_second_usd=1e-5, gpu_second_usd=1e-4))
    metrics.answered([reply(reason="unsure: person", tenant='quo"te\n', stages_us=(1,) * 7, cost_usd=1e-6)])
    metrics.circuits = lambda: {"features": "closed"}
    metrics.refused(503)
    metrics._errors["live"] += 1
    metrics._outcomes["accepted"] += 1
    return metrics


def test_every_declared_family_is_shown_and_no_other() -> None:
    """The reference is made from the declarations: what is not declared would be in no document."""
    shown = {f.name for f in text_string_to_metric_families(full().text().decode()) if f.name.startswith("plimsoll")}
    assert shown == {family.name for family in (*FAMILIES, *OF_PROCESS)}


promtool = pytest.mark.skipif(  # no service, and on no index of packages: `make test` cannot have it installed
    shutil.which("promtool") is None, reason="promtool (Debian: prometheus) is not installed"
)


@promtool
def test_promtool_finds_nothing_wrong_with_the_exposition() -> None:
    """The official linter reads it."""
    done = subprocess.run(["promtool", "check", "metrics"], input=full().text(), capture_output=True, timeout=60)
    ours = [line for line in done.stdout.decode().splitlines() if line.startswith("plimsoll")]
    assert (done.stderr, ours) == (b"", []), done.stdout.decode()


@promtool
def test_promtool_accepts_the_rules() -> None:
    """The alerts that are shipped can be loaded."""
    done = subprocess.run(["promtool", "check", "rules", str(RULES)], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode() + done.stdout.decode()


def test_rules_only_name_what_is_shown() -> None:
    """A renamed metric must not leave an alert that never rings."""
    names = set(re.findall(r"\| `(plimsoll_\w+)` \|", metrics_page()))
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            used = {w for w in _words(rule["expr"]) if w.startswith("plimsoll_")}
            assert {w.removesuffix("_bucket") for w in used} <= names, rule


def _words(expression: str) -> set[str]:
    kept = "".join(c if c.isalnum() or c in "_:" else " " for c in expression)
    return set(kept.split())


def test_a_server_says_what_it_cost_and_where_the_time_went(yard: Any) -> None:
    """Over HTTP, after one question: its cost is in the event, too."""
    row = yard.release()
    with running(yard, live(row.digest), rows=[row], prices=Prices(core_second_usd=1e-5)) as up:
        assert up.call("POST", "/v1/capabilities/parcel-late/ask", {"inputs": parcel(1)})[0] == 200
        text = up.call_raw("GET", "/metrics")[1].decode()
    assert 'plimsoll_stage_seconds_count{capability="parcel-late",stage="engine"} 1.0' in text
    assert "plimsoll_cost_per_1k_usd" in text and "process_resident_memory_bytes" in text
    (event,) = [r for r in yard.log.read()[0] if isinstance(r, Event)]
    assert 0.0 < event.cost_usd < 1e-3
