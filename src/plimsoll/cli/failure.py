"""What a person, or a script, sees when a command did not succeed."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cyclopts import CycloptsError

    from plimsoll.errors import PlimsollError

WORDS = {1: "refused", 2: "wrong usage", 3: "unavailable", 4: "broken"}


def unknown_command(word: str, known: Iterable[str], as_json: bool) -> int:
    """A first word that is no command: answered with the nearest one, before any parser is loaded."""
    from plimsoll.errors import nearest

    return _tell(f"there is no command {word!r}", nearest(word, known), 2, as_json)


def refused(error: PlimsollError, as_json: bool) -> int:
    """An error that we raised on purpose: its message, its hint, its exit code."""
    return _tell(error.message, error.hint, error.exit_code, as_json, details=error.details)


def wrong_usage(error: CycloptsError, as_json: bool) -> int:
    """A command line that cannot be understood."""
    command = " ".join(["plimsoll", *(error.command_chain or ())])
    return _tell(" ".join(str(error).split()), f"{command} --help shows what it takes", 2, as_json)


def broken(error: Exception, as_json: bool) -> int:
    """An exception that nobody foresaw: short on the screen, whole in a file."""
    import traceback

    where = _written("".join(traceback.format_exception(error)))
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    hint = f"this is a bug in Plimsoll; the traceback is in {where}"
    return _tell(said, hint, 4, as_json, details={"traceback": str(where)})


def interrupted() -> int:
    """Ctrl-C: 128 + SIGINT, as shells expect."""
    with contextlib.suppress(OSError):
        sys.stderr.write("interrupted\n")
    return 130


def _tell(message: str, hint: str, code: int, as_json: bool, *, details: dict[str, Any] | None = None) -> int:
    if as_json:
        document = {"error": message, "hint": hint, "exit_code": code, "details": details or {}}
        sys.stderr.write(json.dumps(document, default=str, ensure_ascii=False) + "\n")
        return code
    mark = _coloured(WORDS.get(code, "error"), sys.stderr.isatty() and "NO_COLOR" not in os.environ)
    lines = [f"{mark}: {message}", *(f"  {line}" for line in hint.splitlines())]
    sys.stderr.write("\n".join(lines) + "\n")
    return code


def _coloured(word: str, colour: bool) -> str:
    return f"\x1b[1;31m{word}\x1b[0m" if colour else word


def _written(text: str) -> Path:
    import tempfile

    handle, name = tempfile.mkstemp(prefix="plimsoll-", suffix=".traceback.txt")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    return Path(name)
