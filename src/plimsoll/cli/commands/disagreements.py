"""``plimsoll disagreements RELEASE``: where a release and another one part, and which cases are worth a label."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from plimsoll.cli.options import Options, Shared

if TYPE_CHECKING:
    from rich.console import Console

    from plimsoll.kernel.ports import CatalogReader

SHOWN = 15


def disagreements(
    release: Annotated[str, Parameter(help="Digest, an unambiguous prefix of it, or a label.")],
    *,
    against: Annotated[
        str | None, Parameter(help="Another release, or `fallback`; default: whom its rollout was compared with.")
    ] = None,
    csv: Annotated[Path | None, Parameter(help="Write the cases to label to this file.", show_default=False)] = None,
    cases: Annotated[
        Literal["worst", "sample"], Parameter(help="Which cases: the furthest apart, or a random sample of all.")
    ] = "worst",
    since: Annotated[
        str | None, Parameter(help="Only what was asked from then on (UTC unless it says otherwise).")
    ] = None,
    capability: Annotated[str | None, Parameter(help="Whose release; needed where the home holds several.")] = None,
    shared: Shared = Options(),  # noqa: B008 - frozen
) -> int:
    """How the answers of two releases to the same recorded questions differ: their distribution, how many decisions change,
    the worst cases, ranked. 200 of those and a random sample of 200 are kept in the home, to be labelled.

    Labels come back as outcomes do and join by the event's id; once the sample has them, they say who is better.

    Example: plimsoll disagreements v2 --csv to-label.csv
    """
    from plimsoll.cli.reading import look, moment, only_capability
    from plimsoll.errors import UsageError
    from plimsoll.operations.answered.disagreement import FOLDER, collected, document_of, keep, kept_at
    from plimsoll.operations.answered.reading import answered, task_of

    settings = shared.settings()
    with look(settings) as catalog:
        name = only_capability(catalog, capability)
        row = catalog.release(name, release)
        other = _against(catalog, name, row.digest, against)
        names = {"release": row.label or row.digest, "against": _called(catalog, name, other), "capability": name}
    if not settings.segments.is_dir():
        raise UsageError(f"nothing has been recorded in {settings.home}", hint="answers are recorded by plimsoll up")
    task = task_of(row.manifest)
    rows = answered(settings.segments, name, row.digest, other, moment(since, "--since") if since else None)
    kept = kept_at(settings.home / FOLDER, row.digest, other)
    if len(rows):
        kept = collected(rows, task, kept)
        keep(settings.home / FOLDER, kept)
    document = document_of(rows, kept, task, names)
    if csv is not None:
        _written(csv, document[cases])
    shared.answer(document, _page)
    return 0


def _against(catalog: CatalogReader, capability: str, release: str, wanted: str | None) -> str:
    from itertools import islice

    from plimsoll.kernel.records import FALLBACK

    if wanted is not None:
        return FALLBACK if wanted == FALLBACK else catalog.release(capability, wanted).digest
    for line in islice(catalog.ledger(subject=release, newest_first=True), 100):
        rollout = (line.entry.body.get("deployment") or {}).get("rollout") or {}
        if rollout.get("release") == release:
            return str(rollout["champion"])
    live = catalog.deployment(capability).live
    return live if live != release else FALLBACK


def _called(catalog: CatalogReader, capability: str, release: str) -> str:
    from plimsoll.kernel.records import FALLBACK

    return release if release == FALLBACK else catalog.release(capability, release).label or release


COLUMNS = ("id", "unit", "asked_at", "block", "said", "other", "difference", "changed", "label")


def _written(path: Path, cases: list[dict[str, Any]]) -> None:
    """RFC 4180, one case a line; ``label`` is left for a person, where nothing has turned out yet."""
    import csv as files

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = files.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(["" if case[c] is None else case[c] for c in COLUMNS] for case in cases)


def _page(console: Console, document: dict[str, Any]) -> None:
    from plimsoll.cli.page import facts, heading, table
    from plimsoll.kernel.figure import figure, share

    d, changed = document["difference"], document["difference"]["changed"]
    heading(
        console,
        f"{document['release']} beside {document['against']}: {d['rows']:,} questions, {document['blocks']} blocks",
    )
    quantiles = ", ".join(f"{float(q):.0%} {figure(v, d['mean_abs'])}" for q, v in d["quantiles"].items())
    facts(
        console,
        [
            (
                "difference",
                f"{figure(d['mean'], d['mean_abs'])} on average, {figure(d['mean_abs'])} apart; {quantiles}",
            ),
            (
                "decisions",
                f"{share(changed['estimate'])} change ({_bounds(changed)}): {_moved(d['moved'])}" if changed else "",
            ),
            ("who is right", _right(document)),
            ("by the sample", "\n".join(_estimate(e) for e in document["estimates"]) or _missing(document)),
        ],
    )
    rows = [
        (c["id"], c["unit"], c["asked_at"], _said(c["said"]), _said(c["other"]), figure(c["difference"]), _label(c))
        for c in document["worst"][:SHOWN]
    ]
    table(
        console,
        ("event", "unit", "asked at", "said", "other", "apart", "label"),
        rows,
        right=("said", "other", "apart"),
    )


def _bounds(interval: dict[str, Any]) -> str:
    from plimsoll.kernel.figure import share

    return f"{share(interval['low'])} to {share(interval['high'])}"


def _moved(moved: dict[str, int]) -> str:
    return ", ".join(f"{n:,} {pair}" for pair, n in moved.items()) or "none"


def _right(document: dict[str, Any]) -> str:
    right = document["right"]
    if not right or not right["labelled"]:
        return ""
    return (
        f"of {right['labelled']:,} labelled ones with another decision {right['release']:,} are right here, "
        f"{right['against']:,} there"
    )


def _estimate(e: dict[str, Any]) -> str:
    from plimsoll.kernel.figure import figure

    word = "worse" if e["worse_by"] > 0 else "better"
    low, high = (figure(e[side], e["worse_by"]) for side in ("low", "high"))
    return f"{e['metric']} {figure(abs(e['worse_by']))} {word}, worse by {low} to {high} ({e['labels']} labels)"


def _missing(document: dict[str, Any]) -> str:
    n, of = document["sample_labelled"], len(document["sample"])
    return f"{n} of {of} cases of the random sample are labelled" if of else ""


def _said(value: Any) -> str:
    from plimsoll.kernel.figure import figure

    return ", ".join(map(figure, value)) if isinstance(value, list) else figure(value)


def _label(case: dict[str, Any]) -> str:
    return "" if case["label"] is None else f"{case['label']:g}"
