"""The commands: ``plimsoll check``, ``release``, ``up``, ``status``, … Nothing here decides; it asks and shows."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence

from plimsoll.cli.inventory import COMMANDS

COLLECT_EVERY = 100_000
"""New objects between two garbage collections. What an import makes stays, and Python's own 700 walks all of it again
and again: a sixth of ``plimsoll status``, a twentieth of a rehearsal (which then needs 1 % more memory)."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (default: the process's own) and return its exit code; see ``plimsoll --help``.

    What needs no parser is answered before it is imported: help and a slip have to be instant.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("--help", "-h"):
        from plimsoll.cli.overview import overview

        print(overview(COMMANDS))
        return 0
    if given == ["--version"]:
        from plimsoll import __version__

        print(f"plimsoll {__version__}")
        return 0
    if given[0] not in (known := [c.name for c in COMMANDS]):
        from plimsoll.cli.failure import unknown_command

        return unknown_command(given[0], known, "--json" in given)
    gc.set_threshold(COLLECT_EVERY, *gc.get_threshold()[1:])
    from plimsoll.cli.dispatch import dispatch

    return dispatch(given)
