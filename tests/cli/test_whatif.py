"""What another policy would have decided in the past, and what it would have cost."""

from datetime import UTC, datetime, timedelta

import pytest

from plimsoll.kernel.case import Decision
from plimsoll.kernel.chain import Entry
from plimsoll.kernel.lifecycle import State
from plimsoll.kernel.manifest import Manifest
from plimsoll.kernel.ports import Commit, ReleaseRow
from plimsoll.kernel.records import Answer, Event
from plimsoll.kernel.requirement import at_least, at_most, no_worse
from plimsoll.kernel.rollout import Canary, Deployment, Live, Rollout, Shadow
from plimsoll.kernel.verdict import Block, Count, Evidence, Policy, judge
from plimsoll.settings import Settings
from plimsoll.store import SegmentLog, SqlCatalog

T0 = datetime(2025, 3, 1, tzinfo=UTC)
GATE = at_least("auc", 0.6)
CLOSE = no_worse("log_loss", margin=0.02, than="champion")
ERRORS = at_most("error_rate", 0.01)
PLAN = (Shadow(blocks=10, requires=(CLOSE,)), Canary(0.25, blocks=7, requires=(CLOSE,)), Live())


def blocks(n: int, mean: float) -> tuple[Block, ...]:
    values = [mean + 0.01 * ((7 * i) % 5 - 2) for i in range(n)]
    days = [(T0 + timedelta(days=i)).date().isoformat() for i in range(n)]
    return tuple(Block(day, 100, v, v, v, -9.0) for day, v in zip(days, values, strict=True))


class Past:
    """A ledger that is written line by line."""

    def __init__(self, catalog: SqlCatalog) -> None:
        self.catalog = catalog
        self.d = Deployment(capability="returns")

    def release(self, label: str) -> str:
        manifest = Manifest(capability="returns", artifacts={"model": label})
        row = ReleaseRow(digest=manifest.digest, capability="returns", manifest=manifest, label=label, created_at=T0)
        self.catalog.add_release(row)
        return manifest.digest

    def line(
        self, kind: str, release: str, day: int, e: Evidence, *, looked: int = 0, asked: int = 0, **change
    ) -> None:
        """One decision on one piece of evidence, judged by the usual policy."""
        at = T0 + timedelta(days=day)
        verdict = judge((e,), Policy(), at, minimum_blocks=asked)
        rollout = Rollout(
            release=release, champion="c", plan=PLAN, stage=0, state=State.SHADOW, started_at=T0, since=T0,
            evidence_since=T0, looked=looked,
        )  # fmt: skip
        deployment = Deployment(capability="returns", version=self.d.version, rollout=rollout, **change)
        decision = Decision(
            kind=kind, subject=release, summary=kind, deployment=deployment, verdict=verdict, evidence=(e,)
        )
        entry = Entry(at=at, capability="returns", kind=kind, subject=release, summary=kind, body=decision.body())
        self.d = self.catalog.commit(Commit(deployment=deployment, entries=(entry,)), None)


@pytest.fixture
def past(tmp_path):
    """``good`` passes its gate narrowly and its shadow on day 12; ``bad`` fails by its errors on day 3, seen by 30."""
    settings = Settings(home=tmp_path / "home")
    settings.home.mkdir()
    catalog = SqlCatalog(settings.catalog_url)
    p = Past(catalog)
    good, bad = p.release("good"), p.release("bad")
    p.line("gate", good, 0, Evidence(requirement=GATE, release=good, source="gate", blocks=blocks(14, 0.61)))
    for n in (10, 11, 12, 13):
        e = Evidence(requirement=CLOSE, release=good, source="shadow", comparator="c", blocks=blocks(n, 0.0))
        p.line("advanced" if n == 13 else "look", good, n, e, looked=n, asked=13)
    for day, hits in ((1, 12), (2, 40), (3, 90)):
        counts = (Count("2025-03-01T00", hits, 1000 * day),)
        e = Evidence(requirement=ERRORS, release=bad, source="canary", counts=counts)
        p.line("rolled_back" if day == 3 else "look", bad, day, e, looked=day, asked=7, known_bad={bad: "errors"})
    log = SegmentLog(settings.segments, writer="given")
    log.append([shown(bad, n) for n in range(30)])
    log.close()
    catalog.close()
    return settings.home


def shown(release: str, n: int) -> Event:
    served = Answer(release=release, role="canary", score=0.5)
    at = T0 + timedelta(hours=3 * n)
    return Event(id=f"e{n}", capability="returns", at=at, block="b", unit="u", inputs={}, served=served)


@pytest.fixture
def ask(run, past, tmp_path):
    def ask(text: str, *options: str):
        (tmp_path / "new.toml").write_text(text)
        return run("whatif", "--policy", tmp_path / "new.toml", "--home", past, *options)

    return ask


