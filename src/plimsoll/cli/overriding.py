"""What people may do over the loop's head: one decision, written with their name and their reason."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from plimsoll.errors import Conflict

if TYPE_CHECKING:
    from rich.console import Console

    from plimsoll.app import Home
    from plimsoll.cli.options import Options
    from plimsoll.kernel.case import Decision
    from plimsoll.kernel.rollout import Deployment

Override = Callable[["Deployment", str, datetime], "Decision"]
"""(deployment, actor, now) → what is to be written."""

ATTEMPTS = 5
"""The loop writes too. Whoever is second reads again; a person's word is not lost to a race."""


def override(shared: Options, capability: str | None, decide: Override) -> int:
    """Decide on the deployment as it is now, write it, and say what was done."""
    from plimsoll.app import open_home
    from plimsoll.cli.reading import catalog_of, only_capability

    settings = shared.settings()
    with catalog_of(settings) as catalog:  # an override is of something that is there: no home is made for it
        name = only_capability(catalog, capability)
    with open_home(settings) as home:
        decision = _written(home, name, decide)
    shared.answer(_document(decision), _page)
    return 0


def _written(home: Home, capability: str, decide: Override) -> Decision:
    from plimsoll.cli.person import actor
    from plimsoll.operations.act import carry_out

    for attempt in range(ATTEMPTS):
        now = home.clock.now()
        decision = decide(home.catalog.deployment(capability), actor(), now)
        try:
            carry_out(decision, catalog=home.catalog, notifier=home.notifier, fence=None, now=now, actor=actor())
        except Conflict:
            if attempt == ATTEMPTS - 1:
                raise
        else:
            break
    return decision


def _document(decision: Decision) -> dict[str, Any]:
    from plimsoll.kernel.rollout import shares

    return {
        "done": decision.kind,
        "release": decision.subject,
        "summary": decision.summary,
        "live": decision.deployment.live,
        "shares": shares(decision.deployment),
    }


def _page(console: Console, document: dict[str, Any]) -> None:
    from plimsoll.cli.page import escaped
    from plimsoll.kernel.digest import short

    console.print(escaped(document["summary"]), soft_wrap=True)
    traffic = ", ".join(f"{share:.0%} {short(name)}" for name, share in document["shares"].items())
    console.print(f"traffic: {traffic}", style="dim")
