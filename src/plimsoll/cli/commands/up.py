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
    workers: Annotated[
        int | None, Parameter(help="Processes that answer; from 2 on, one more decides. Default: 1, which does both.")
    ] = None,
    part: Annotated[str, Parameter(show=False)] = "",
    pulse: Annotated[int, Parameter(show=False)] = -1,
    shared: Shared = Options(),  # noqa: B008 - frozen
) -> int:
    """Serve the capability, and watch it: answers, outcomes, rollout, lease. Ends with SIGTERM or Ctrl-C.

    Workers that die or hang are replaced; SIGHUP replaces them one by one. With --json every line that it says is one
    JSON document.

    Example: plimsoll up --port 8080 --workers 2
    """
    from plimsoll.app import Part, serve, serve_with_workers
    from plimsoll.capability import load

    capability = load(path)
    settings = shared.settings(path, server__host=host, server__port=port, server__workers=workers)
    say = _say_json if shared.json else _say
    if part:
        from plimsoll.app.workers import part_of

        serve(capability, settings, say=say, part=part_of(part, pulse))
        return 0
    if settings.server.workers > 1:
        many = settings.server.workers
        return serve_with_workers(capability, path, settings, workers=many, as_json=shared.json, say=say)
    serve(capability, settings, say=say, part=Part())
    return 0


def _say(text: str) -> None:
    print(text, flush=True)


def _say_json(text: str) -> None:
    import json

    print(json.dumps({"said": text}, ensure_ascii=False), flush=True)
