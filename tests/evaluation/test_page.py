"""The report is one file that shows everything and loads nothing."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import msgspec
import numpy as np
import pytest
from sklearn.metrics import precision_recall_curve

from plimsoll.evaluation import Calibration, evidence, markdown_of, measure, plots, report, sheet
from plimsoll.evaluation.gauge import gauge
from plimsoll.evaluation.suite.examination import Examination
from plimsoll.evaluation.suite.failures import Case, Failures, Group
from plimsoll.evaluation.suite.weak import Segment, Weak
from plimsoll.kernel.explanation import explained
from plimsoll.kernel.manifest import Manifest, differences
from plimsoll.kernel.requirement import at_least, better, no_worse
from plimsoll.kernel.verdict import Evidence, Policy, Ruling, Verdict, judge

NOW = datetime(2013, 2, 1, tzinfo=UTC)
OLD = Manifest(capability="arrival-delay", artifacts={"model": "a" * 64}, settings={"params": {"trees": 60}})
NEW = Manifest(capability="arrival-delay", artifacts={"model": "b" * 64}, settings={"params": {"trees": 150}})


class Tags(HTMLParser):
    """Which tags stand in a page, with their ids and what they would load."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(str(value))
            if name in ("src", "href", "xlink:href") and not str(value).startswith("#"):
                self.loads.append(str(value))


@pytest.fixture(scope="module")
def found(days: Any) -> Any:
    return measure(["log_loss", "auc", "calibration_error"], **days(missing=0.03).rows)


@pytest.fixture(scope="module")
def verdict(found: Any) -> Verdict:
    asked = (at_least("auc", 0.99), no_worse("log_loss", margin=0.01, than="fallback", by="origin"))
    return judge(evidence(found, asked, release=NEW.digest, comparators={"fallback": "fallback"}), Policy(), NOW)


def written(found: Any, verdict: Verdict, **more: Any) -> str:
    return report(
        found, verdict, NEW, title="A <b>bold</b> retraining", differences=differences(OLD, NEW), **more
    ).decode()


@pytest.fixture(scope="module")
def explanations(found: Any, verdict: Verdict) -> Any:
    asked = (at_least("auc", 0.99), no_worse("log_loss", margin=0.01, than="fallback", by="origin"))
    return explained(verdict, evidence(found, asked, release=NEW.digest, comparators={"fallback": "fallback"}))


def test_each_finding_is_said_in_a_sentence_where_it_is_given(found: Any, verdict: Verdict, explanations: Any) -> None:
    """Under its requirement, escaped; and without explanations the numbers stand alone."""
    said = [msgspec.structs.replace(x, says=f"Sentence {i} <b>") for i, x in enumerate(explanations)]
    page = written(found, verdict, explanations=said).partition("<template")[0]
    assert all(f"Sentence {i} &lt;b&gt;" in page for i in range(len(said)))
    assert "Sentence" not in written(found, verdict)


def test_the_page_carries_itself_as_markdown(found: Any, verdict: Verdict, explanations: Any) -> None:
    """Inert, escaped, and read back as it was made; an earlier page has none."""
    page = written(found, verdict, explanations=explanations, notes=["a </template> & <b>"])
    carried = markdown_of(page.encode())
    assert carried is not None and carried.startswith("## Refused: A \\<b>bold\\</b> retraining")
    assert "a \\</template> & \\<b>" in carried and page.count("</template>") == 1
    assert markdown_of(b"<html></html>") is None


def test_what_is_left_of_zero_is_shown_as_zero() -> None:
    """A headline never shows the noise of a sum."""
    assert sheet.number(-2.143e-13) == "0.0000" and sheet.signed(3e-12) == "+0.0000" and sheet.number(2e-5) == "2.0e−05"


def test_the_page_says_what_was_decided_and_why(found: Any, verdict: Verdict) -> None:
    """The headline, the sentence of each requirement that decided, and every finding."""
    text = written(found, verdict)
    assert "Refused" in text and verdict.reasons[0] in text and NEW.digest in text
    assert text.count('class="gauge"') == len(verdict.findings) == 4
    assert "params.trees" in text and "origin=other" in text and f"({100 * found.missing / found.rows:.1f} %)" in text


