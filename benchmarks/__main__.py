"""``python -m benchmarks NAME…|all``: run benchmarks, print their tables, write ``benchmarks/results/NAME.json``.

A benchmark is a module of this package with ``run() -> list[Row]``. Exit code 1 when a target was missed.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from rich.console import Console

from benchmarks import table
from plimsoll.errors import PlimsollError, UsageError, nearest

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """The benchmarks there are: modules of this package that define ``run``, found without importing them."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in ("peers", "__main__") and _runs(path))


def _runs(path: Path) -> bool:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(isinstance(node, ast.FunctionDef) and node.name == "run" for node in tree.body)


def main(argv: Sequence[str] | None = None) -> int:
    """Run what was asked for; 0 if every target was met, 1 if not, and an error's own exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Ours against peers, in one run.")
    parser.add_argument("name", nargs="+", help=f"all, or any of: {', '.join(names())}")
    console = Console(width=None if sys.stdout.isatty() else 140)
    try:
        missed = sum(_missed(name, console) for name in _chosen(parser.parse_args(argv).name))
    except PlimsollError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    if missed:
        console.print(f"[bold red]{missed} target{'s' if missed > 1 else ''} missed[/bold red]")
    return 1 if missed else 0


def _chosen(asked: Sequence[str]) -> list[str]:
    there = names()
    if "all" in asked:
        return there
    for name in asked:
        if name not in there:
            raise UsageError(f"there is no benchmark {name!r}", hint=nearest(name, there))
    return list(dict.fromkeys(asked))


def _missed(name: str, console: Console) -> int:
    """Run benchmark ``name`` and return how many of its targets were missed."""
    console.print(f"[bold]==>[/bold] {name}")
    rows = import_module(f"benchmarks.{name}").run()
    table.show(name, rows, console)
    console.print(f"written to {table.keep(name, rows)}\n")
    return sum(not row.met for row in rows)


if __name__ == "__main__":
    sys.exit(main())
