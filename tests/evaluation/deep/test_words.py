"""A deep evaluation in words: what is said first, what is left out, and that HTML and Markdown say the same."""

from __future__ import annotations

import html
from typing import Any

import pytest

from plimsoll.evaluation import markdown_of
from plimsoll.evaluation.deep.attribution import Attributed
from plimsoll.evaluation.deep.document import Ablated, Deep, joined
from plimsoll.evaluation.deep.loss import Loss
from plimsoll.evaluation.deep.page import markdown, section, with_section
from plimsoll.evaluation.deep.perturbation import Perturbation
from plimsoll.evaluation.deep.robustness import Strain, Target
from plimsoll.evaluation.deep.words import sections


def lost(worse_by: float, *, width: float = 0.01) -> Loss:
    return Loss(
        metric="log_loss",
        unit="nats",
        value=0.5,
        worse_by=worse_by,
        low=worse_by - width,
        high=worse_by + width,
        blocks=14,
    )


def target(name: str, *strains: Strain) -> Target:
    return Target(name=name, of="input", strains=strains)


def missing(rate: float, worse_by: float = 0.0, note: str = "") -> Strain:
    losses = () if note else (lost(worse_by),)
    return Strain(by=Perturbation(kind="missing", rate=rate), moved=0.1, losses=losses, note=note)


HEAD = Deep(rows=900, blocks=14, levels=(lost(0.0),))
ROBUST = joined(
    [
        Deep(
            rows=900,
            blocks=14,
            levels=HEAD.levels,
            robustness=(
                target("<price>", missing(0.1, 0.02), missing(1.0, 0.3)),
                target("hour", missing(0.1, note="it does not answer: row 9"), missing(1.0, note="it does not: row 1")),
                target("shop", missing(0.1, 0.001), missing(1.0, -0.05)),
            ),
        )
    ]
)


def test_what_costs_most_is_said_first_and_silence_once() -> None:
    """A gain is no loss; an input whose trouble is not answered is not called harmless."""
    (found,) = sections(ROBUST)
    assert found.says == [
        "Worst: <price> missing in 100 % of the rows costs +0.3000 [0.2900, 0.3100] of log_loss, and an answer moves by "
        "0.1000 on average.",
        "No loss is shown, whatever befalls it: shop.",
        "hour, missing: it does not answer: row 9.",
    ]


def test_html_and_markdown_say_the_same_and_nothing_breaks_out() -> None:
    """Names are escaped in both; a part that was left out is named with its reason."""
    deep = joined([ROBUST, Deep(rows=900, blocks=14, levels=HEAD.levels, skipped={"ablation": "its model is given"})])
    page, text = section(deep), markdown(deep, title="v1")
    assert "&lt;price&gt;" in page and "<price>" not in page and "\\<price>" in text
    assert all("ablation was left out: its model is given" in said for said in (page, text))


def carrying(text: str) -> bytes:
    return f'<main><footer></footer><template id="markdown">{html.escape(text)}</template></main>'.encode()


def test_a_report_carries_it_once_however_often_it_is_put_there() -> None:
    """In the page and in its Markdown, before how that ends; what was there before is replaced."""
    page = with_section(carrying("## v1\n\nAgain, with its evidence: `x`"), ROBUST)
    again = with_section(page, ROBUST)
    text: Any = markdown_of(again)
    assert again == page and again.decode().count("<h2>Missing and noisy inputs</h2>") == 1
    assert text.index("<details><summary>Missing and noisy inputs") < text.index("Again, with its evidence")


def test_markdown_that_a_comment_has_no_room_for_is_named() -> None:
    """Sixty thousand characters, most of them taken."""
    page = with_section(carrying("x" * 59_500 + "\nAgain, with its evidence: `x`"), ROBUST)
    assert "Not shown here for want of room, but in the report: Missing and noisy inputs." in str(markdown_of(page))


def test_what_is_worth_most_comes_first_and_a_worth_of_nothing_is_not_claimed() -> None:
    """An interval across zero is shown, and shows nothing."""
    parts = [("a", 0.001), ("b", 0.2), ("c", -0.1)]
    ablation = tuple(Ablated(name=n, of="feature", features=(n,), losses=(lost(v),)) for n, v in parts)
    (found,) = sections(Deep(rows=9, blocks=14, levels=HEAD.levels, ablation=ablation))
    assert [row[0] for row in found.tables[0].rows] == ["b", "a", "c"]
    assert found.says == ["Shown to be worth something: b.", "It is better without: c."]


@pytest.mark.parametrize(
    ("method", "says"), [("shapley", "Exact Shapley values"), ("permutation", "no Shapley values")]
)
def test_attribution_is_called_what_it_is(method: Any, says: str) -> None:
    """In the title and the caption."""
    one = Attributed(name="x", of="feature", method=method, unit="u", size=1.0, low=0.9, high=1.1, why="not of trees")
    (found,) = sections(Deep(rows=9, blocks=14, levels=HEAD.levels, attribution=(one,)))
    assert says in found.caption and found.tables[1].rows == [("x", "1.0000 [0.9000, 1.1000]")]
    assert not found.tables[1].folded