def test_the_page_loads_nothing(found: Any, verdict: Verdict) -> None:
    """No script, no font, no picture from anywhere; the only addresses are XML namespaces."""
    tags = Tags()
    tags.feed(written(found, verdict))
    assert tags.loads == [] and "script" not in tags.tags and "link" not in tags.tags


def test_the_plots_are_there_and_their_ids_do_not_clash(found: Any, verdict: Verdict) -> None:
    """ROC, precision, reliability, scores, moves, two over blocks, one of slices; each SVG keeps its ids to itself."""
    text = written(found, verdict)
    tags = Tags()
    tags.feed(text)
    assert text.count('class="marks"') == 8
    assert len(tags.ids) == len(set(tags.ids))


def test_what_users_write_is_escaped(found: Any, verdict: Verdict) -> None:
    """A title is text, not markup."""
    text = written(found, verdict, notes=["<script>alert(1)</script>"], names={"fallback": "<i>"})
    assert "<b>bold</b>" not in text and "<script>" not in text and "&lt;i&gt;" in text


def test_the_same_data_gives_the_same_bytes_quickly(found: Any, verdict: Verdict) -> None:
    """After the first of a process, within two seconds and a megabyte."""
    first = written(found, verdict)
    started = time.process_time()
    assert written(found, verdict) == first
    assert time.process_time() - started < 2.0 and len(first) < 1_000_000


def test_the_plots_are_valid_vega_lite(found: Any) -> None:
    """Altair checks them against its schema, which is left out when a report is made."""
    log_loss = [m for m in found.measures if m.metric == "log_loss" and m.comparator]
    made = [chart for _, chart in plots.drawn(found)]
    made += [plots.over_blocks(log_loss[:1], "nats"), plots.forest(log_loss, "nats")]
    for chart in made:
        chart.to_dict(validate=True)


def test_precision_over_recall_is_scikit_learns(days: Any) -> None:
    """Each point of the curve is one of theirs; the last is the base rate."""
    d = days()
    line = measure(["log_loss"], scores=d.scores, labels=d.labels, blocks=d.blocks).curves.precision[0]
    right, found, _ = precision_recall_curve(d.labels, d.scores)
    theirs = {(float(f"{f:.6g}"), float(f"{r:.6g}")) for f, r in zip(found, right, strict=True)}
    assert set(zip(line.found, line.right, strict=True)) <= theirs
    assert line.found[-1] == 1.0 and line.right[-1] == pytest.approx(d.labels.mean(), abs=1e-6)


def test_a_shift_says_how_far_the_answers_moved(days: Any) -> None:
    """On average, and how many are another class now; the fallback that stands in for a champion is shown once."""
    d = days()
    given = {"champion": d.scores + 0.001, "fallback": d.scores + 0.001}
    found = measure(["log_loss"], **(d.rows | {"comparators": given})).curves.shift
    assert [s.who for s in found] == ["champion"] and found[0].mean_size == pytest.approx(0.001)
    assert 0 < found[0].other_class < 0.01 and sum(b.n for b in found[0].bars) == len(d.labels)


def test_the_worst_rows_are_shown_to_a_person(found: Any, verdict: Verdict) -> None:
    """With their ids, escaped, and what was said instead; without an examination there is no such section."""
    case = Case(
        place=7, unit="<u1>", asked_at="2013-01-02 08:00", said=0.9, happened="0", loss=2.3, others={"champion": 0.2}
    )
    group = Group(conditions=("rain = 1",), rows=7, share=0.7, share_of_all=0.1, lift=7.0, cases=(case,))
    rest = Group(conditions=(), rows=3, share=0.3, share_of_all=0.9, lift=None, cases=(case,))
    seen = Failures(
        rows=10, of=500, from_loss=1.2, share_of_loss=0.25, unit="log_loss", worst=(case,), groups=(group, rest)
    )
    page = written(found, verdict, examination=Examination(failures=seen))
    assert "&lt;u1&gt;" in page and "rain = 1" in page and "25.0 % of all log_loss" in page and "champion said" in page
    assert "most wrong" not in written(found, verdict)


