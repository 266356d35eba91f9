"""``plimsoll up``: the server, and the loop beside it, in one process."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from plimsoll.cli.options import Options, Shared


def up(
    path: Annotated[Path, Parameter(help="The capability's folder.")] = Path(),
    *,
    host: Annotated[str | None, Parameter(help="Address to listen on; default: 127.0.0.1.")] = None,
    port: Annotated[int | None, Parameter(help="Port to listen on; default: 8080.")] = None,
    shared: Shared = Options(),  # noqa: B008 - frozen
) -> int:
    """Serve the capability, and watch it: answers, outcomes, rollout, lease. Ends with SIGTERM or Ctrl-C.

    With --json every line that it says is one JSON document.

    Example: plimsoll up --host 127.0.0.1 --port 8080
    """
    from plimsoll.app import serve
    from plimsoll.capability import load

    capability = load(path)
    settings = shared.settings(path, server__host=host, server__port=port)
    serve(capability, settings, say=_say_json if shared.json else _say)
    return 0


def _say(text: str) -> None:
    print(text, flush=True)


def _say_json(text: str) -> None:
    import json

    print(json.dumps({"said": text}, ensure_ascii=False), flush=True)
