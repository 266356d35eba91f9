"""The documents keep what they say: their code runs, their links resolve, their commands and names exist."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from plimsoll import errors
from plimsoll.capability import Capability, Source, Table
from plimsoll.cli.dispatch import application
from plimsoll.cli.inventory import COMMANDS
from plimsoll.kernel.decide import RULES
from plimsoll.kernel.verdict import Policy
from plimsoll.settings import keys
from plimsoll.stats.metrics import METRICS

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])
FENCE = re.compile(r"(?:<!-- no-run: (?P<reason>[^>]*?) -->\n)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.M | re.S)
LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
HEADING = re.compile(r"^#+ (?P<title>.+)$", re.M)
OURS = ("session", "helper", "briefing")
"""What a project does not say about itself."""


class Fence(NamedTuple):
    """One fenced block: where it stands, what it is, and why it is not run, if it is not."""

    page: Path
    line: int
    kind: str
    text: str
    no_run: str | None

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def fences(kind: str) -> list[Fence]:
    return [fence for page in PAGES for fence in _fences_of(page) if fence.kind == kind]


def _fences_of(page: Path) -> Iterator[Fence]:
    text = page.read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield Fence(page, line, found["kind"], found["text"], found["reason"])


def _prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


PYTHON = fences("python")


@pytest.mark.parametrize("fence", [f for f in PYTHON if f.no_run is None], ids=lambda f: f.name)
def test_python_in_the_documents_runs(fence: Fence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each block is a program of its own, run in an empty folder."""
    monkeypatch.chdir(tmp_path)
    code = "\n" * fence.line + fence.text  # so that a traceback names the page's own line
    (module := tmp_path / "block.py").write_text(code, encoding="utf-8")  # views read the source of their code
    monkeypatch.syspath_prepend(str(tmp_path))
    exec(compile(code, str(module), "exec"), {"__name__": "block", "__file__": str(module)})


def test_what_is_not_run_says_why() -> None:
    """A block that cannot be run is marked, with a reason that is more than a word."""
    assert all(len(f.no_run.split()) > 3 for f in PYTHON if f.no_run is not None)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_resolve(page: Path) -> None:
    """Every relative link names a file, and every anchor a heading of it."""
    for found in LINK.finditer(_prose(page)):
        target, _, anchor = found["target"].partition("#")
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        there = (page.parent / target).resolve() if target else page
        assert there.exists(), f"{target} does not exist"
        assert not anchor or anchor in _anchors(there), f"{target} has no heading #{anchor}"


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as the usual renderers make them."""
    titles = (h["title"].lower() for h in HEADING.finditer(_prose(page)))
    return {re.sub(r"[^\w\- ]", "", title).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_page_is_reached(page: Path) -> None:
    """Every page of the documents is linked from another one."""
    linked = {
        (other.parent / found["target"].partition("#")[0]).resolve()
        for other in PAGES
        if other != page
        for found in LINK.finditer(_prose(other))
    }
    assert page.name in ("README.md", "index.md") or page in linked


def _commands() -> list[tuple[str, str]]:
    return [
        (f"{fence.name} {line}", line.removeprefix("$ "))
        for fence in fences("console")
        for line in fence.text.splitlines()
        if line.startswith("$ plimsoll")
    ]


@pytest.mark.parametrize("command", [c for _, c in _commands()], ids=[name for name, _ in _commands()])
def test_commands_parse(command: str) -> None:
    """Every command line in the documents is one that the parser takes: its command, its options, their values."""
    words = shlex.split(command.partition(" > ")[0])[1:]
    if words in (["--help"], ["--version"]):
        return
    application().parse_args(words, print_error=False, exit_on_error=False)


def test_every_command_is_told_of() -> None:
    """The documents that people write mention every command, not only the generated reference."""
    written = "\n".join(p.read_text() for p in PAGES if "reference" not in p.parts)
    assert [c.name for c in COMMANDS if f"plimsoll {c.name}" not in written] == []


def _table_names(page: str) -> set[str]:
    """What stands in backticks in the first column of the page's tables."""
    rows = re.findall(r"^\| ([^|]+) \|", (ROOT / page).read_text(encoding="utf-8"), re.M)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


@pytest.mark.parametrize("struct", [Capability, Source, Table], ids=lambda s: s.__name__)
def test_every_field_is_described(struct: type) -> None:
    """The page about capabilities names every field."""
    fields = {f.name for f in dataclasses.fields(struct)}
    assert fields - _table_names("docs/concepts/capability.md") == set()


