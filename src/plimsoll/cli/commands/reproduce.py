"""``plimsoll reproduce RELEASE``: built again from its manifest; are the bytes the same?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from plimsoll.cli.options import Options, Shared

if TYPE_CHECKING:
    from rich.console import Console


def reproduce(
    release: Annotated[str, Parameter(help="Digest, an unambiguous prefix of it, or a label.")],
    path: Annotated[Path, Parameter(help="The capability's folder.")] = Path(),
    *,
    shared: Shared = Options(),  # noqa: B008 - frozen
) -> int:
    """Train again from the snapshots, parameters and seed in the manifest, and compare every artifact's digest.

    Same machine, same lock: same bytes. Exit code 1: something differs, and it says what.

    Example: plimsoll reproduce v1
    """
    from plimsoll.app import open_home
    from plimsoll.capability import load
    from plimsoll.cli.reading import catalog_of
    from plimsoll.kernel.manifest import SIGNATURE
    from plimsoll.operations import reproduce as again

    capability, settings = load(path), shared.settings(path)
    with catalog_of(settings) as catalog:
        row = catalog.release(capability.name, release)
    with open_home(settings) as home:
        made = again(capability, home.yard(), row)
    artifacts = [
        {"role": role, "kept": kept, "made": made.artifacts.get(role, ""), "same": kept == made.artifacts.get(role)}
        for role, kept in sorted(row.manifest.artifacts.items())
        if role != SIGNATURE  # who released it is not what it is made of
    ]
    same = all(a["same"] for a in artifacts)
    shared.answer({"release": row.digest, "label": row.label, "same": same, "artifacts": artifacts}, _page)
    return 0 if same else 1


def _page(console: Console, document: dict[str, Any]) -> None:
    from plimsoll.cli.page import heading, table
    from plimsoll.kernel.digest import short

    heading(console, f"{document['label']} {short(document['release'])}")
    rows = [
        (a["role"], short(a["kept"]), short(a["made"]) or "–", "same" if a["same"] else "differs")
        for a in document["artifacts"]
    ]
    table(console, ("artifact", "kept", "made again", ""), rows)
    console.print("[green]reproduced[/green]" if document["same"] else "[red]not reproduced[/red]")
