"""Writing a plan down: every file is rendered first, so that a bad plan leaves nothing behind."""

from __future__ import annotations

import shutil
from pathlib import Path

from plimsoll.errors import UsageError
from plimsoll.scaffold.plan import Plan

FILES = {
    "capability.py.jinja": "capability.py",
    "contract.yaml.jinja": "contracts/{name}.odcs.yaml",
    "test_capability.py.jinja": "tests/test_capability.py",
    "README.md.jinja": "README.md",
    "gitignore.jinja": ".gitignore",
}


def write(plan: Plan, folder: Path) -> tuple[Path, ...]:
    """Write the capability into ``folder``, which must be empty or not exist. Returns the files, in order.

    Raises UsageError, having written nothing, where something is there already.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} exists and is not empty", hint="choose another name, or empty it first")
    texts = {folder / target.format(name=plan.name): _rendered(source, plan) for source, target in FILES.items()}
    if plan.csv:
        texts[folder / plan.rows] = plan.csv
    copies = {folder / target: source for target, source in _copies(plan).items()}
    for path in (*texts, *copies):
        path.parent.mkdir(parents=True, exist_ok=True)
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8", newline="\n")
    for path, source in copies.items():
        shutil.copyfile(source, path)
    return (*texts, *copies)


def _copies(plan: Plan) -> dict[str, Path]:
    found: dict[str, Path] = {}
    if plan.data is not None:
        found[plan.rows] = plan.data
    if plan.model is not None:
        found[plan.model_file] = plan.model
    if plan.estimator is not None:
        found[f"{plan.identifier}_model.py"] = plan.estimator[0]
    return found


def _rendered(template: str, plan: Plan) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("plimsoll.scaffold"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    return environment.get_template(template).render(plan=plan)
