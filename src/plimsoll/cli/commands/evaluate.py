"""``plimsoll evaluate``: a release looked into deeply, beyond what its gate has time for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from plimsoll.cli.options import Options, Shared

if TYPE_CHECKING:
    from rich.console import Console

    from plimsoll.kernel.ports import CatalogReader, ReleaseRow


def evaluate(
    what: Annotated[str, Parameter(help="A capability's folder (its newest release), or a release of it.")] = ".",
    path: Annotated[Path, Parameter(help="The capability's folder, where WHAT is a release.")] = Path(),
    *,
    deep: Annotated[bool, Parameter(negative=(), help="Make every part that is not known yet.")] = False,
    only: Annotated[
        list[str] | None, Parameter(help="Make these parts only; may be given more than once.", show_default=False)
    ] = None,
    markdown: Annotated[
        Path | None, Parameter(help="Also write it as Markdown, for a pull request.", show_default=False)
    ] = None,
    shared: Shared = Options(),  # noqa: B008 - frozen
) -> int:
    """What missing and noisy inputs do to a release, what each feature is worth, what another training changes, what the
    answers rest on, and what gate and training set share.

    Parts: robustness, ablation, stability, attribution, duplicates. Minutes for a large release; killed, it goes on where it
    was, and what is known is not made again. It becomes part of the release's report. Without --deep or --only it shows what is
    known.

    Example: plimsoll evaluate v1 --deep
    """
    from plimsoll.app import open_home
    from plimsoll.capability import load
    from plimsoll.cli.page import progressing
    from plimsoll.cli.reading import catalog_of
    from plimsoll.cli.reportfile import report_file
    from plimsoll.evaluation.deep.document import PARTS
    from plimsoll.evaluation.deep.page import markdown as written
    from plimsoll.operations.deep.keeping import everything, keep, parts_of
    from plimsoll.operations.deep.running import evaluate as run

    folder, name = (Path(what), "") if (Path(what) / "capability.py").is_file() else (path, what)
    capability, settings = load(folder), shared.settings(folder)
    with catalog_of(settings) as catalog:
        row = _row(catalog, capability.name, name)
    with open_home(settings) as home:
        parts = tuple(only or (PARTS if deep else ()))
        if parts:
            with progressing(quiet=shared.json) as progress:
                found = run(capability, home.yard(), row, parts, progress)
            known = keep(home.catalog, home.objects, row, found, home.clock.now())
        else:
            known = everything(home.objects, parts_of(home.catalog, row))
        report = report_file(home, capability.name, row.digest)
    if markdown is not None:
        markdown.parent.mkdir(parents=True, exist_ok=True)
        markdown.write_text(written(known, title=f"{capability.name} {row.label}, evaluated deeply"), encoding="utf-8")
    shared.answer(_document(row, known, report), lambda console, _: _page(console, row, known, parts or PARTS, report))
    return 0


def _row(catalog: CatalogReader, capability: str, name: str) -> ReleaseRow:
    """The release of that name, or the newest."""
    from plimsoll.errors import UsageError

    if name:
        return catalog.release(capability, name)
    if not (known := catalog.releases(capability)):
        raise UsageError(f"{capability} has no release yet", hint="plimsoll release")
    return known[-1]


def _document(row: ReleaseRow, known: Any, report: str) -> dict[str, Any]:
    import msgspec

    return {"release": row.digest, "label": row.label, "report": report, **msgspec.to_builtins(known)}


def _page(console: Console, row: ReleaseRow, known: Any, parts: tuple[str, ...], report: str) -> None:
    from plimsoll.cli.page import escaped, heading, table
    from plimsoll.evaluation.deep.words import basis, sections
    from plimsoll.kernel.digest import short

    heading(console, f"{row.label} {short(row.digest)}, evaluated deeply")
    if not known.made:
        console.print(f"nothing is known yet: [bold]plimsoll evaluate {short(row.digest)} --deep[/bold]")
    else:
        console.print(escaped(basis(known)), soft_wrap=True)
    for found in (s for s in sections(known) if s.part in parts):
        heading(console, found.title)
        for said in found.says:
            console.print(escaped(said), soft_wrap=True)
        for drawn in found.tables:
            if drawn.rows and not drawn.folded:
                table(console, drawn.columns, drawn.rows, right=drawn.columns[drawn.left :])
    for part, why in known.skipped.items():
        console.print(f"{part} was left out: {escaped(why)}", style="yellow", soft_wrap=True)
    if report and known.made:
        console.print(f"\nthe report, with every table and plot: {escaped(report)}", soft_wrap=True)
