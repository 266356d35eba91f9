"""``plimsoll up``: the server, and the loops beside it, in one process."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from plimsoll.cli.options import Options, Shared


def up(
    *folders: Annotated[
        Path, Parameter(help="Folders of capabilities, or of folders of those; default: the current one.")
    ],
    host: Annotated[str | None, Parameter(help="Address to listen on; default: 127.0.0.1.")] = None,
    port: Annotated[int | None, Parameter(help="Port to listen on; default: 8080.")] = None,
    workers: Annotated[
        int | None, Parameter(help="Processes that answer; from 2 on, one more decides. Default: 1, which does both.")
    ] = None,
    part: Annotated[str, Parameter(show=False)] = "",
    pulse: Annotated[int, Parameter(show=False)] = -1,
    shared: Shared = Options(),  # noqa: B008 - frozen
) -> int:
    """Serve capabilities, and watch them: answers, outcomes, rollout, lease. Ends with SIGTERM or Ctrl-C.

    Several are served at one address by one process, from one home; the settings are those of the first folder.
    Workers that die or hang are replaced; SIGHUP replaces them one by one. With --json every line that it says is one
    JSON document.

    Example: plimsoll up --port 8080 --workers 2
    """
    from plimsoll.app import Part, capabilities_in, common, serve, serve_with_workers

    folders = folders or (Path(),)
    capabilities = capabilities_in(folders)
    settings = shared.settings(folders[0], server__host=host, server__port=port, server__workers=workers)
    settings = common(settings, capabilities, shared.settings)
    say = _say_json if shared.json else _say
    if part:
        from plimsoll.app.workers import part_of

        serve(capabilities, settings, say=say, part=part_of(part, pulse))
        return 0
    if settings.server.workers > 1:
        many = settings.server.workers
        return serve_with_workers(capabilities, folders, settings, workers=many, as_json=shared.json, say=say)
    serve(capabilities, settings, say=say, part=Part())
    return 0


def _say(text: str) -> None:
    print(text, flush=True)


def _say_json(text: str) -> None:
    import json

    print(json.dumps({"said": text}, ensure_ascii=False), flush=True)
