"""What is live, what waits, for what and until when."""

from datetime import timedelta
from pathlib import Path

from plimsoll.kernel.case import Decision
from plimsoll.kernel.requirement import no_worse
from plimsoll.kernel.verdict import Block, Evidence, Policy, judge
from plimsoll.operations.act import carry_out
from plimsoll.operations.notify import LogNotifier
from plimsoll.store import SqlCatalog

from .conftest import CAPABILITY, T0


def test_status_names_what_is_live_and_since_when(run, home):
    """The live release, its label, its standing and its provisional end are in the document."""
    live = run("status", "--home", home.path, "--json").document["capabilities"][0]["live"]
    assert live["release"] == home.releases["first"] and live["label"] == "first"
    assert live["standing"] == "good" and live["since"] == "2025-03-01T12:00:00Z"
    assert live["provisional_until"] == "2025-03-10T12:00:00Z"


def test_status_says_what_a_rollout_waits_for(run, home):
    """The stage, the closed blocks of those asked for, and the deadline."""
    rollout = run("status", "--home", home.path, "--json").document["capabilities"][0]["rollout"]
    assert (rollout["stage"], rollout["closed_blocks"], rollout["blocks"], rollout["deadline_blocks"]) == (
        "shadow",
        3,
        10,
        30,
    )
    assert rollout["waits_for"] == "3 of 10 blocks closed"


def test_status_for_people_holds_everything(run, home):
    """The page names the known bad release with its reason, the incident, and who would come back."""
    page = run("status", "--home", home.path).out
    assert "third" in page and "error_rate too high" in page
    assert "feed is late" in page and "the fallback (release zero)" in page
    assert "100% first" in page and "held after 30 blocks if undecided" in page


def test_status_without_a_home_is_wrong_usage_and_makes_none(run, tmp_path: Path):
    """A command that only looks creates nothing."""
    ran = run("status", "--home", tmp_path / "none")
    assert ran.code == 2 and "plimsoll release" in ran.err
    assert not (tmp_path / "none").exists()


def test_status_of_an_unknown_capability_names_the_nearest(run, home):
    """A slip in the capability's name is answered with the right one."""
    ran = run("status", "--home", home.path, "--capability", "retruns", "--json")
    assert ran.code == 2 and ran.error["hint"] == "did you mean 'returns'?"


def test_status_foretells_how_much_longer_a_rollout_takes(run, home):
    """From the newest look's evidence, in the document and on the page; nothing where nothing was looked at yet."""
    before = run("status", "--home", home.path, "--json").document["capabilities"][0]["rollout"]
    assert before["needs"] == ""
    looked_at(home)
    rollout = run("status", "--home", home.path, "--json").document["capabilities"][0]["rollout"]
    assert rollout["needs"].startswith("about ") and "days like those so far would decide" in rollout["needs"]
    assert rollout["needs"] in " ".join(run("status", "--home", home.path).out.split())


def looked_at(home):
    """One look at the candidate: eleven days that do not decide."""
    catalog = SqlCatalog(f"sqlite:///{home.path / 'catalog.db'}")
    d = catalog.deployment(CAPABILITY)
    wave = (0.0, 0.004, -0.003, 0.002, -0.004, 0.001)
    values = [(f"2025-02-{i + 1:02}", 0.003 + wave[i % 6]) for i in range(11)]
    e = Evidence(
        requirement=no_worse("log_loss", margin=0.005, than="champion"),
        release=d.rollout.release,
        source="shadow",
        comparator=d.rollout.champion,
        blocks=tuple(Block(day, 100, v, v, v, -5.0) for day, v in values),
    )
    verdict = judge((e,), Policy(), T0)
    decision = Decision(
        kind="look", subject=e.release, summary="it waits", deployment=d, verdict=verdict, evidence=(e,)
    )
    carry_out(decision, catalog=catalog, notifier=LogNotifier(), fence=None, now=T0 + timedelta(days=3))
    catalog.close()