def effects(ran) -> dict[str, str]:
    return {r["name"].split()[0]: r["effect"] for r in ran.document["releases"]}


def test_the_same_policy_decides_the_same(ask):
    """Nothing would be another, and nothing is unknown."""
    document = ask("[stages]\nshadow = 13\n", "--json").document
    assert document["decided_otherwise"] == 0 and document["decisions"] == 8 and document["unknown"] == []


def test_a_stricter_limit_loses_a_release_at_its_gate(ask):
    """It would not have passed; and the decision is named."""
    ran = ask('[limits]\n"auc at least 0.6" = 0.7\n', "--json")
    assert effects(ran)["good"] == "lost" and ran.document["otherwise"][0]["seq"] == 1
    assert len(ran.document["lost"]) == 1 and "champion" in ran.document["assumes"]


def test_a_shorter_stage_ends_sooner(ask):
    """It held from the tenth block on: three days of shadow were for the plan."""
    ran = ask("[stages]\nshadow = 10\n", "--json")
    assert effects(ran)["good"] == "sooner" and ran.document["days"] == -3.0


def test_being_careful_costs_good_releases_their_days(ask, past):
    """One that was live for twenty days would not have passed its gate: those days are lost."""
    catalog = SqlCatalog(Settings(home=past).catalog_url)
    p = Past(catalog)
    p.d = catalog.deployment("returns")
    (good,) = (r.digest for r in catalog.releases("returns") if r.label == "good")
    for day in (14, 34):
        e = Evidence(requirement=CLOSE, release=good, source="live", comparator="c", blocks=blocks(1, 0.0))
        p.line("renewed", good, day, e)
    catalog.close()
    ran = ask('[limits]\n"auc at least 0.6" = 0.7\n', "--json")
    assert ran.document["good_days_lost"] == 20.0 and ran.document["good_days_later"] == 0.0
    assert "20.0 days of being live lost" in ask('[limits]\n"auc at least 0.6" = 0.7\n').out


def test_a_longer_stage_ends_beyond_what_was_gathered(ask):
    """Its evidence ends with the stage: that is said, and no days are guessed."""
    ran = ask("[stages]\nshadow = 20\n", "--json")
    assert effects(ran)["good"] == "unknown" and ran.document["days"] == 0.0
    assert "its evidence ends" in ran.document["unknown"][0]["why"]


def test_a_stricter_limit_catches_a_bad_release_sooner(ask):
    """And the answers that nobody would have been shown are counted from the log."""
    ran = ask('[limits]\n"error_rate at most 0.01" = 0.005\n', "--json")
    assert effects(ran)["bad"] == "caught sooner" and ran.document["days"] < 0
    assert 0 < ran.document["exposure_avoided"] < 30 == ran.document["exposure"]
    page = ask('[limits]\n"error_rate at most 0.01" = 0.005\n').out
    assert f"{ran.document['exposure_avoided']} fewer of the 30 answers shown" in page


def test_a_looser_limit_leaves_the_path_that_was_taken(ask):
    """It would not have been rolled back; what it would have done is unknown, and so said."""
    ran = ask('[limits]\n"error_rate at most 0.01" = 0.2\n', "--json")
    assert effects(ran)["bad"] == "unknown" and "nothing more was gathered" in ran.document["unknown"][0]["why"]


def test_it_reads_well(ask):
    """The page has the sum, the releases and the decisions."""
    page = ask('[limits]\n"auc at least 0.6" = 0.7\n').out
    for said in ("verdicts would be others", "would not have passed its gate", "pass → ", "It is assumed that"):
        assert said in page


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[policy]\nalhpa = 0.01\n", "alpha"),
        ("[polcy]\nalpha = 0.01\n", "policy"),
        ("[stages]\nshadwo = 3\n", "shadow"),
        ('[limits]\n"auc at least 0.66" = 0.7\n', "auc at least 0.6"),
        ("[policy]\nalpha = 0.7\n", "alpha lies between"),
        ('[policy]\nalpha = "small"\n', "number"),
        ("[policy]\nstart_blocks = 5.5\n", "whole"),
        ("[stages]\nshadow = 0\n", "at least 1 block"),
        ("alpha =\n", "no TOML"),
        ("", "changes nothing"),
    ],
)
def test_a_slip_in_the_file_is_wrong_usage(ask, text, said):
    """It says what is wrong, and the nearest right name."""
    ran = ask(text)
    assert ran.code == 2 and said in ran.err


def test_a_file_that_is_not_there_is_wrong_usage(run, past):
    """By its name."""
    ran = run("whatif", "--policy", "nowhere.toml", "--home", past)
    assert ran.code == 2 and "no such file" in ran.err
