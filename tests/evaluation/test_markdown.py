"""What a pull request shows: the whole report in characters, bounded, with nothing that breaks it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
import pytest
from markdown_it import MarkdownIt

from plimsoll.evaluation import Calibration, evidence, measure, select
from plimsoll.evaluation.cells import cell
from plimsoll.evaluation.markdown import MOST_CHARACTERS, markdown
from plimsoll.evaluation.suite.behaviour import Behaved, Turn
from plimsoll.evaluation.suite.examination import Examination
from plimsoll.evaluation.suite.failures import Case, Failures, Group
from plimsoll.evaluation.suite.fairness import fairness
from plimsoll.evaluation.suite.weak import Segment, Weak
from plimsoll.kernel.explanation import explained
from plimsoll.kernel.requirement import at_least, at_most, no_worse
from plimsoll.kernel.verdict import Policy, judge

NOW = datetime(2013, 2, 1, tzinfo=UTC)
ASKED = (at_least("auc", 0.99), no_worse("log_loss", margin=0.5, than="champion", by="origin"))


@pytest.fixture(scope="module")
def everything(days: Any) -> dict[str, Any]:
    """All that a report can have, on fourteen days."""
    d = days(missing=0.03)
    given = d.rows | {"comparators": {"champion": d.fallback}}
    seen = measure(["log_loss", "auc"], **given)
    found = evidence(seen, ASKED, release="r" * 64, comparators={"champion": "c" * 64})
    verdict = judge(found, Policy(), NOW)
    case = Case(
        place=3, unit="<u|1>", asked_at="2013-01-02 08:00", said=0.9, happened="0", loss=2.3, others={"champion": 0.2},
        because=(("rain_mm", -0.25),),
    )  # fmt: skip
    group = Group(conditions=("rain = 1",), rows=7, share=0.7, share_of_all=0.1, lift=7.0, cases=(case,))
    told = {"rows": 900, "share": 0.15, "inside": 0.6, "elsewhere": 0.5, "difference": 0.1, "blocks": 7}
    segment = Segment(conditions=("origin = EWR", "rain | <b>"), low=0.02, confirmed=True, **told)
    failures = Failures(
        rows=10,
        of=500,
        from_loss=1.2,
        share_of_loss=0.25,
        unit="log_loss",
        worst=(case,),
        groups=(group,),
        parts_in="log-odds",
    )
    groups = fairness(
        "equal_opportunity_difference",
        by="origin",
        scores=d.scores,
        labels=d.labels,
        blocks=d.blocks,
        groups=d.origin,
    )
    behaved = Behaved(
        name="later is worse",
        kind="directional",
        fails=0.01,
        rows=100,
        failing=7,
        worst=(Turn(unit="u7", before=0.1, after=0.2),),
    )
    return {
        "verdict": verdict,
        "explanations": explained(verdict, found),
        "title": "arrival-delay v2",
        "release": "r" * 64,
        "evaluation": seen,
        "names": {"champion": "v1"},
        "notes": ["recurring rows: 12 %"],
        "checks": ["Overlap: 12 %."],
        "examination": Examination(
            behaviours=(behaved,),
            groups=(groups,),
            failures=failures,
            weak=(Weak(metric="log_loss", against="champion", looked_at=4116, segments=(segment,)),),
        ),
        "selection": select(None, task="binary", scores=d.scores, labels=d.labels, blocks=d.blocks, abstain_below=0.6),
        "calibration": Calibration(says=["3 A/A."], columns=("mutant", "why"), rows=[("cost_up", "nothing | asks")]),
        "differences": {"params.trees": ("60", "150")},
    }


def written(given: dict[str, Any], **other: Any) -> str:
    return markdown(**(given | other))


def tables(text: str) -> list[list[int]]:
    """How many cells each row of each table has, as a reader of GitHub's Markdown finds them."""
    found: list[list[int]] = []
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append(0)
        elif token.type in ("td_open", "th_open"):
            found[-1][-1] += 1
    return found


def test_it_says_everything_that_the_report_shows(everything: Any) -> None:
    """Each section folded, with its finding in the title."""
    text = written(everything)
    for said in (
        "Leakage and overlap", "Metrics", "Behaviour: 1 of 1 fail on more", "Between groups: equal_opportunity_difference",
        "Weak segments, log_loss lost against the champion: 1 confirmed of 1 tested", "Where it is most wrong",
        "Slices: log_loss lost against the champion", "Block by block", "Ranking and scores", "Reliability",
        "Moved against the champion", "What is answered", "What this gate can see", "What changed against the champion",
    ):  # fmt: skip
        assert f"<details><summary>{said}" in text, said
    assert text.count("<details>") == text.count("</details>")
    assert "moved most by, log-odds" in text and "rain\\_mm −0.2500" in text


def test_each_requirement_has_its_numbers_its_comparator_and_a_sentence(everything: Any) -> None:
    """What stands in the way first, what holds folded; against whom by name."""
    text = written(everything)
    first = text.splitlines()
    assert first[0] == "## Refused: arrival-delay v2" and "3 of 4 requirements hold" in first[2]
    assert "> **Note:** recurring rows: 12 %" in text
    assert "v1 (cccccccccccc)" in text and "┃" in text and "What stands in the way:" in text
    assert all(cell(x.says) in text for x in everything["explanations"])


def test_no_table_is_broken_by_what_stands_in_it(everything: Any) -> None:
    """Pipes and tags of people's names included: every row has as many cells as its head."""
    found = tables(written(everything))
    assert len(found) > 12 and all(len(set(rows)) == 1 for rows in found)


def test_more_than_a_comment_holds_is_left_out_by_name(everything: Any) -> None:
    """Whole sections, never half a table; the verdict always."""
    rows = [(f"mutant {i}", "x" * 400) for i in range(400)]
    big = Calibration(says=[], columns=("mutant", "why"), rows=rows)
    text = written(everything, calibration=big)
    assert len(text) < MOST_CHARACTERS + 2_000 and "Not shown here for want of room" in text
    assert "What changed against the champion" in text and text.count("<details>") == text.count("</details>")


def test_hundreds_of_findings_are_a_short_table(everything: Any) -> None:
    """The worst thirty; the rest is in the report."""
    many = tuple(
        msgspec.structs.replace(everything["explanations"][0], slice=f"pair={i}", says="No. " * 20) for i in range(435)
    )
    text = written(everything, explanations=many)
    assert "And 405 more, in the report." in text and len(text) < MOST_CHARACTERS + 2_000


def test_without_anything_but_a_verdict_it_is_the_verdict(everything: Any) -> None:
    """As of a release that a rehearsal made, which has no report."""
    text = markdown(everything["verdict"], everything["explanations"], title="a v1", release="r" * 64)
    assert text.count("<details>") <= 1 and "plimsoll explain rrrrrrrrrrrr" in text


def test_a_regressions_reliability_has_no_interval() -> None:
    """Means of labels are no rates: nothing is drawn that was not computed, and the errors are a histogram."""
    rng = np.random.default_rng(0)
    y = rng.normal(20, 9, 1_400)
    given = {"scores": y + rng.normal(size=1_400), "labels": y, "blocks": np.arange(1_400) // 100}
    seen = measure(["mae"], task="regression", **given)
    found = evidence(seen, [at_most("mae", 1.0)], release="r" * 64)
    verdict = judge(found, Policy(), NOW)
    text = markdown(verdict, explained(verdict, found), title="a v1", release="r" * 64, evaluation=seen)
    assert "| said | happened | rows |" in text and "errors, " in text and "What holds: 1 of 1 requirements" in text
    assert all(len(set(cells)) == 1 for cells in tables(text))
