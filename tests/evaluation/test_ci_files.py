"""A gate's verdict for CI systems: JUnit XML that a reader of its own reads, and Markdown."""

from __future__ import annotations

from datetime import UTC, datetime
from io import BytesIO

from junitparser import Error, Failure, JUnitXml

from plimsoll.evaluation.cells import cell, table_of
from plimsoll.evaluation.junit import junit, junit_of_error
from plimsoll.evaluation.markdown import markdown, markdown_of_error
from plimsoll.kernel.explanation import Explanation, explained
from plimsoll.kernel.requirement import at_least, no_worse
from plimsoll.kernel.verdict import Block, Evidence, Policy, Verdict, judge

NOW = datetime(2025, 3, 1, 8, tzinfo=UTC)


def blocks(mean: float) -> tuple[Block, ...]:
    values = [mean + 0.01 * ((7 * i) % 5 - 2) for i in range(14)]
    return tuple(Block(f"2025-02-{i + 1:02}", 100, v, v, v, -9.0) for i, v in enumerate(values))


def judged() -> tuple[Verdict, tuple[Explanation, ...]]:
    """One requirement that holds, one that fails, one that is open and one that cannot be judged."""
    worse = no_worse("log_loss", margin=0.02, than="champion")
    by = no_worse("brier", margin=0.02, than="champion", by="region")

    def of(requirement, mean, **more):
        comparator = "c" * 64 if requirement.compares else ""
        return Evidence(
            requirement=requirement, release="r", source="gate", comparator=comparator, blocks=blocks(mean), **more
        )

    given = (
        of(at_least("auc", 0.6), 0.7),
        of(worse, 0.5),
        of(by, 0.018, slice="region=<n|s>"),
        of(at_least("accuracy", 0.6), 0.7, problems=("leakage: \x00 'a' & <b>",)),
    )
    verdict = judge(given, Policy(), NOW)
    return verdict, explained(verdict, given)


def test_a_reader_of_junit_finds_a_case_for_each_requirement() -> None:
    """Names, counts, kinds of result and messages, as another's library reads them."""
    document = junit(*judged(), capability="returns", properties={"release": "r" * 64, "label": "<v1>"})
    suites = JUnitXml.fromroot(JUnitXml.fromstring(document)._elem)
    assert (suites.tests, suites.failures, suites.errors) == (4, 2, 1)
    (suite,) = suites
    assert suite.name == "returns gate" and suite.timestamp == "2025-03-01T08:00:00"
    assert {p.name: p.value for p in suite.properties()}["label"] == "<v1>"
    holds, fails, is_open, invalid = suite
    assert holds.name == "auc at least 0.6" and holds.is_passed and "It holds" in holds.system_out
    assert isinstance(fails.result[0], Failure) and fails.result[0].type == "fail"
    assert is_open.result[0].type == "inconclusive" and "more block" in is_open.result[0].message
    assert is_open.name.endswith("[region=<n|s>]")
    assert isinstance(invalid.result[0], Error) and "�" in invalid.result[0].message


def test_no_verdict_is_an_error_and_not_an_empty_file() -> None:
    """A job that shows no result looks like one that passed."""
    document = junit_of_error(
        "the contract is broken", "ContractBroken", capability="returns", at="2025-03-01T08:00:00"
    )
    suites = JUnitXml.fromroot(JUnitXml.fromstring(document)._elem)
    (case,) = next(iter(suites))
    assert suites.errors == 1 and case.result[0].type == "ContractBroken"
    assert BytesIO(document).readline().startswith(b"<?xml")


def test_markdown_has_what_stands_in_the_way_on_top() -> None:
    """A headline, a row a requirement, and a sentence for each that does not hold; nothing breaks the table."""
    text = markdown(*judged(), title="returns v1", release="r" * 64)
    lines = text.splitlines()
    assert lines[0] == "## Refused: returns v1" and "1 of 4 requirements hold" in lines[2]
    rows = [line for line in lines if line.startswith("|")][2:]
    assert [row.split(" |")[0] for row in rows] == ["| fail", "| invalid", "| inconclusive", "| pass"]
    assert len({line.replace("\\|", "").count("|") for line in rows}) == 1
    seen = text.partition("<details>")[0]
    assert sum(line.startswith("- **") for line in seen.splitlines()) == 3
    assert "More" not in rows[0] and "blocks" in rows[2]


def test_markdown_escapes_what_it_would_take_for_its_own() -> None:
    """Pipes, tags, emphasis and line breaks."""
    assert cell("a|b\n<i> *x* `y`") == "a\\|b \\<i> \\*x\\* \\`y\\`"
    assert table_of(("a", "b"), [("1", "2|3")]) == ["| a | b |", "|---|---|", "| 1 | 2\\|3 |"]
    assert "What to do: x" in markdown_of_error("it broke", "x", capability="c")
