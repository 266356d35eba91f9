"""What ``plimsoll release`` writes for a CI system: JUnit XML and a Markdown summary, whatever the gate says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from plimsoll.errors import PlimsollError

if TYPE_CHECKING:
    from plimsoll.app import Home
    from plimsoll.kernel.ports import CatalogReader
    from plimsoll.kernel.verdict import Evidence, Verdict
    from plimsoll.operations import Shipped


class GateFiles(NamedTuple):
    """Where they go; None for what was not asked for."""

    junit: Path | None
    markdown: Path | None

    @contextmanager
    def even_without_a_verdict(self, capability: str) -> Iterator[None]:
        """Where nothing could be judged the files say why: a job that shows no result looks like one that passed."""
        try:
            yield
        except PlimsollError as error:
            from plimsoll.evaluation.junit import junit_of_error
            from plimsoll.evaluation.markdown import markdown_of_error

            at, kind = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}", type(error).__name__
            _write(self.junit, junit_of_error(error.message, kind, capability=capability, at=at))
            _write(self.markdown, markdown_of_error(error.message, error.hint, capability=capability).encode())
            raise

    def write(self, home: Home, capability: str, shipped: Shipped, report: str) -> None:
        """The verdict on ``shipped``; of a release that was here already, the one that its gate gave then. ``report``: the
        file that a browser opens."""
        if self.junit is not None:
            from plimsoll.evaluation.junit import junit
            from plimsoll.kernel.explanation import explained

            verdict, evidence = _judged(home.catalog, shipped)
            properties = {
                "release": shipped.release,
                "label": shipped.label,
                "summary": shipped.summary,
                "report": report,
            }
            said = explained(verdict, evidence)
            _write(self.junit, junit(verdict, said, capability=capability, properties=properties))
        if self.markdown is not None:
            _write(self.markdown, _markdown(home, capability, shipped).encode())


def _markdown(home: Home, capability: str, shipped: Shipped) -> str:
    """As the release's report carries it; from the verdict alone where there is no report (a rehearsal makes none)."""
    from plimsoll.evaluation import markdown_of
    from plimsoll.evaluation.markdown import markdown
    from plimsoll.kernel.explanation import explained

    digest = home.catalog.release(capability, shipped.release).report
    carried = markdown_of(home.objects.get(digest)) if digest else None
    if carried is not None:
        return carried
    verdict, evidence = _judged(home.catalog, shipped)
    title = f"{capability} {shipped.label}"
    return markdown(verdict, explained(verdict, evidence), title=title, release=shipped.release)


def _judged(catalog: CatalogReader, shipped: Shipped) -> tuple[Verdict, tuple[Evidence, ...]]:
    from plimsoll.kernel.replay import stored

    if shipped.verdict is not None:
        return shipped.verdict, shipped.evidence
    gates = (line for line in catalog.ledger(subject=shipped.release, newest_first=True) if line.entry.kind == "gate")
    return stored(next(gates).entry.body)


def _write(path: Path | None, data: bytes) -> None:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
