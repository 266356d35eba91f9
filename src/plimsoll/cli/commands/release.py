"""``plimsoll release``: rows become a release, and the gate says whether it may leave the yard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from plimsoll.cli.options import Options, Shared

if TYPE_CHECKING:
    from rich.console import Console

    from plimsoll.operations import Shipped


def release(
    path: Annotated[Path, Parameter(help="The capability's folder.", name="PATH")] = Path(),
    *,
    label: Annotated[str, Parameter(help="What people call it; default: v1, v2, …", show_default=False)] = "",
    junit: Annotated[
        Path | None, Parameter(help="Also write the verdict as JUnit XML, for a CI system.", show_default=False)
    ] = None,
    markdown: Annotated[
        Path | None, Parameter(help="Also write it as Markdown, for a pull request.", show_default=False)
    ] = None,
    shared: Shared = Options(),  # noqa: B008 - frozen
) -> int:
    """Check, snapshot, train, package, measure and judge; if the gate passes, queue for the rollout.

    A step whose inputs have not changed is not run again, and an identical release changes nothing and says so.
    Exit code 1: the gate said no, or could not decide.

    Example: plimsoll release --label "with weather"
    """
    from plimsoll.app import open_home
    from plimsoll.capability import load
    from plimsoll.cli.gatefiles import GateFiles
    from plimsoll.cli.page import working
    from plimsoll.cli.person import actor
    from plimsoll.cli.reportfile import report_file
    from plimsoll.operations import ship

    capability, settings = load(path), shared.settings(path)
    files = GateFiles(junit, markdown)
    with open_home(settings) as home, working(quiet=shared.json) as say:
        with files.even_without_a_verdict(capability.name):
            shipped = ship(capability, home.yard(say=say), label=label, actor=actor())
        report = report_file(home, capability.name, shipped.release)
        files.write(home, capability.name, shipped, report)
    shared.answer({**_document(shipped), "report": report}, _page)
    return 0 if shipped.verdict is None or shipped.verdict.ruling.value == "pass" else 1


def _document(shipped: Shipped) -> dict[str, Any]:
    import msgspec

    from plimsoll.cli.verdicts import explanations

    return {
        "release": shipped.release,
        "label": shipped.label,
        "is_new": shipped.is_new,
        "state": shipped.deployment.states.get(shipped.release, "candidate"),
        "summary": shipped.summary,
        "verdict": msgspec.to_builtins(shipped.verdict) if shipped.verdict else None,
        "explanations": explanations(shipped.verdict, shipped.evidence) if shipped.verdict else [],
    }


def _page(console: Console, document: dict[str, Any]) -> None:
    from plimsoll.cli.page import coloured, escaped
    from plimsoll.cli.verdicts import draw_findings
    from plimsoll.kernel.digest import short

    console.print(escaped(document["summary"]), soft_wrap=True)
    verdict = document["verdict"]
    if verdict is None:
        return
    draw_findings(console, verdict, document["explanations"])
    console.print(f"gate: {coloured(verdict['ruling'])}")
    if document["report"]:
        console.print(f"the report, with plots: {escaped(document['report'])}", soft_wrap=True)
    if verdict["ruling"] == "pass":
        console.print(f"\nIt is {document['state']} and waits for its rollout: [bold]plimsoll up[/bold]")
        return
    console.print(f"\nSee its numbers again: [bold]plimsoll explain {short(document['release'])}[/bold]")
