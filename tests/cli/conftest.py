"""A real home with a short history: one release that is live, one on its way, one known bad."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from plimsoll.cli import main
from plimsoll.kernel.case import Decision
from plimsoll.kernel.enqueue import gated
from plimsoll.kernel.lease import Lease
from plimsoll.kernel.lifecycle import State
from plimsoll.kernel.manifest import Manifest
from plimsoll.kernel.ports import Commit, IncidentRow, ReleaseRow
from plimsoll.kernel.requirement import at_least, no_worse
from plimsoll.kernel.rollout import Canary, Deployment, Live, Rollout, Shadow
from plimsoll.kernel.verdict import Block, Evidence, Policy, judge
from plimsoll.settings import Settings
from plimsoll.store import Checkpoints, LocalObjects, SqlCatalog

T0 = datetime(2025, 3, 1, 12, tzinfo=UTC)
CAPABILITY = "returns"


class Home(NamedTuple):
    """Where it is, and the digests of its releases by label."""

    path: Path
    releases: dict[str, str]


class Ran(NamedTuple):
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        return json.loads(self.err)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Run a command in this process, on a wide screen."""
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str | Path) -> Ran:
        code = main([str(a) for a in arguments])
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """``first`` is live, ``second`` is in shadow, ``third`` is known bad; one incident is open."""
    settings = Settings(home=tmp_path / "home")
    settings.home.mkdir()
    objects = LocalObjects(settings.objects)
    catalog = SqlCatalog(settings.catalog_url)
    releases = {label: _release(catalog, objects, label) for label in ("first", "second", "third")}
    _history(catalog, releases)
    Checkpoints(settings.checkpoints).mark(*catalog.ledger_head(), T0 + timedelta(days=3))
    catalog.close()
    return Home(settings.home, releases)


def _release(catalog: SqlCatalog, objects: LocalObjects, label: str) -> str:
    manifest = Manifest(capability=CAPABILITY, artifacts={"model": objects.put(f"model {label}".encode())})
    row = ReleaseRow(digest=manifest.digest, capability=CAPABILITY, manifest=manifest, label=label, created_at=T0)
    catalog.add_release(row)
    return manifest.digest


def _history(catalog: SqlCatalog, releases: dict[str, str]) -> None:
    first, second, third = releases.values()
    d = Deployment(capability=CAPABILITY)
    evidence = _evidence(first)
    verdict = judge(evidence, Policy(), T0)
    d = _write(catalog, gated(d, first, verdict, evidence, label="first"), T0)
    lease = Lease(release=first, granted_at=T0, keep=(), since=T0, provisional_until=T0 + timedelta(days=9))
    live = msgspec.structs.replace(d, lease=lease, queue=(), states={first: State.LIVE})
    d = _write(
        catalog, Decision(kind="live", subject=first, summary="first is live", deployment=live), T0 + timedelta(days=1)
    )
    rollout = Rollout(
        release=second,
        champion=first,
        plan=(Shadow(blocks=10), Canary(0.25), Live()),
        stage=0,
        state=State.SHADOW,
        started_at=T0,
        since=T0,
        evidence_since=T0,
        looked=3,
        waits_for="3 of 10 blocks closed",
    )
    incident = IncidentRow(id="i1", capability=CAPABILITY, kind="evidence", summary="feed is late", opened_at=T0)
    shadow = msgspec.structs.replace(
        d, rollout=rollout, states={**d.states, second: State.SHADOW}, known_bad={third: "error_rate too high"}
    )
    started = Decision(kind="started", subject=second, summary="second starts in shadow", deployment=shadow)
    _write(catalog, started, T0 + timedelta(days=2), incident)


def _write(catalog: SqlCatalog, decision: Decision, at: datetime, *incidents: IncidentRow) -> Deployment:
    from plimsoll.kernel.chain import Entry

    entry = Entry(
        at=at,
        capability=CAPABILITY,
        kind=decision.kind,
        subject=decision.subject,
        summary=decision.summary,
        body=decision.body(),
    )
    return catalog.commit(Commit(deployment=decision.deployment, entries=(entry,), incidents=incidents), None)


def _evidence(release: str) -> tuple[Evidence, ...]:
    blocks = tuple(
        Block(f"2025-02-{d:02}", 100, 0.7 + d / 1000, 0.7 + d / 1000, 0.7 + d / 1000, 0.0) for d in range(1, 15)
    )
    better = tuple(Block(f"2025-02-{d:02}", 100, -0.05 - d / 1000, -0.06, -0.04, -1.0) for d in range(1, 15))
    return (
        Evidence(requirement=at_least("auc", 0.6), release=release, source="gate", blocks=blocks),
        Evidence(
            requirement=no_worse("log_loss", margin=0.01, than="fallback"),
            release=release,
            source="gate",
            comparator="fallback",
            blocks=better,
        ),
    )
