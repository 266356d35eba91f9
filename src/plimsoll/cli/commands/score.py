"""``plimsoll score``: the rows of files, through the same release and answer policy as a request."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from plimsoll.cli.options import Options, Shared

if TYPE_CHECKING:
    from rich.console import Console

    from plimsoll.capability import Capability
    from plimsoll.kernel.ports import Catalog, ReleaseRow
    from plimsoll.operations.scoring.run import Progress


def score(
    release: Annotated[str, Parameter(help="Its label or digest; live is the one that answers now.")] = "live",
    *,
    in_: Annotated[
        list[Path], Parameter(name="--in", consume_multiple=True, negative=(), help="Parquet or CSV files, in order.")
    ],
    out: Annotated[Path, Parameter(help="The Parquet or CSV file to make.")],
    keep: Annotated[
        tuple[str, ...], Parameter(consume_multiple=True, negative=(), help="Columns that go into the output too.")
    ] = (),
    processes: Annotated[int, Parameter(help="How many score at once; 0 is one for each processor.")] = 0,
    path: Annotated[Path, Parameter(help="The capability's folder.")] = Path(),
    shared: Shared = Options(),  # noqa: B008 - frozen
) -> int:
    """Score files: the same features, model and answer policy as a request gets. Ended at any moment, go on with the same
    command.

    The output has a row for each row of the inputs, in their order: the unit, what --keep names, `score` (or one for each
    class), `action`, `reason`, `confidence`, `error`. Batch answers are not recorded as events.

    Example: plimsoll score live --in march.parquet april.parquet --out scores.parquet
    """
    from plimsoll.app import open_home
    from plimsoll.capability import load
    from plimsoll.cli.person import actor
    from plimsoll.cli.reading import catalog_of
    from plimsoll.operations.scoring import score as scored_by

    capability = load(path)
    settings = shared.settings(path)
    with catalog_of(settings):
        pass  # a home that is not there is not made in order to score with it
    with open_home(settings) as home:
        row = _release(home.catalog, capability, release)
        done = scored_by(
            capability,
            row,
            in_,
            out,
            yard=home.yard(),
            objects=settings.objects,
            trust=settings.trust,
            previous=_previous(home.catalog, capability),
            keep=keep,
            processes=processes,
            progress=_progress(shared),
            actor=actor(),
        )
    document = {"release": row.digest, "out": str(out), **done._asdict()}
    shared.answer(document, _page)
    return 0


def _release(catalog: Catalog, capability: Capability, name: str) -> ReleaseRow:
    from plimsoll.errors import UsageError
    from plimsoll.kernel.records import FALLBACK

    if name != "live":
        return catalog.release(capability.name, name)
    live = catalog.deployment(capability.name).live
    if live == FALLBACK:
        raise UsageError(
            f"{capability.name}: no release is live, only the fallback answers",
            hint="name a release: plimsoll status lists them",
        )
    return catalog.release(capability.name, live)


def _previous(catalog: Catalog, capability: Capability) -> ReleaseRow | None:
    name = catalog.deployment(capability.name).predecessor
    return catalog.release(capability.name, name) if name else None


def _progress(shared: Options) -> Progress:
    """A line on stderr that is written over; nothing where nobody looks."""
    import sys

    if shared.json or not sys.stderr.isatty():
        return lambda done, of, per_s: None

    def show(done: int, of: int, per_s: float) -> None:
        left_s = (of - done) / per_s if per_s else 0.0
        end = "\n" if done == of else ""
        sys.stderr.write(f"\r{done:,} of {of:,} rows, {per_s:,.0f} a second, {left_s:,.0f} s left   {end}")
        sys.stderr.flush()

    return show


def _page(console: Console, document: dict[str, Any]) -> None:
    from plimsoll.kernel.digest import short

    console.print(f"{document['rows']:,} rows scored with {short(document['release'])} into {document['out']}")
    if document["again"]:
        console.print(f"{document['again']:,} of them had been scored before", style="dim")
    if document["errors"]:
        console.print(f"{document['errors']:,} have an error: see the column [bold]error[/bold]", style="yellow")
