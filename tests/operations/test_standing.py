"""How things stand, as a page for a person."""

from __future__ import annotations

from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import msgspec

from cli.conftest import CAPABILITY, T0, home  # noqa: F401 - a fixture
from plimsoll.kernel.chain import Entry
from plimsoll.kernel.ports import Commit
from plimsoll.operations import status_page
from plimsoll.store import SqlCatalog


class Text(HTMLParser):
    """What a reader sees, and what the page would load or submit."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.words: list[str] = []
        self.asks: list[str] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "img", "link", "iframe", "form", "button", "input"):
            self.asks.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def said(self) -> str:
        return " ".join(" ".join(self.words).split())


def page_of(home: Any) -> Text:  # noqa: F811
    catalog = SqlCatalog(f"sqlite:///{home.path}/catalog.db")
    try:
        return Text(status_page(catalog, T0 + timedelta(days=4)))
    finally:
        catalog.close()


def test_the_page_says_what_is_live_what_waits_and_what_is_wrong(home: Any) -> None:  # noqa: F811
    """The same facts as the command, and the newest decisions."""
    said = page_of(home).said
    for fact in (
        "returns",
        "first",
        "live since 2025-03-01 12:00 UTC",
        "provisional until 2025-03-10",
        "second",
        "shadow",
    ):
        assert fact in said
    for fact in ("3 of 10 blocks closed", "feed is late", "error_rate too high", "second starts in shadow"):
        assert fact in said


def test_the_page_loads_nothing_and_offers_nothing_to_press(home: Any) -> None:  # noqa: F811
    """It can be shown anywhere, and nobody changes anything with it."""
    assert page_of(home).asks == []


def test_what_came_from_outside_is_text(tmp_path: Any) -> None:
    """A summary with markup in it is shown, not obeyed."""
    from plimsoll.kernel.ports import Commit, IncidentRow
    from plimsoll.kernel.rollout import Deployment

    catalog = SqlCatalog(f"sqlite:///{tmp_path}/catalog.db")
    nasty = IncidentRow(id="i", capability=CAPABILITY, kind="x", summary="<script>alert(1)</script>", opened_at=T0)
    catalog.commit(Commit(deployment=Deployment(capability=CAPABILITY), entries=(), incidents=(nasty,)), None)
    page = status_page(catalog, T0)
    catalog.close()
    assert b"<script>" not in page and b"&lt;script&gt;" in page


def test_an_empty_home_says_what_to_do(tmp_path: Any) -> None:
    """Nothing released is no error."""
    catalog = SqlCatalog(f"sqlite:///{tmp_path}/catalog.db")
    page = Text(status_page(catalog, T0))
    catalog.close()
    assert "plimsoll release" in page.said


def test_a_verdict_that_rests_on_changed_labels_is_marked_as_stale(home: Any) -> None:  # noqa: F811
    """In the badge, and in the sentence that status has."""
    catalog = SqlCatalog(f"sqlite:///{home.path}/catalog.db")
    live = catalog.deployment(CAPABILITY).lease
    assert live is not None
    row = catalog.release(CAPABILITY, live.release)
    asked = {"suite": {"plain": {"cases": "c" * 64}}}
    judged = msgspec.structs.replace(row.manifest, settings={**row.manifest.settings, **asked})
    body = {"stale": True, "changed": 1, "of": 3}
    line = Entry(at=T0, capability=CAPABILITY, kind="golden", subject="c" * 64, summary="changed", body=body)
    catalog.append([line])
    catalog.add_release(msgspec.structs.replace(row, digest=judged.digest, manifest=judged, label="judged"))
    d = catalog.deployment(CAPABILITY)
    lease = msgspec.structs.replace(live, release=judged.digest)
    catalog.commit(Commit(deployment=msgspec.structs.replace(d, lease=lease), entries=()), None)
    catalog.close()
    said = page_of(home).said
    assert "stale verdict" in said and "1 of 3 labels have changed since" in said