def test_every_policy_is_described() -> None:
    """The page about capabilities names every promised rate, with its default."""
    text = (ROOT / "docs/concepts/capability.md").read_text()
    for field in msgspec.structs.fields(Policy):
        assert re.search(rf"^\| `{field.name}` \| {field.default:g} \|", text, re.M), field.name


def test_every_metric_is_described() -> None:
    """The page about evidence names every metric."""
    assert set(METRICS) - _table_names("docs/concepts/evidence-and-verdicts.md") == set()


def test_the_loops_rules_are_listed_in_their_order() -> None:
    """What is most urgent is told first, as the code has it."""
    text = (ROOT / "docs/concepts/leases-and-rollouts.md").read_text()
    assert re.findall(r"^\d+\. `(\w+)`", text, re.M) == [rule.__name__ for rule in RULES]


def test_every_error_and_setting_is_in_the_reference() -> None:
    """The generated pages are complete."""
    tree = [e.__name__ for e in vars(errors).values() if isinstance(e, type) and issubclass(e, errors.PlimsollError)]
    assert set(tree) - _table_names("docs/reference/errors.md") == set()
    assert {k.name for k in keys()} - _table_names("docs/reference/settings.md") == set()


def test_the_simulated_figures_are_the_benchmarks() -> None:
    """The table of simulated error rates says what ``benchmarks/results/sequences.json`` says."""
    text = (ROOT / "docs/concepts/blocks-and-dependence.md").read_text(encoding="utf-8")
    for row in json.loads((ROOT / "benchmarks/results/sequences.json").read_text())[1:]:
        shown = f"{row['ours']:.1f} %" if row["unit"] == "%" else f"{row['ours']:.0f} {row['unit']}"
        assert f"| {row['what']} | {shown} |" in text


FIGURE = re.compile(r"^\| \[[^]]+\]\((benchmarks/results/[^)]+)\) \| ([\d.,e+-]+)([^|]*)\|", re.M)


def test_the_readmes_figures_are_the_benchmarks() -> None:
    """Each is the figure of a row of the table that it links, as it rounds: ours first."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").partition("<!-- figures -->")[2]
    found = FIGURE.findall(text)
    assert len(found) > 25
    for path, shown, unit in found:
        ours = [row["ours"] for row in json.loads((ROOT / path).read_text())]
        shares = [100 * one for one in ours] if "%" in unit else []
        rounding = 0.0 if "e" in shown else 0.51 * 10.0 ** -len(shown.partition(".")[2])
        value = float(shown.replace(",", ""))
        assert any(math.isclose(value, one, rel_tol=0.02, abs_tol=rounding) for one in (*ours, *shares)), (path, shown)


def test_the_price_of_a_policy_is_the_benchmarks() -> None:
    """The table of what each policy costs a request says what ``benchmarks/results/policies.json`` says."""
    text = (ROOT / "docs/concepts/request-path.md").read_text(encoding="utf-8")
    for row in json.loads((ROOT / "benchmarks/results/policies.json").read_text())[1:]:
        assert f"| {row['what']} | {max(0.0, row['ours']):.1f} µs |" in text  # less than nothing is noise


def test_every_decision_has_its_parts() -> None:
    """A decision says its context, its argument and what would reopen it, and is listed."""
    listed = (ROOT / "docs/adr/README.md").read_text()
    for page in ROOT.glob("docs/adr/0*.md"):
        titles = [h["title"] for h in HEADING.finditer(page.read_text())][1:]
        assert titles == ["Context", "Decision", "Argument", "Consequences", "Revisit trigger"], page.name
        assert page.name in listed


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_page_reads_well(page: Path) -> None:
    """One title, no line that runs out of the window, nothing about how it was written."""
    prose = _prose(page)
    assert len(re.findall(r"^# ", prose, re.M)) == 1
    assert not [w for w in OURS if re.search(rf"\b{w}s?\b", prose, re.I)]
    if "Generated by" not in prose:
        assert not [line for line in prose.splitlines() if len(line) > 130 and "|" not in line and "](" not in line]


def test_the_first_screen_of_the_readme() -> None:
    """A sentence, a picture, code, its real output and one line to install it, before anything else is said."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").partition("\n## ")[0]
    assert text.startswith("# Plimsoll\n")
    assert "```python" in text and "```text" in text and "make demo" in text and "pip install" in text


def test_help_lists_what_the_documents_list() -> None:
    """``plimsoll --help`` and the reference name the same commands."""
    said = subprocess.run([sys.executable, "-m", "plimsoll.cli", "--help"], capture_output=True, text=True, check=True)
    reference = (ROOT / "docs/reference/cli.md").read_text()
    assert all(f"## plimsoll {c.name}" in reference and f" {c.name} " in said.stdout for c in COMMANDS)
