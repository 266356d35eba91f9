"""From decisions to what became of each release: lost, gained, sooner, later, and who was exposed to what was bad.

A rollout is followed along the decisions that were really made. Where the other policy leaves that path, what it would
have decided is known, and what came after is not: the evidence of a release that was not rolled out, or of the days after
it was taken back, was never gathered. Such a release is listed under ``unknown``, with the reason, and costs nothing here.

What a policy costs stands on two sides. ``exposure``: answers shown of releases found bad, ``exposure_avoided``: how many of
them would not have been. ``good_days_later``: how much later good ones would have come, and ``good_days_lost``: for how
long those had been live that would never have been.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from plimsoll.kernel.verdict import Ruling
from plimsoll.operations.whatif.judging import Judged

Exposed = Callable[[str, datetime], int | None]
"""How many answers of a release were shown from a time on; None where no events are kept."""
EVER = datetime(1970, 1, 1, tzinfo=UTC)
TRIALS = ("shadow", "canary")
AFTER_LIVE = ("confirmed", "lapsed", "held_live")
"""Decisions about a lease that may rest on its rollout's evidence."""
ASSUMES = (
    "each release is judged against the champion that it really met; where an earlier one would not have gone live, that "
    "champion would have been another"
)


def account(decisions: Sequence[Judged], bad: Iterable[str], exposed: Exposed) -> dict[str, Any]:
    """What the other policy would have come to. ``bad``: the releases that were found bad in the end."""
    by_release: dict[str, list[Judged]] = {}
    for d in decisions:
        by_release.setdefault(d.release, []).append(d)
    known = set(bad)
    releases = [_release(name, of, name in known, exposed) for name, of in by_release.items()]
    told = [r for r in releases if r["effect"] != "same"]
    avoided = [r["exposure_avoided"] for r in releases if r["exposure_avoided"] is not None]
    shown = [r["shown"] for r in releases if r["bad"] and r["shown"] is not None]
    good = [r for r in releases if not r["bad"]]
    return {
        "decisions": len(decisions),
        "decided_otherwise": sum(d.then is not d.now for d in decisions),
        "releases": releases,
        "lost": [r["release"] for r in told if r["effect"] == "lost"],
        "gained": [r["release"] for r in told if r["effect"] == "gained"],
        "days": round(sum(r["days"] for r in releases), 2),
        "exposure": sum(shown) if shown else None,
        "exposure_avoided": sum(avoided) if avoided else None,
        "good_days_later": round(sum(max(0.0, r["days"]) for r in good), 2),
        "good_days_lost": round(sum(r["live_days"] for r in good if r["effect"] == "lost"), 2),
        "assumes": ASSUMES,
        "unknown": [{"release": r["release"], "why": r["unknown"]} for r in releases if r["unknown"]],
    }


def _release(name: str, of: Sequence[Judged], is_bad: bool, exposed: Exposed) -> dict[str, Any]:
    effect, says, unknown, days, ends = _followed(of)
    avoided = exposed(name, ends) if ends is not None and is_bad else None
    live = [d.at for d in of if d.source == "live" or d.kind == "live"]
    return {
        "release": name,
        "bad": is_bad,
        "effect": effect,
        "says": says,
        "unknown": unknown,
        "days": round(days, 2),
        "shown": exposed(name, EVER),
        "exposure_avoided": avoided,
        "live_days": round((max(live) - min(live)) / timedelta(days=1), 2) if live else 0.0,
        "decided_otherwise": [d.seq for d in of if d.then is not d.now],
    }


Followed = tuple[str, str, str, float, datetime | None]
"""The effect, in words, what is unknown, days longer (negative: shorter), and when it would have stopped answering."""


def _followed(of: Sequence[Judged]) -> Followed:
    gate = next((d for d in of if d.kind == "gate"), None)
    if gate is not None and gate.then is not gate.now:
        if gate.then is Ruling.PASS:
            return "lost", f"it would not have passed its gate: {gate.now}", "", 0.0, gate.at
        if gate.now is Ruling.PASS:
            return "gained", "it would have passed its gate", "how it would have done in its rollout", 0.0, None
    trial = [d for d in of if d.source in TRIALS and d.kind not in AFTER_LIVE]
    found = _trial(trial) if trial else None
    if found is not None and found[0] in ("lost", "caught sooner", "unknown"):
        return found
    held = _lease([d for d in of if d.source == "live"])
    if held is not None:
        return held
    return found or ("same", "the same", "", 0.0, None)


def _trial(trial: Sequence[Judged]) -> Followed | None:
    """A rollout: the first fail ends it; a pass with its stage's blocks moves it on, each stage sooner or later."""
    end = trial[-1]
    fails = next((d for d in trial if d.now is Ruling.FAIL), None)
    failed = next((d for d in trial if d.then is Ruling.FAIL), None)
    if fails is not None and (failed is None or fails.at < failed.at):
        if failed is None:
            return "lost", f"it would have been rolled back on {fails.at:%Y-%m-%d}", "", 0.0, fails.at
        days = (fails.at - failed.at) / timedelta(days=1)
        return "caught sooner", f"it would have been rolled back {-days:.1f} days sooner", "", days, fails.at
    if failed is not None and fails is None:
        why = "what the days after would have shown: it was taken back, and nothing more was gathered"
        return "unknown", f"it would not have been rolled back on {failed.at:%Y-%m-%d}", why, 0.0, None
    days = 0.0
    for _, stage in groupby(trial, key=lambda d: d.source):
        looks = list(stage)
        then = next((d.at for d in looks if d.kind in ("advanced", "live")), None)
        if then is None:
            continue
        now = next((d.at for d in looks if d.now is Ruling.PASS and d.enough), None)
        now = now or next((d.at for d in trial if d.at > then and d.now is Ruling.PASS), None)
        if now is None:
            why = f"whether it would have passed later: its evidence ends on {end.at:%Y-%m-%d}"
            return "unknown", f"it would still have waited on {then:%Y-%m-%d}", why, 0.0, None
        days += (now - then) / timedelta(days=1)
    if abs(days) < 0.01:
        return None
    word = "later" if days > 0 else "sooner"
    return (
        word,
        f"its rollout would have been about {abs(days):.1f} days {'longer' if days > 0 else 'shorter'}",
        "",
        days,
        None,
    )


def _lease(lease: Sequence[Judged]) -> Followed | None:
    """A lease: its end, sooner or not when it ended."""
    fails = next((d for d in lease if d.now is Ruling.FAIL), None)
    failed = next((d for d in lease if d.then is Ruling.FAIL), None)
    if fails is not None and (failed is None or fails.at < failed.at):
        when = f"its lease would have ended on {fails.at:%Y-%m-%d}"
        sooner = (
            f", {(failed.at - fails.at) / timedelta(days=1):.1f} days sooner" if failed else "; it did not end then"
        )
        return "lease ends", when + sooner, "" if failed else "what would have answered instead", 0.0, fails.at
    if failed is not None and (fails is None or fails.at > failed.at):
        why = "how long it would have answered on: it was taken back"
        return "unknown", f"its lease would not have ended on {failed.at:%Y-%m-%d}", why, 0.0, None
    return None
