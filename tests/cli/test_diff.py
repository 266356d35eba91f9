"""Two releases side by side."""

from datetime import UTC, datetime, timedelta

import pytest

from plimsoll.kernel.case import Decision
from plimsoll.kernel.digest import canonical
from plimsoll.kernel.enqueue import gated
from plimsoll.kernel.manifest import Manifest
from plimsoll.kernel.ports import ReleaseRow
from plimsoll.kernel.records import Answer, Beside, Event
from plimsoll.kernel.requirement import at_least, no_worse
from plimsoll.kernel.verdict import Block, Evidence, Policy, judge
from plimsoll.operations.act import carry_out
from plimsoll.operations.notify import LogNotifier
from plimsoll.settings import Settings
from plimsoll.store import LocalObjects, SegmentLog, SqlCatalog

T0 = datetime(2025, 3, 1, 12, tzinfo=UTC)


def blocks(mean: float, *, missing: int = 0) -> tuple[Block, ...]:
    values = [mean + 0.01 * ((7 * i) % 5 - 2) for i in range(14)]
    return tuple(Block(f"2025-02-{i + 1:02}", 100, v, v, v, -9.0, missing) for i, v in enumerate(values))


def manifest(seed: int, code: str, features: list[str], **settings: object) -> Manifest:
    answer = {"abstain_below": 0.1 * seed}
    schema = {"inputs": [{"name": name} for name in features]}
    return Manifest(
        capability="returns",
        artifacts={"model": f"{seed}" * 64, "code": code},
        snapshots={"orders": "a" * 64},
        settings={"seed": seed, "answer": answer, "schema": schema, **settings},
    )


@pytest.fixture
def two(tmp_path):
    """``old`` and ``new``, both gated on the same fourteen days; ``new`` was compared with ``old``, too."""
    settings = Settings(home=tmp_path / "home")
    settings.home.mkdir()
    catalog = SqlCatalog(settings.catalog_url)
    objects = LocalObjects(settings.objects)
    codes = [objects.put(canonical({"train": "t", "view weather": name})) for name in "ab"]
    made = {
        "old": manifest(1, codes[0], ["hour", "shop"]),
        "new": manifest(2, codes[1], ["hour", "price"], drill={"latency_ms": 1}),
    }
    for label, m in made.items():
        row = ReleaseRow(digest=m.digest, capability="returns", manifest=m, label=label, created_at=T0)
        catalog.add_release(row)
    old, new = (m.digest for m in made.values())
    gate(catalog, old, auc=0.70, third=-0.10)
    gate(catalog, new, auc=0.75, third=-0.15, direct=old)
    log = SegmentLog(settings.segments, writer="given")
    log.append(asked(old, new))
    log.close()
    catalog.close()
    return settings.home


def gate(catalog: SqlCatalog, release: str, *, auc: float, third: float, direct: str = "") -> None:
    def of(requirement, mean, comparator=""):
        return Evidence(
            requirement=requirement, release=release, source="gate", comparator=comparator, blocks=blocks(mean)
        )

    given = [
        of(at_least("auc", 0.6), auc),
        of(no_worse("brier", margin=0.02, than="fallback"), third, "fallback"),
    ]
    if direct:
        given.append(of(no_worse("log_loss", margin=0.02, than="champion"), 0.01, direct))
    decision: Decision = gated(
        catalog.deployment("returns"), release, judge(given, Policy(), T0), tuple(given), label="x"
    )
    carry_out(decision, catalog=catalog, notifier=LogNotifier(), fence=None, now=T0)


def asked(old: str, new: str) -> list[Event | Beside]:
    """Ten questions that the old one answered in 10 ms, and the new one beside it in 30."""
    found: list[Event | Beside] = []
    for n in range(10):
        served = Answer(release=old, role="live", score=0.5, latency_ms=10.0)
        found.append(
            Event(
                id=f"e{n}",
                capability="returns",
                at=T0 + timedelta(minutes=n),
                block="b",
                unit="u",
                inputs={},
                served=served,
                cost_usd=0.002,
            )
        )
        beside = Answer(release=new, role="shadow", score=0.5, latency_ms=30.0)
        found.append(Beside(event=f"e{n}", answers=(beside,)))
    return found


