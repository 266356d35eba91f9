"""What ``plimsoll doctor`` looks at. Each examination is a function of the settings that yields findings.

Nothing is made, migrated or repaired, and nobody is told anything: the webhook is only connected to. An examination
that cannot be carried out is a finding of its own, so that one broken part does not hide the others.
"""

from __future__ import annotations

import os
import resource
import shutil
import socket
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple
from urllib.parse import urlsplit

from plimsoll.errors import PlimsollError, Unavailable, UsageError

if TYPE_CHECKING:
    from plimsoll.cli.options import Options
    from plimsoll.kernel.ports import CatalogReader
    from plimsoll.kernel.rollout import Deployment
    from plimsoll.settings import Settings

State = Literal["ok", "warning", "fault"]

LITTLE_DISK_BYTES = 1_000_000_000
NO_DISK_BYTES = 50_000_000
FEW_FILES = 4096
CONNECT_S = 2.0
LATELY = timedelta(days=1)
LOOP_SILENT = timedelta(minutes=2)
"""A loop that has decided nothing for this long while a rollout waits, and holds no lease, is not running."""


class Finding(NamedTuple):
    """One thing that was looked at, how it is, and what to do where it is not well."""

    what: str
    state: State
    said: str
    hint: str = ""

    def plain(self) -> dict[str, str]:
        return self._asdict()


def examined(folder: Path, options: Options) -> Iterator[Finding]:
    """Every finding, in the order in which things depend on each other."""
    yield _python()
    try:
        settings = options.settings(folder)
    except PlimsollError as error:
        yield Finding("settings", "fault", error.message, error.hint)
        return
    yield Finding("settings", "ok", f"read; the home is {settings.home}")
    yield from _capability(folder)
    for name, examine in _EXAMINATIONS.items():
        yield from _carried_out(name, examine, settings)


def _carried_out(name: str, examine: Callable[[Settings], Iterable[Finding]], settings: Settings) -> Iterator[Finding]:
    try:
        yield from examine(settings)
    except PlimsollError as error:
        yield Finding(name, "fault", error.message, error.hint)
    except OSError as error:
        yield Finding(name, "fault", f"cannot be looked at: {error}", f"who may read {settings.home}?")


def _python() -> Finding:
    return Finding("python", "ok", f"{'.'.join(map(str, sys.version_info[:3]))} at {sys.executable}")


def _capability(folder: Path) -> Iterator[Finding]:
    if not (folder / "capability.py").is_file():
        return
    from plimsoll.capability import load

    try:
        capability = load(folder)
    except PlimsollError as error:
        yield Finding("capability", "fault", error.message, error.hint)
        return
    except ModuleNotFoundError as error:
        yield Finding("capability", "fault", f"it imports {error.name}, which is not installed", "install it here")
        return
    yield Finding("capability", "ok", f"{capability.name}, owned by {capability.owner}")
    for library, extra in (("onnxruntime", "ml"), ("ibis", "features")):
        needed = extra == "ml" or bool(capability.views)
        if needed and find_spec(library) is None:
            yield Finding("extras", "fault", f"{library} is not installed", f"pip install 'plimsoll[{extra}]'")


# ── the home ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _home(settings: Settings) -> Iterator[Finding]:
    from plimsoll.store import unfinished

    home = settings.home
    if (why := unfinished(home)) is not None:
        yield Finding("home", "fault", why.message, why.hint)
        return
    if not home.is_dir():
        yield Finding("home", "warning", f"there is none at {home} yet", "plimsoll release makes it")
        return
    if not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        yield Finding("home", "fault", f"{home} cannot be written by this user", f"chown -R $(id -u) {home}")
        return
    if home.stat().st_mode & stat.S_IWOTH:
        yield Finding("home", "warning", f"anybody on this machine may write to {home}", f"chmod o-w {home}")
    else:
        yield Finding("home", "ok", str(home))
    yield from _disk(home)


