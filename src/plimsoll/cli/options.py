"""What every command takes, and how it answers: one document, as JSON for machines or as a page for people."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

if TYPE_CHECKING:
    from rich.console import Console

    from plimsoll.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of every command."""

    json: Annotated[bool, Parameter(negative=(), help="One JSON document on stdout, for machines.")] = False
    home: Annotated[
        Path | None, Parameter(help="Folder of all state; else PLIMSOLL_HOME, else ./.plimsoll.", show_default=False)
    ] = None

    def settings(self, folder: Path | None = None, **flags: Any) -> Settings:
        """The settings in force: file, environment, then these flags (``server__port=80`` for ``server.port``)."""
        from plimsoll.settings import read_settings

        named = {name.replace("__", "."): value for name, value in flags.items()}
        return read_settings(folder or Path(), environment=os.environ, flags={"home": self.home, **named})

    def answer(self, document: Mapping[str, Any], page: Callable[[Console, Any], None]) -> None:
        """Print ``document``: as it is for machines, as ``page`` draws it for people."""
        if self.json:
            sys.stdout.write(as_json(document))
            return
        from rich.console import Console

        page(Console(highlight=False, emoji=False), document)


Shared = Annotated[Options, Parameter(name="*")]
"""How a command's signature asks for the shared options."""


def as_json(document: Mapping[str, Any]) -> str:
    """``document`` as text: sorted keys, times as RFC 3339, so that two runs compare."""
    import msgspec

    return msgspec.json.format(msgspec.json.encode(document, order="sorted"), indent=2).decode() + "\n"
