"""A decision in one sentence for somebody who has never seen Plimsoll. The ledger keeps the exact one.

Every number comes from the verdict; what is left out (methods, further findings) stands in the ledger's line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from plimsoll.kernel.records import FALLBACK
from plimsoll.kernel.rollout import Deployment
from plimsoll.kernel.verdict import Finding, Ruling, Verdict
from plimsoll.stats.metrics import called, known_by_id

NameOf = Callable[[str], str]

ROUTINE = frozenset({"look", "renewed"})
"""Decisions which only say that all goes on as before: counted in a story, told in the ledger."""

_GATE = {"pass": "gate passed", "fail": "gate refused", "invalid": "gate invalid", "inconclusive": "gate open"}
_VERBS = {"started": "on trial", "held_live": "incident", "grace": "incident"}


def verb(kind: str, ruling: str = "") -> str:
    """What happened, in two words: the same in the console, the report and its charts."""
    return _GATE.get(ruling, kind) if kind == "gate" else _VERBS.get(kind, kind.replace("_", " "))


_SHORT_DIGEST = re.compile(r"\b[0-9a-f]{12}\b")
_SKEW = re.compile(r"offline/online skew in \S+: (\d+) of (\d+) questions of the last (\S+) hours .*offline: (.*)")
_LEAK = re.compile(
    r"leakage: '?(\w+)'? becomes known after the question in (\S+) of rows \(\S+\), by (\d+):(\d\d):\d\d in"
)


def names_of(labels: Mapping[str, str]) -> NameOf:
    """Digest → what people call it: its label, the fallback, or its first digits."""
    known = {FALLBACK: "the fallback", "": "nobody", **labels, **{d[:12]: label for d, label in labels.items()}}
    return lambda release: known.get(release, release[:12])


def plainly(
    kind: str, release: str, summary: str, verdict: Verdict | None, deployment: Deployment, *, name: NameOf, unit: str
) -> str:
    """The sentence. ``unit`` is what a block is called (``day``); ``summary`` serves where nothing plainer is known."""
    saying = _SAYINGS.get(kind)
    if saying is not None:
        found = saying(release, verdict, deployment, name, unit)
        if found:
            return found
    said = re.sub(rf"^{_SHORT_DIGEST.pattern}:? (is )?", "", summary)
    opening, colon, rest = said.partition(": ")
    opening = opening.replace("withdrawn from", "taken back from")
    return f"{without_digests(opening, name)}{colon}{problem(rest, name)}"


def without_digests(text: str, name: NameOf) -> str:
    """``text`` with short digests replaced by what people call those releases."""
    return _SHORT_DIGEST.sub(lambda found: name(found[0]), text)


# ── findings ──────────────────────────────────────────────────────────────────────────────────────────────────────


def measured(f: Finding, name: NameOf) -> str:
    """``log loss −0.0123 against first (limit +0.015)``: what was found beside what was asked."""
    metric, where = called(f.metric).replace("_", " "), "" if f.slice == "all" else f" for {f.slice.replace('=', ' ')}"
    if f.estimate is None:
        return reason(f, name)
    definition = known_by_id(f.metric)
    quantile = definition.quantile
    if quantile is not None and not f.comparator:
        return f"{_share(f.estimate)} of its answers took over {f.limit:g} ms (limit {_share(1 - quantile)}){where}"
    if definition.unit == "share" and definition.operational and not f.comparator:
        return f"{metric} {_share(f.estimate)} (limit {_share(f.limit)}){where}"
    if f.comparator:
        limit = f"±{f.limit:g}" if " equivalent to " in f.requirement else _signed(f.limit).rstrip("0")
        return f"{metric} {_signed(f.estimate)} against {name(f.comparator)}{_bound(f)} (limit {limit}){where}"
    bound = "at least" if " at least " in f.requirement else "at most"
    return f"{metric} {f.estimate:.3f} ({bound} {f.limit:g}){where}"


def reason(f: Finding, name: NameOf) -> str:
    """Why an inadmissible finding is so, or what an undecided one waits for."""
    return problem(f.reason.partition("; ")[0], name)


def problem(text: str, name: NameOf) -> str:
    """A fault of the evidence in plain words: what was wrong, in how many questions, in which features."""
    if skew := _SKEW.search(text):
        wrong, n, hours, features = skew.groups()
        which = ", ".join(re.findall(r"(\w+) \(\d+\)", features)[:2])
        return f"{wrong} of {n} questions in {hours} hours were answered from other values than the warehouse has ({which})"
    if leak := _LEAK.search(text):
        column, share, hours, minutes = leak.groups()
        return f"leakage: {column} is known only after the question ({share} of rows, {hours} h {minutes} min in the median)"
    return without_digests(text, name)


def unchanged(text: str) -> str:
    """That a manifest was here already, without its digest."""
    return re.sub(f" {_SHORT_DIGEST.pattern}", "", text)


def decisive(verdict: Verdict | None) -> Finding | None:
    """The finding that a reader should see, of those that made the ruling: against a release, else against the fallback,
    else the first."""
    found = [f for f in verdict.findings if f.ruling is verdict.ruling] if verdict else []
    return min(found, key=lambda f: (not f.comparator, f.comparator == FALLBACK), default=None)


def _why(verdict: Verdict | None, name: NameOf) -> str:
    f = decisive(verdict)
    if f is None:
        return ""
    return reason(f, name) if f.ruling is Ruling.INVALID or f.estimate is None else measured(f, name)


def _failed(verdict: Verdict | None, name: NameOf) -> str:
    found = [f for f in verdict.findings if f.ruling is Ruling.FAIL] if verdict else []
    return measured(found[0], name) if found else _why(verdict, name)


def _over(verdict: Verdict | None, unit: str) -> str:
    blocks = max((f.blocks for f in verdict.findings), default=0) if verdict else 0
    return f" over {blocks} {unit}s" if blocks else ""


def _bound(f: Finding) -> str:
    """The bound that decided: how bad it may be where it passed, how good where it failed."""
    if f.ruling is Ruling.PASS and f.high is not None:
        return f", at worst {_signed(f.high)}"
    return f", at best {_signed(f.low)}" if f.ruling is Ruling.FAIL and f.low is not None else ""


def _share(value: float) -> str:
    return f"{100 * value:.3g}%"


def _signed(value: float) -> str:
    return (f"{value:+.4f}" if abs(value) < 1 else f"{value:+.4g}").replace("-", "−")


# ── one saying a kind ─────────────────────────────────────────────────────────────────────────────────────────────


def _gate(release: str, v: Verdict | None, d: Deployment, name: NameOf, unit: str) -> str:
    if v is None:
        return ""
    if v.ruling is Ruling.PASS:
        level = next((f for f in v.findings if not f.comparator), None)
        shown = [measured(f, name) for f in (level, decisive(v)) if f is not None]
        return f"on {max(f.blocks for f in v.findings)} later {unit}s: {', '.join(dict.fromkeys(shown))}"
    if v.ruling is Ruling.INVALID:
        return _why(v, name)
    opening = "refused" if v.ruling is Ruling.FAIL else "not decided"
    return f"{opening}: {_failed(v, name)}{_over(v, unit)}"


def _started(release: str, v: Verdict | None, d: Deployment, name: NameOf, unit: str) -> str:
    r = d.rollout
    if r is None:
        return ""
    seen = "answers beside" if r.current.kind == "shadow" else f"answers {r.current.share:.0%} of the units instead of"
    unseen = ", unseen," if r.current.kind == "shadow" else ""
    return f"{r.current.name}: {seen} {name(r.champion)}{unseen} for at least {r.current.blocks} {unit}s"


def _advanced(release: str, v: Verdict | None, d: Deployment, name: NameOf, unit: str) -> str:
    stage = d.rollout.current if d.rollout else None
    return f"answers {stage.share:.0%} of the units now: {_why(v, name)}{_over(v, unit)}" if stage else ""


def _live(release: str, v: Verdict | None, d: Deployment, name: NameOf, unit: str) -> str:
    return (
        f"answers everybody now: {_why(v, name)}{_over(v, unit)}" if v else "answers everybody now, on its gate alone"
    )


def _confirmed(release: str, v: Verdict | None, d: Deployment, name: NameOf, unit: str) -> str:
    return "the last labels of its trial have come, and the promotion stands"


def _held(release: str, v: Verdict | None, d: Deployment, name: NameOf, unit: str) -> str:
    r = d.rollout
    if r is None:
        return ""
    return f"stopped in {r.current.name}: {problem(r.held_for, name)}"


def _resumed(release: str, v: Verdict | None, d: Deployment, name: NameOf, unit: str) -> str:
    r = d.rollout
    return f"{r.current.name} starts over against {name(r.champion)}" if r and not r.paused_by else ""


def _rolled_back(release: str, v: Verdict | None, d: Deployment, name: NameOf, unit: str) -> str:
    return f"taken out, known bad from now on: {_failed(v, name)}" if v and release in d.known_bad else ""


def _lapsed(release: str, v: Verdict | None, d: Deployment, name: NameOf, unit: str) -> str:
    return f"lost its lease to {name(d.live)}, which is better on the same {unit}s: {_failed(v, name)}"


def _held_live(release: str, v: Verdict | None, d: Deployment, name: NameOf, unit: str) -> str:
    return f"no longer holds ({_failed(v, name)}), and nobody on hand is better: it stays, under an incident"


def _grace(release: str, v: Verdict | None, d: Deployment, name: NameOf, unit: str) -> str:
    invalid = next((f for f in v.findings if f.ruling is Ruling.INVALID), None) if v else None
    return f"can no longer be trusted: {reason(invalid, name)}" if invalid else ""


def _safe_answer(release: str, v: Verdict | None, d: Deployment, name: NameOf, unit: str) -> str:
    return "the fallback answers in its place, until its evidence can be trusted again"


def _recovered(release: str, v: Verdict | None, d: Deployment, name: NameOf, unit: str) -> str:
    return "answers again: what it sees and says can be trusted"


def _retrain(release: str, v: Verdict | None, d: Deployment, name: NameOf, unit: str) -> str:
    return f"a newer model is asked for: {_failed(v, name)}{_over(v, unit)}" if v else ""


_Saying = Callable[[str, Verdict | None, Deployment, NameOf, str], str]

_SAYINGS: Mapping[str, _Saying] = {
    "gate": _gate,
    "started": _started,
    "advanced": _advanced,
    "live": _live,
    "confirmed": _confirmed,
    "held": _held,
    "resumed": _resumed,
    "rolled_back": _rolled_back,
    "lapsed": _lapsed,
    "held_live": _held_live,
    "grace": _grace,
    "safe_answer": _safe_answer,
    "recovered": _recovered,
    "retrain": _retrain,
}
"""A kind that is not here (an operator's word, mostly) is told in the ledger's own sentence."""