def test_weak_segments_are_shown_with_what_is_sure_about_them(found: Any, verdict: Verdict) -> None:
    """Which were confirmed, and out of how many that were looked at."""
    told = {"rows": 900, "share": 0.15, "inside": 0.6, "elsewhere": 0.5, "difference": 0.1, "blocks": 7}
    segments = (
        Segment(conditions=("origin = EWR", "rain <b>"), low=0.02, confirmed=True, **told),
        Segment(conditions=("rain = 1",), low=None, confirmed=False, **told),
    )
    seen = Examination(weak=(Weak(metric="log_loss", against="champion", looked_at=4116, segments=segments),))
    page = written(found, verdict, examination=seen)
    assert "log_loss lost against the champion: 1 confirmed of 2 tested, 4,116 looked at" in page
    assert "origin = EWR, rain &lt;b&gt;" in page and "+0.0200" in page and "not confirmed" in page


def test_other_tasks_have_a_report_too() -> None:
    """Regression shows errors, multiclass how sure the likeliest class was."""
    rng = np.random.default_rng(0)
    blocks, labels = np.arange(800) // 80, rng.normal(20, 9, size=800)
    regression = measure(["mae"], task="regression", scores=labels + rng.normal(size=800), labels=labels, blocks=blocks)
    classes = rng.integers(0, 3, size=800).astype(float)
    multiclass = measure(
        ["accuracy"], task="multiclass", scores=rng.dirichlet([1, 1, 1], size=800), labels=classes, blocks=blocks
    )
    for made, title in ((regression, "Errors"), (multiclass, "Scores")):
        text = report(made, judge((), Policy(), NOW), NEW, title="Another task").decode()
        assert f"<h3>{title}</h3>" in text and "this is the first release" in text and "nothing was judged" in text


def test_an_invalid_release_has_a_report_without_numbers() -> None:
    """Where nothing could be measured the page says why."""
    leak = Evidence(
        requirement=at_least("auc", 0.6), release="r", source="gate", problems=("dep_delay is known 3 h too late",)
    )
    text = report(None, judge((leak,), Policy(), NOW), NEW, title="Leaky").decode()
    assert "Invalid" in text and "dep_delay is known 3 h too late" in text


def test_without_the_extra_the_numbers_are_still_there(
    found: Any, verdict: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plots' libraries are optional; the page says how to get them."""
    monkeypatch.setattr(sheet, "find_spec", lambda name: None)
    text = written(found, verdict)
    assert "plimsoll[report]" in text and "<h2>Requirements</h2>" in text and 'class="marks"' not in text


def test_the_gauge_puts_the_limit_on_the_right_side(found: Any, verdict: Verdict) -> None:
    """An AUC that misses 0.99 lies left of the load line."""
    drawn = gauge(verdict.findings[0])
    dot, line = (float(drawn.split(mark)[1].split('"')[1]) for mark in ("<circle ", 'class="limit" '))
    assert dot < line and "limit 0.99" in drawn


def test_a_finding_without_an_estimate_has_no_gauge(found: Any) -> None:
    """Nothing is drawn where nothing is known."""
    one = judge((Evidence(requirement=better("auc", than="champion"), release="r", source="gate"),), Policy(), NOW)
    assert one.ruling is Ruling.INCONCLUSIVE and gauge(one.findings[0]) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.12345, "0.1235"),
        (-1.972e-5, "−2.0e−05"),
        (12345.6, "12,346"),
        (123.456, "123.5"),
        (0.0, "0.0000"),
    ],
)
def test_numbers_are_short(value: float | None, text: str) -> None:
    """For reading, not for computing."""
    assert sheet.number(value) == text


def test_a_calibration_of_the_gate_stands_in_the_report(found: Any, verdict: Verdict) -> None:
    """What the gate can see, and what it cannot, beside what it said."""
    seen = Calibration(says=["3 A/A releases: 3 live."], columns=("mutant", "why"), rows=[("cost_up", "<nothing>")])
    page = written(found, verdict, calibration=seen)
    assert "What this gate can see" in page and "3 A/A releases" in page and "&lt;nothing&gt;" in page
    assert "What this gate can see" not in written(found, verdict)