def test_diff_names_what_changed_by_part(run, two):
    """Features that came and went, the parameters, the threshold, the model; equal parts are empty."""
    parts = run("diff", "old", "new", "--home", two, "--json").document["parts"]
    (features,) = parts["features"]
    assert features["gone"] == [{"name": "shop"}] and features["new"] == [{"name": "price"}]
    assert parts["threshold"][0]["path"] == "settings.answer.abstain_below" and not parts["answer policy"]
    assert parts["parameters"][0]["b"] == 2 and parts["model"] and parts["other"] and not parts["data"]


def test_diff_says_which_code_changed(run, two):
    """By name, as the code artifact lists it; what is the same is not there."""
    code = run("diff", "old", "new", "--home", two, "--json").document["parts"]["code"]
    assert [c["path"] for c in code] == ["artifacts.code", "view weather"] and code[1]["b"] == "b"


def test_quality_is_paired_by_the_nearest_way(run, two):
    """One was the other's comparator; both were measured alone; both against a third: always how much worse the second is."""
    quality = {q["metric"]: q for q in run("diff", "old", "new", "--home", two, "--json").document["quality"]}
    assert quality["log_loss"]["way"] == "direct" and quality["log_loss"]["worse_by"] == pytest.approx(0.01, abs=1e-3)
    assert quality["auc"]["way"] == "same" and quality["auc"]["worse_by"] == pytest.approx(-0.05)
    assert quality["brier"]["way"] == "third" and quality["brier"]["says"] == "better"
    assert quality["auc"]["blocks"] == 14


def test_turned_around_the_signs_turn(run, two):
    """How much worse the old one is than the new."""
    there = {q["metric"]: q["worse_by"] for q in run("diff", "old", "new", "--home", two, "--json").document["quality"]}
    back = {q["metric"]: q["worse_by"] for q in run("diff", "new", "old", "--home", two, "--json").document["quality"]}
    assert back == pytest.approx({metric: -value for metric, value in there.items()})


def test_latency_and_cost_are_those_of_recorded_answers(run, two):
    """Shown ones and those beside; only a shown one has a cost."""
    ran = run("diff", "old", "new", "--home", two, "--json").document["running"]
    assert ran["a"]["latency_p95_ms"] == 10.0 and ran["b"]["latency_p95_ms"] == 30.0
    assert ran["a"]["cost_per_1k_usd"] == pytest.approx(2.0) and ran["b"].get("cost_per_1k_usd") is None
    assert (ran["a"]["served"], ran["b"]["served"]) == (10, 0)


def test_diff_reads_well_on_a_screen_and_in_a_pull_request(run, two, tmp_path):
    """The same tables."""
    ran = run("diff", "old", "new", "--home", two, "--markdown", tmp_path / "sub" / "changes.md")
    text = (tmp_path / "sub" / "changes.md").read_text()
    for said in ("What changed", "Running", "price", "30"):
        assert said in ran.out and said in text
    assert "| auc |" in text


def test_a_release_against_itself_differs_in_nothing(run, two):
    """And its quality differs by exactly zero."""
    ran = run("diff", "old", "old", "--home", two)
    assert ran.code == 0 and "the two are one release" in ran.out


def test_releases_that_never_met_are_not_compared(run, home):
    """The page says so instead of comparing other days."""
    ran = run("diff", "second", "third", "--home", home.path)
    assert ran.code == 0 and "never measured on the same blocks" in ran.out


def test_an_unknown_release_is_wrong_usage(run, two):
    """With the near labels."""
    assert run("diff", "old", "neww", "--home", two).code == 2
