"""The story of a rehearsal as one HTML file that a person can read, keep and send; it loads nothing from anywhere."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from jinja2 import Environment
from markupsafe import Markup

from plimsoll.evaluation import page_templates, plots_can_be_drawn
from plimsoll.kernel.digest import short
from plimsoll.kernel.verdict import Finding
from plimsoll.operations.story.account import Account, Passage, Told, account_of, passages, verdict_of
from plimsoll.operations.story.document import Story, why
from plimsoll.operations.story.headline import headline, key_figures
from plimsoll.operations.story.wording import ROUTINE, decisive, problem, verb

if TYPE_CHECKING:
    from plimsoll.operations.rehearsing import Stage

CAUGHT = frozenset({"held", "rolled_back", "lapsed", "held_live", "grace"})
TONES = {
    "pass": "pass", "fail": "fail", "invalid": "invalid", "inconclusive": "inconclusive", "live": "pass", "gated": "pass",
    "superseded": "quiet", "refused": "fail", "rolled_back": "fail", "lapsed": "fail", "held": "inconclusive",
    "withdrawn": "inconclusive", "shadow": "blue", "canary": "blue", "started": "blue", "advanced": "blue", "resumed": "blue",
    "recovered": "pass", "grace": "invalid", "safe_answer": "invalid", "held_live": "invalid", "retrain": "inconclusive",
}  # fmt: skip


class Card(NamedTuple):
    """One release: how its gate went, where it was, and why it stands where it stands. ``caught`` is what was seen
    against it, with the number of its answers it was seen in."""

    label: str
    digest: str
    state: str
    ruling: str
    findings: list[Finding]
    passages: list[Passage]
    exposed: int
    why: str
    caught: list[tuple[datetime, str, int]]


class LedgerRow(NamedTuple):
    seq: int
    at: datetime
    kind: str
    label: str
    summary: str
    digest: str
    routine: bool


def story_page(stage: Stage, story: Story) -> bytes:
    """The page, as UTF-8 bytes. Without the extra ``report`` the plots are left out and the page says so."""
    return written(account_of(stage, story))


def written(a: Account) -> bytes:
    """The page of an account."""
    plots = _plots(a)
    text = (
        _templates()
        .get_template("story.html.j2")
        .render(
            a=a,
            headline=headline(a),
            figures=key_figures(a),
            plots=plots,
            plots_missing=not plots_can_be_drawn(),
            signs=_signs(a),
            decisions=[t for t in a.told if t.kind not in ROUTINE],
            quiet=sum(t.kind in ROUTINE for t in a.told),
            cards=[_card(a, digest) for digest in a.labels],
            incidents=_incidents(a),
            ledger=list(_ledger(a)),
        )
    )
    return text.encode()


@cache
def _templates() -> Environment:
    made = page_templates("plimsoll.operations.story")
    made.filters.update(day=_day, minute=_minute, tone=lambda word: TONES.get(word, "quiet"), word=_word, short=short)
    made.filters.update(sign=sign, verb=_verb)
    return made


def _plots(a: Account) -> dict[str, list[Any]]:
    if not plots_can_be_drawn():
        return {"timeline": [], "against": [], "trials": [], "months": []}
    from plimsoll.operations.story import charts

    trial = charts.on_trial(a)
    return {
        "timeline": _marked([charts.timeline(a)]),
        "against": _marked(charts.against(a)),
        "trials": _marked([trial] if trial else []),
        "months": _marked(charts.months(a)),
    }


def _marked(plots: Iterable[Any]) -> list[Any]:
    """SVG that we drew ourselves may stand in the page as it is."""
    return [p._replace(svg=Markup(p.svg)) for p in plots]


def _signs(a: Account) -> list[str]:
    """The kinds of marks that the timeline has, in a fixed order."""
    from plimsoll.operations.story.charts import SIGNS
    from plimsoll.operations.story.series import marks

    present = {m["what"] for m in marks(a)}
    return [kind for kind in SIGNS if kind in present]


def sign(kind: str) -> Markup:
    """The timeline's sign of a kind, for the legend in the text."""
    from plimsoll.operations.story.charts import SIGNS

    shape, colour = SIGNS[kind]
    drawn = {"diamond": "◆", "square": "■", "triangle-up": "▲", "triangle-down": "▼", "circle": "●"}[shape]
    return Markup(f'<span style="color:{colour}">{drawn}</span>')


def _card(a: Account, digest: str) -> Card:
    gate = a.gates[digest]
    return Card(
        label=a.labels[digest],
        digest=digest,
        state=a.deployment.states[digest].value,
        ruling=gate.ruling.value,
        findings=list(gate.findings),
        passages=passages(a, digest),
        exposed=a.served.get(digest, 0),
        why=why(a, digest),
        caught=_caught(a, digest),
    )


def _caught(a: Account, digest: str) -> list[tuple[datetime, str, int]]:
    about = {t.ledger_seq: t for t in a.told if t.release == digest and t.kind in CAUGHT}
    found = []
    for line in a.lines:
        if line.seq in about:
            finding = decisive(verdict_of(line.entry.body))
            found.append((line.entry.at, about[line.seq].plain, finding.events if finding else 0))
    return found


class _Incident(NamedTuple):
    kind: str
    label: str
    opened_at: datetime
    closed_at: datetime | None
    said: str
    closed_by: str


def _incidents(a: Account) -> list[_Incident]:
    return [
        _Incident(
            kind=i.kind,
            label=a.name(str(i.details.get("release", ""))),
            opened_at=i.opened_at,
            closed_at=i.closed_at,
            said=problem(i.summary, a.name),
            closed_by=_closing(a, i.closed_at),
        )
        for i in a.incidents
    ]


def _closing(a: Account, at: datetime | None) -> str:
    """What closed it: the decision of that moment."""
    said: Told | None = next((t for t in a.told if t.at == at and t.kind not in ROUTINE), None)
    return f"{said.label}: {verb(said.kind)}" if said else ""


def _ledger(a: Account) -> Iterable[LedgerRow]:
    for line in a.lines:
        e = line.entry
        label = a.labels.get(e.subject, "")
        yield LedgerRow(line.seq, e.at, e.kind, label, e.summary, line.digest, e.kind in ROUTINE)


def _day(at: datetime | None) -> str:
    return f"{at:%-d %b}" if at else "now"


def _minute(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at else "–"


def _verb(t: Told) -> str:
    return verb(t.kind, t.ruling)


def _word(state: str) -> str:
    return state.replace("_", " ")
