"""Two releases on the same recorded questions: how they differ, what is kept for labelling, and what the labels say."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from cli.conftest import CAPABILITY, T0, Home
from plimsoll.kernel.records import Answer, Beside, Event, Outcome, Record
from plimsoll.operations.answered.disagreement import MOST
from plimsoll.settings import Settings
from plimsoll.store import SegmentLog

ROWS = 1_200


def recorded(home: Home) -> dict[str, float]:
    """``first`` is shown, ``second`` answers beside: further from the truth by noise, and wrong on each hundredth row. The
    label that each event will have."""
    rng = np.random.default_rng(7)
    truth = rng.beta(2, 2, ROWS)
    label = (rng.random(ROWS) < truth).astype(float)
    noisy = np.clip(truth + 0.1 * rng.standard_normal(ROWS), 0.01, 0.99)
    noisy[::100] = 1 - truth[::100]
    records: list[Record] = []
    for i in range(ROWS):
        at = T0 + timedelta(minutes=30 * i)
        shown = Answer(release=home.releases["first"], role="live", score=float(truth[i]))
        aside = Answer(release=home.releases["second"], role="shadow", score=float(noisy[i]))
        event = Event(
            id=f"e{i}", capability=CAPABILITY, at=at, block=f"{at:%Y-%m-%d}", unit=f"u{i}", inputs={}, served=shown
        )
        records += [event, Beside(event=event.id, answers=(aside,))]
    written(home, records)
    return {f"e{i}": float(label[i]) for i in range(ROWS)}


def written(home: Home, records: Sequence[Record]) -> None:
    log = SegmentLog(Settings(home=home.path).segments, durability="process")
    log.append(records)
    log.close()


def asked(run: Callable[..., Any], home: Home, *words: str) -> Any:
    ran = run("disagreements", "second", "--against", "first", "--home", home.path, *words, "--json")
    assert ran.code == 0, ran.err
    return ran.document


def test_how_far_they_part_and_how_many_decisions_change(home: Home, run: Callable[..., Any]) -> None:
    """The distribution adds up; the share of changed decisions has bounds from its blocks; the worst come first."""
    recorded(home)
    found = asked(run, home)
    d = found["difference"]
    assert d["rows"] == ROWS == sum(d["counts"]) and found["blocks"] == 25 + 1
    assert d["changed"]["low"] < d["changed"]["estimate"] < d["changed"]["high"] < 0.3
    assert sum(d["moved"].values()) == round(d["changed"]["estimate"] * ROWS)
    apart = [(not c["changed"], -abs(c["difference"])) for c in found["worst"]]
    assert len(apart) == MOST and apart == sorted(apart) and found["estimates"] == []


def test_the_cases_are_written_to_be_labelled(home: Home, run: Callable[..., Any], tmp_path: Path) -> None:
    """Worst or sample; the label is left open, and the page shows the first of them."""
    recorded(home)
    asked(run, home, "--csv", str(tmp_path / "worst.csv"))
    asked(run, home, "--cases", "sample", "--csv", str(tmp_path / "sample.csv"))
    worst, sample = (
        list(csv.DictReader((tmp_path / f"{n}.csv").read_text().splitlines())) for n in ("worst", "sample")
    )
    assert len(worst) == len(sample) == MOST and {row["label"] for row in worst} == {""}
    assert {row["id"] for row in worst} != {row["id"] for row in sample}
    page = run("disagreements", "second", "--against", "first", "--home", home.path).out
    assert worst[0]["id"] in page and "of the random sample are labelled" in page


def test_few_labels_of_the_sample_say_who_is_better(home: Home, run: Callable[..., Any]) -> None:
    """200 random labels among 1,200 answers: the noisy one is worse, with an interval."""
    labels = recorded(home)
    sample = [case["id"] for case in asked(run, home)["sample"]]
    written(home, [Outcome(event=i, label=labels[i], at=T0 + timedelta(days=30)) for i in sample])
    found = asked(run, home)
    loss = found["estimates"][0]
    assert found["sample_labelled"] == MOST == loss["labels"] and loss["metric"] == "log_loss"
    assert loss["low"] < loss["worse_by"] < loss["high"] and loss["worse_by"] > 0 and 0 < loss["weight"] <= 1


def test_what_was_kept_outlives_the_events(home: Home, run: Callable[..., Any]) -> None:
    """Events that retention took are still in the lists, beside those that came since."""
    recorded(home)
    before = asked(run, home)
    late = asked(run, home, "--since", f"{T0 + timedelta(minutes=30 * 1_100):%Y-%m-%dT%H:%M}")
    assert late["difference"]["rows"] == 100 and late["worst"] == before["worst"]
    assert late["sample"] == before["sample"]


def test_without_a_common_question_there_is_nothing(home: Home, run: Callable[..., Any]) -> None:
    """Said with what to do; and a release is compared with whom its rollout meets, unless told otherwise."""
    recorded(home)
    ran = run("disagreements", "third", "--against", "first", "--home", home.path, "--json")
    assert ran.code == 2 and "no question in common" in ran.error["error"]
    assert run("disagreements", "second", "--home", home.path, "--json").document["against"] == "first"
