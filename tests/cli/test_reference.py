"""The reference pages are generated, and never stale."""

from pathlib import Path

import pytest

from plimsoll.cli.reference import pages, write

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("page", list(pages()))
def test_no_page_is_stale(page):
    """What is committed is what the code says now. To renew: python -m plimsoll.cli.reference"""
    assert (DOCS / page).read_text(encoding="utf-8") == pages()[page]


def test_writing_makes_every_page(tmp_path):
    """The generator writes all of them where it is told to."""
    assert [p.relative_to(tmp_path).as_posix() for p in write(tmp_path)] == list(pages())
