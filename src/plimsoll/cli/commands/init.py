"""``plimsoll init``: a capability that works as it is, made up or around a model and rows of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from plimsoll.cli.options import Options, Shared

if TYPE_CHECKING:
    from rich.console import Console

    from plimsoll.scaffold import Plan


def init(
    name: Annotated[str, Parameter(help="The capability, and the folder that is made for it.")],
    *,
    task: Annotated[
        Literal["binary", "multiclass", "regression"], Parameter(help="What is predicted.", show_choices=True)
    ] = "binary",
    data: Annotated[Path | None, Parameter(help="Your rows: a CSV or Parquet file. Without it, made-up ones.")] = None,
    label: Annotated[str | None, Parameter(help="With --data: the column with the truth.")] = None,
    asked_at: Annotated[
        str | None, Parameter(help="With --data: the timestamp of each question; default: the only timestamp there is.")
    ] = None,
    unit: Annotated[
        str | None, Parameter(help="With --data: the column that identifies a row; default: the first unique one.")
    ] = None,
    known_at: Annotated[
        str | None, Parameter(help="With --data: the timestamp from which the label is known; default: 24 h later.")
    ] = None,
    inputs: Annotated[
        list[str] | None,
        Parameter(help="With --data: the model's columns, in its order.", consume_multiple=True, negative=()),
    ] = None,
    model: Annotated[
        Path | None, Parameter(help="With --data: your model: .onnx, .txt (LightGBM), .skops or .pt2.")
    ] = None,
    sklearn: Annotated[
        str | None, Parameter(help="With --data: your unfitted scikit-learn pipeline, as FILE.py:NAME.")
    ] = None,
    shared: Shared = Options(),  # noqa: B008 - frozen
) -> int:
    """Scaffold a capability that passes `plimsoll check` and `plimsoll release` as it is.

    Example: plimsoll init churn --data rows.parquet --label churned --asked-at seen_at --model churn.onnx
    """
    from plimsoll.scaffold import own_plan, sample_plan, write

    _check(name, data, label, {"--model": model, "--sklearn": sklearn})
    if data is None or label is None:
        plan = sample_plan(name, task)
    else:
        plan = own_plan(
            name,
            task,
            data=data,
            label=label,
            asked_at=asked_at,
            unit=unit,
            known_at=known_at,
            inputs=tuple(inputs or ()),
            model=model,
            estimator=sklearn,
        )
    files = write(plan, Path(name))
    shared.answer(_document(plan, files), _page)
    return 0


def _check(name: str, data: Path | None, label: str | None, models: dict[str, Any]) -> None:
    from plimsoll.errors import UsageError

    if not name or not all(ch.isalnum() or ch in "-_" for ch in name) or not name[0].isalpha():
        raise UsageError(f"{name!r} cannot name a capability", hint="use letters, digits, '-' and '_', a letter first")
    given = [option for option, value in models.items() if value is not None]
    if data is None and (given or label):
        raise UsageError(f"{given[0] if given else '--label'} needs rows to be judged on", hint="add --data FILE")
    if data is not None and label is None:
        raise UsageError("which column of --data is the truth?", hint="name it: --label COLUMN")
    if data is not None and len(given) != 1:
        raise UsageError(
            f"--data needs exactly one model, and {' and '.join(given) or 'none'} is given",
            hint="add --model FILE.onnx (or .txt, .skops, .pt2), or --sklearn FILE.py:NAME",
        )


def _document(plan: Plan, files: tuple[Path, ...]) -> dict[str, Any]:
    return {
        "capability": plan.name,
        "task": plan.task,
        "folder": str(Path(plan.name).resolve()),
        "files": [str(f) for f in files],
        "inputs": [c.name for c in plan.inputs],
        "notes": list(plan.notes),
        "next": [f"cd {plan.name}", "plimsoll check", "plimsoll release"],
    }


def _page(console: Console, document: dict[str, Any]) -> None:
    from plimsoll.cli.page import escaped

    for file in document["files"]:
        console.print(f"  [green]+[/green] {escaped(file)}", soft_wrap=True)
    for note in document["notes"]:
        console.print(f"\n{escaped(note)}")
    console.print(f"\nNext: [bold]{escaped(' && '.join(document['next']))}[/bold]", soft_wrap=True)
