"""``plimsoll whatif``: what another policy would have decided in every past rollout, and what that would have cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from plimsoll.cli.options import Options, Shared

if TYPE_CHECKING:
    from rich.console import Console


def whatif(
    *,
    policy: Annotated[Path, Parameter(help="A TOML file with what would be different: [policy], [limits], [stages].")],
    capability: Annotated[str | None, Parameter(help="Whose past; needed where the home holds several.")] = None,
    shared: Shared = Options(),  # noqa: B008 - frozen
) -> int:
    """What another policy would have decided in every past rollout, decision by decision, and what it would have cost.

    The past's evidence is judged again, under the policy of then and under the other one. Nothing is changed; and what
    cannot be known, because nothing was gathered after the real decision, is said to be unknown.

    Example: plimsoll whatif --policy new.toml
    """
    from plimsoll.cli.reading import look, only_capability
    from plimsoll.operations.whatif.amendment import read_amendment
    from plimsoll.operations.whatif.document import requirements_of
    from plimsoll.operations.whatif.document import whatif as asked

    settings = shared.settings()
    with look(settings) as catalog:
        name = only_capability(catalog, capability)
        amendment = read_amendment(policy, requirements_of(catalog, name))
        document = asked(catalog, name, amendment, settings.segments)
    shared.answer(document, _page)
    return 0


def _page(console: Console, document: dict[str, Any]) -> None:
    from plimsoll.cli.page import facts, heading, table, when

    heading(console, f"{document['capability']}: had the policy been another")
    names = {r["release"]: r["name"] for r in document["releases"]}
    days = document["days"]
    facts(
        console,
        [
            ("decisions", f"{document['decided_otherwise']:,} of {document['decisions']:,} verdicts would be others"),
            ("lost", ", ".join(names[r] for r in document["lost"]) or "no release"),
            ("gained", ", ".join(names[r] for r in document["gained"]) or "no release"),
            ("rollouts", f"{abs(days):.1f} days {'longer' if days > 0 else 'shorter'} in all" if days else "as long"),
            ("exposure", _exposure(document)),
            ("good ones", _delay(document)),
            ("unknown", "\n".join(f"{names[u['release']]}: {u['why']}" for u in document["unknown"])),
        ],
    )
    told = [(r["name"], r["effect"], r["says"]) for r in document["releases"] if r["effect"] != "same"]
    if told:
        table(console, ("release", "effect", "what would have been"), told)
    rows = [
        (d["seq"], when(d["at"]), d["kind"], names[d["release"]], f"{d['then']} → {d['now']}", _why(d["changed"]))
        for d in document["otherwise"]
    ]
    if document["lost"] or document["gained"]:
        console.print(f"It is assumed that {document['assumes']}.", style="dim", soft_wrap=True)
    if rows:
        table(console, ("line", "at", "kind", "release", "verdict", "because of"), rows, right=("line",))


def _exposure(document: dict[str, Any]) -> str:
    """Bad answers that were shown, and would not have been."""
    shown, avoided = document["exposure"], document["exposure_avoided"]
    if shown is None and avoided is None:
        return ""
    return f"{avoided or 0:,} fewer of the {shown or 0:,} answers shown of releases that were found bad"


def _delay(document: dict[str, Any]) -> str:
    """What it costs to be careful: good releases that come later, or not at all."""
    later, lost = document["good_days_later"], document["good_days_lost"]
    said = [f"{later:.1f} days later in all"] if later else []
    said += [f"{lost:.1f} days of being live lost"] if lost else []
    return ", ".join(said)


def _why(changed: list[list[str]]) -> str:
    return "\n".join(f"{requirement}{'' if of == 'all' else f' ({of})'}" for requirement, of, *_ in changed)