def _disk(home: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(home).free
    said = f"{free / 1e9:,.1f} GB free"
    if free < NO_DISK_BYTES:
        yield Finding(
            "disk", "fault", f"{said}: events cannot be recorded soon, and no answer leaves unrecorded", _MORE
        )
    elif free < LITTLE_DISK_BYTES:
        yield Finding("disk", "warning", said, _MORE)
    else:
        yield Finding("disk", "ok", said)


_MORE = "free some, or delete what nothing needs: plimsoll collect"


def _keys(settings: Settings) -> Iterator[Finding]:
    """Who can read a private key can sign in our name."""
    secrets = [p for p in settings.home.glob("**/*.key") if p.is_file()]
    for path in secrets:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            yield Finding("keys", "fault", f"{path} may be read by others ({mode:04o})", f"chmod 600 {path}")
    if secrets and not any(stat.S_IMODE(p.stat().st_mode) & 0o077 for p in secrets):
        yield Finding("keys", "ok", f"{len(secrets)} private, for their owner only")


def _catalog(settings: Settings) -> Iterator[Finding]:
    if not settings.catalog and not settings.catalog_file.is_file():
        return
    from plimsoll.cli.reading import look

    with look(settings) as catalog:
        names = catalog.capabilities()
        line, _ = catalog.ledger_head()
        yield Finding("catalog", "ok", f"{len(names)} capabilities, {line} lines in the ledger")
        yield from _ledger_end(settings, catalog, line)
        yield from _clock(catalog)
        for name in names:
            yield from _deployed(settings, catalog, catalog.deployment(name))


def _ledger_end(settings: Settings, catalog: CatalogReader, line: int) -> Iterator[Finding]:
    from plimsoll.store import Checkpoints

    marks, bad = Checkpoints(settings.checkpoints).read()
    newest = marks[-1] if marks else None
    if bad:
        yield Finding("ledger", "fault", f"{len(bad)} checkpoints are not what was signed", _VERIFY)
    elif newest is not None and newest.seq > line:
        yield Finding("ledger", "fault", f"it ends at line {line}, and a checkpoint saw line {newest.seq}", _VERIFY)
    elif newest is not None:
        yield Finding("ledger", "ok", f"its newest checkpoint is line {newest.seq} of {line}")


_VERIFY = "plimsoll log --verify says what is damaged; restore from a backup"


def _clock(catalog: CatalogReader) -> Iterator[Finding]:
    newest = next(iter(catalog.ledger(newest_first=True, bodies=False)), None)
    now = datetime.now(UTC)
    if newest is not None and newest.entry.at > now + timedelta(seconds=5):
        yield Finding(
            "clock",
            "fault",
            f"this machine's clock is {newest.entry.at - now} behind the newest line of the ledger",
            "set the clock (NTP); nothing is decided until it has caught up",
        )


def _deployed(settings: Settings, catalog: CatalogReader, deployment: Deployment) -> Iterator[Finding]:
    """Every object that a deployed release is made of is there, and is what it was."""
    from plimsoll.kernel.digest import short
    from plimsoll.serving import needed
    from plimsoll.store import LocalObjects

    objects = LocalObjects(settings.objects)
    names = needed(deployment)
    for name in names:
        for role, digest in catalog.release(deployment.capability, name).manifest.artifacts.items():
            try:
                objects.get(digest)
            except PlimsollError as error:
                what = f"{deployment.capability}: the {role} of release {short(name)}"
                yield Finding("objects", "fault", f"{what}: {error.message}", "restore the home from a backup")
    yield Finding("releases", "ok", f"{deployment.capability}: {len(names)} that serve or may come back")
    waiting = deployment.rollout is not None or bool(deployment.queue)
    silent = deployment.seen_until is None or datetime.now(UTC) - deployment.seen_until > LOOP_SILENT
    if waiting and silent:
        said = f"{deployment.capability}: a rollout waits, and no loop has looked for {LOOP_SILENT}"
        yield Finding("loop", "warning", said, "is `plimsoll up` running?")


# ── around it ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _port(settings: Settings) -> Iterator[Finding]:
    from plimsoll.serving.listening import listening

    host, port = settings.server.host, settings.server.port
    try:
        listening(host, port).close()
    except UsageError as error:
        if "in use" in error.message:
            yield Finding("port", "warning", error.message, "that is well if it is this server: plimsoll status")
        else:
            yield Finding("port", "fault", error.message, error.hint)
        return
    yield Finding("port", "ok", f"{port} on {host} is free")


def _limits(settings: Settings) -> Iterator[Finding]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < FEW_FILES:
        said = f"a process may open {soft} files, so at most about as many connections"
        yield Finding("open files", "warning", said, f"ulimit -n {min(hard, 65_536)}")
    else:
        yield Finding("open files", "ok", f"{soft} a process")


def _workers(settings: Settings) -> Iterator[Finding]:
    """Those that were replaced without anybody having asked for it."""
    from plimsoll.serving.restarts import restarts_in

    since = datetime.now(UTC) - LATELY
    found = [each for each in restarts_in(settings.run) if each.why != "asked" and each.at >= since]
    for why, hint in _REPLACED.items():
        if these := [each for each in found if each.why == why]:
            last = these[-1]
            said = f"{last.worker} was replaced at {last.at:%Y-%m-%d %H:%M} UTC: {last.said}"
            more = f" ({len(these)} in the last day)" if len(these) > 1 else ""
            yield Finding("workers", "warning", said + more, hint)


_REPLACED = {
    "memory": "mend the model of the release that grew, or raise memory_limit_mb under [server] in plimsoll.toml",
    "silent": "a model that hangs: the server's log names the release; plimsoll rollback if it is the live one",
    "died": "the server's log has its last words; `dmesg` says whether the kernel killed it for memory",
}


def _webhook(settings: Settings) -> Iterator[Finding]:
    url = settings.webhook.url
    if not url:
        yield Finding("webhook", "warning", "nobody is told of an incident", "set url under [webhook] in plimsoll.toml")
        return
    parts = urlsplit(url)
    address = (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
    try:
        socket.create_connection(address, timeout=CONNECT_S).close()
    except OSError as error:
        raise Unavailable(f"{parts.hostname} does not answer: {error}", hint="is the address right?") from error
    yield Finding("webhook", "ok", f"{parts.hostname} answers")


def _access(settings: Settings) -> Iterable[Finding]:
    from plimsoll.cli.examining_access import access

    return access(settings)


_EXAMINATIONS: dict[str, Callable[[Settings], Iterable[Finding]]] = {
    "home": _home,
    "keys": _keys,
    "catalog": _catalog,
    "access": _access,
    "port": _port,
    "open files": _limits,
    "workers": _workers,
    "webhook": _webhook,
}
