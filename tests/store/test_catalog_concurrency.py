"""Real processes on one catalog: exactly one wins, and the ledger stays a chain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from typing import Any

import pytest

from plimsoll.errors import Conflict
from plimsoll.kernel.chain import Entry, faults
from plimsoll.kernel.ports import Commit
from plimsoll.kernel.rollout import Deployment
from plimsoll.store import SqlCatalog

Together = Callable[[Callable[[str, str], Any], str], list[Any]]
NOON = datetime(2013, 2, 1, 12, tzinfo=UTC)
PROCESSES, ROUNDS = 3, 10


def entry(text: str) -> Entry:
    return Entry(at=NOON, capability="late", kind="rollout", subject="", summary=text)


def commit_all_rounds(url: str, name: str) -> int:
    """How many rounds ``name`` won: in each, everybody writes on the version of that round."""
    catalog, won = SqlCatalog(url), 0
    for version in range(ROUNDS):
        wanted = Deployment(capability="late", version=version, frozen_by=name)
        try:
            catalog.commit(Commit(deployment=wanted, entries=(entry(f"{name} {version}"),)), None)
            won += 1
        except Conflict:
            while catalog.deployment("late").version <= version:
                continue
    catalog.close()
    return won


def append_many(url: str, name: str) -> None:
    catalog = SqlCatalog(url)
    for n in range(ROUNDS):
        catalog.append([entry(f"{name} {n}"), entry(f"{name} {n} too")])
    catalog.close()


def acquire_and_commit(url: str, holder: str) -> bool:
    catalog = SqlCatalog(url)
    try:
        return catalog.acquire("loop", holder, timedelta(minutes=1), NOON) is not None
    finally:
        catalog.close()


@pytest.fixture(scope="module")
def together() -> Iterator[Together]:
    """Runs a function in several processes at once, each under its own name."""
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        names = [f"p{n}" for n in range(PROCESSES)]
        yield lambda function, url: list(pool.map(function, [url] * PROCESSES, names))


@pytest.fixture(autouse=True)
def made(catalog: SqlCatalog) -> None:
    """The schema is there before the race begins."""


def test_exactly_one_committer_wins_each_version(catalog: SqlCatalog, catalog_url: str, together: Together) -> None:
    """The losers write nothing: as many lines as versions."""
    won = together(commit_all_rounds, catalog_url)
    assert sum(won) == ROUNDS
    assert catalog.deployment("late").version == ROUNDS
    lines = list(catalog.ledger())
    assert len(lines) == ROUNDS and list(faults(lines)) == []


def test_concurrent_appends_stay_a_chain(catalog: SqlCatalog, catalog_url: str, together: Together) -> None:
    """No gap, no fork, and what one process appended together stands together."""
    together(append_many, catalog_url)
    lines = list(catalog.ledger())
    assert len(lines) == 2 * PROCESSES * ROUNDS and list(faults(lines)) == []
    texts = [line.entry.summary for line in lines]
    assert all(second == f"{first} too" for first, second in zip(texts[::2], texts[1::2], strict=True))


def test_a_lease_is_won_by_one_process(catalog_url: str, together: Together) -> None:
    """However many ask in the same moment."""
    assert sum(together(acquire_and_commit, catalog_url)) == 1
