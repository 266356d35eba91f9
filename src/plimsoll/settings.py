"""Settings: laptop defaults, then ``plimsoll.toml``, then the environment, then flags; read once, at the edge.

One frozen struct a component. An unknown key is an error that names the nearest right one and the line. A value's
description, bounds and default stand here once; ``docs/reference/settings.md`` is generated from them.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_type_hints

import msgspec
from msgspec import Meta

from plimsoll.errors import InvalidDeclaration, nearest
from plimsoll.sections import Access, Cache, Limits, Tls

FILE = "plimsoll.toml"
PREFIX = "PLIMSOLL_"


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """``[server]``: where `plimsoll up` answers, and what it accepts."""

    host: Annotated[str, Meta(description="Address to listen on. Loopback, until you put access control in front.")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Meta(ge=0, le=65535, description="Port to listen on; 0 takes a free one.")] = 8080
    grpc_port: Annotated[
        int, Meta(ge=0, le=65535, description="Port for gRPC, at the same host; 0 is no gRPC. Needs `plimsoll[grpc]`.")
    ] = 0
    workers: Annotated[
        int,
        Meta(ge=1, le=15, description="Processes that answer. From 2 on, one more decides and one looks after them."),
    ] = 1
    body_limit_bytes: Annotated[int, Meta(ge=1024, description="Largest request body; above it the answer is 413.")] = (
        8_388_608
    )
    memory_limit_mb: Annotated[
        int,
        Meta(
            ge=0,
            description="Memory of the process above which releases that were only asked for are unloaded; 0: no limit.",
        ),
    ] = 0
    load_wait_s: Annotated[
        float,
        Meta(
            gt=0, description="Seconds that who asks for a version waits for it to be loaded; then 503, and it goes on."
        ),
    ] = 10.0
    answer_unrecorded: Annotated[
        bool, Meta(description="Answer even where the event cannot be recorded (counted), instead of 503.")
    ] = False
    features_timeout_ms: Annotated[
        float, Meta(gt=0, description="Milliseconds that looking features up may take; then the answer has failed.")
    ] = 500.0
    timeout_ms: Annotated[
        float, Meta(gt=0, description="Milliseconds that features and engine may take together; likewise.")
    ] = 1_000.0
    record_timeout_ms: Annotated[
        float, Meta(gt=0, description="Milliseconds that the event log may take; then it cannot record.")
    ] = 5_000.0
    drain_s: Annotated[
        float,
        Meta(
            ge=0,
            description="Seconds that it goes on answering after SIGTERM, not ready any more: as long as a load balancer "
            "takes to see that.",
        ),
    ] = 0.0


class Events(msgspec.Struct, frozen=True, kw_only=True):
    """``[events]``: what an acknowledged event survives."""

    durability: Annotated[
        Literal["disk", "process"],
        Meta(description="`disk` survives a power cut (fdatasync), `process` a kill of the process."),
    ] = "disk"
    segment_bytes: Annotated[
        int, Meta(ge=65_536, description="Size at which a segment of the event log is closed.")
    ] = 67_108_864
    payload_share: Annotated[
        float,
        Meta(
            ge=0, le=1, description="Share of the units whose inputs and features are kept; every event always counts."
        ),
    ] = 1.0
    keep_days: Annotated[
        float, Meta(ge=0, description="Days after which events are deleted; 0 keeps them. Never what a decision needs.")
    ] = 0.0
    keep_gb: Annotated[
        float,
        Meta(ge=0, description="Gigabytes of events above which the oldest are deleted; 0 is no limit. Likewise."),
    ] = 0.0


class Loop(msgspec.Struct, frozen=True, kw_only=True):
    """``[loop]``: how often the loop observes, decides and acts."""

    every_s: Annotated[float, Meta(gt=0, description="Seconds between two passes.")] = 1.0
    lease_s: Annotated[
        float, Meta(gt=0, description="Seconds after which another process may take over from a loop that went silent.")
    ] = 15.0


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """``[webhook]``: whom a rollback or an incident tells."""

    url: Annotated[str, Meta(description="POSTed as JSON on a rollback or an incident; empty tells nobody.")] = ""
    timeout_s: Annotated[float, Meta(gt=0, description="Seconds before a call is given up, and counted.")] = 5.0


class Features(msgspec.Struct, frozen=True, kw_only=True):
    """``[features]``: where the features of entities are looked up while an answer is made."""

    store: Annotated[
        Literal["sqlite", "memory", "redis"],
        Meta(
            description="`sqlite`: a file in the home, shared by its processes. `memory`: in each process. `redis`: for "
            "several machines."
        ),
    ] = "sqlite"
    url: Annotated[str, Meta(description="Address of Redis, where that is the store.")] = "redis://127.0.0.1:6379/0"
    prefix: Annotated[
        str, Meta(min_length=1, description="What keys in Redis begin with; one for all replicas of a home.")
    ] = "plimsoll"
    timeout_ms: Annotated[float, Meta(gt=0, description="Milliseconds that an answer waits for Redis.")] = 50.0
    when_away: Annotated[
        Literal["fallback", "missing"],
        Meta(
            description="While the store is away: `fallback` answers without the release, `missing` with it, its features "
            "NaN."
        ),
    ] = "fallback"
    nats_url: Annotated[
        str, Meta(description="Address of NATS, where rows are pushed over JetStream; empty: they are not.")
    ] = ""
    nats_stream: Annotated[str, Meta(description="The stream that has the rows; it must be there.")] = "plimsoll"
    nats_subject: Annotated[
        str, Meta(min_length=1, description="What their subjects begin with; the name of the table follows.")
    ] = "plimsoll.features"


class Tracing(msgspec.Struct, frozen=True, kw_only=True):
    """``[tracing]``: where traces go."""

    endpoint: Annotated[
        str,
        Meta(description="OTLP/HTTP: `http://collector:4318/v1/traces`; empty sends none. Needs `plimsoll[tracing]`."),
    ] = ""
    share: Annotated[
        float, Meta(ge=0, le=1, description="Share of the requests that are traced, where the caller says nothing.")
    ] = 0.01
    service: Annotated[str, Meta(description="`service.name` of the spans.")] = "plimsoll"
    timeout_s: Annotated[float, Meta(gt=0, description="Seconds before sending spans is given up.")] = 5.0


class Log(msgspec.Struct, frozen=True, kw_only=True):
    """``[log]``: what a server writes to standard error."""

    format: Annotated[Literal["text", "json"], Meta(description="Lines for people, or an object a line.")] = "text"
    level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="The least level that is written.")
    ] = "warning"
    slow_ms: Annotated[
        float, Meta(ge=0, description="Milliseconds from which a request has a line of its own; 0: never.")
    ] = 1_000.0
    requests: Annotated[float, Meta(ge=0, le=1, description="Share of all requests that have a line.")] = 0.0


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """``[cost]``: what a second of the machine costs, so that an answer has a price."""

    core_second_usd: Annotated[
        float, Meta(ge=0, description="Dollars for a second of one core; 0 measures no cost. 0.04 an hour is 1.1e-5.")
    ] = 0.0
    gpu_second_usd: Annotated[
        float, Meta(ge=0, description="Dollars for a second of the GPU that this process holds; 0 if it has none.")
    ] = 0.0


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that can be set. ``home`` is absolute once it has been read."""

    home: Annotated[Path, Meta(description="Folder of all state. Relative to the folder of the settings file.")] = Path(
        ".plimsoll"
    )
    catalog: Annotated[
        str, Meta(description="Database URL (`postgresql+psycopg://…`); empty is SQLite in the home.")
    ] = ""
    server: Server = Server()
    events: Events = Events()
    loop: Loop = Loop()
    webhook: Webhook = Webhook()
    cost: Cost = Cost()
    tracing: Tracing = Tracing()
    log: Log = Log()
    access: Access = Access()
    limits: Limits = Limits()
    tls: Tls = Tls()
    cache: Cache = Cache()
    features: Features = Features()

    @property
    def catalog_url(self) -> str:
        """The catalog's address: the one that was set, or SQLite in the home."""
        return self.catalog or f"sqlite:///{self.catalog_file}"

    @property
    def catalog_file(self) -> Path:
        """The embedded catalog. What follows is the whole layout of a home."""
        return self.home / "catalog.db"

    @property
    def objects(self) -> Path:
        return self.home / "objects"

    @property
    def segments(self) -> Path:
        """The folder of the event log."""
        return self.home / "events"

    @property
    def run(self) -> Path:
        """What processes that run leave for each other and for ``plimsoll doctor``. It can be lost."""
        return self.home / "run"

    @property
    def pepper(self) -> Path:
        """What keys are hashed with. A relative path is relative to the home."""
        return self.home / (self.access.pepper or "access/pepper")

    @property
    def online(self) -> Path:
        """The online features, where SQLite keeps them. They can be made again."""
        return self.home / "online.db"

    @property
    def recording_key(self) -> Path:
        """What redacted values are hashed with before they are recorded."""
        return self.home / "recording" / "recording.key"

    @property
    def trust(self) -> Path:
        """The keys of those whose releases may bring code, and the one that this home signs with."""
        return self.home / "trust"

    @property
    def checkpoints(self) -> Path:
        """The signed checkpoints and their key: beside the catalog, never in it."""
        return self.home / "checkpoints"


class Key(NamedTuple):
    """One setting: its dotted name, its type with its bounds, its default and what it means."""

    name: str
    type: Any
    default: Any
    description: str

    @property
    def variable(self) -> str:
        """The environment's name for it: ``PLIMSOLL_SERVER_PORT`` for ``server.port``."""
        return PREFIX + self.name.upper().replace(".", "_")


class _Given(NamedTuple):
    value: Any
    where: str


def keys(struct: type[msgspec.Struct] = Settings, prefix: str = "") -> Iterator[Key]:
    """Every setting there is, in the order of declaration."""
    hints = get_type_hints(struct, include_extras=True)
    for field in msgspec.structs.fields(struct):
        declared = hints[field.name]
        if _is_section(declared):
            yield from keys(declared, f"{prefix}{field.name}.")
        else:
            meta = next(m for m in declared.__metadata__ if isinstance(m, Meta))
            yield Key(prefix + field.name, declared, field.default, meta.description or "")


def _is_section(declared: Any) -> bool:
    return isinstance(declared, type) and issubclass(declared, msgspec.Struct)


def read_settings(folder: Path, *, environment: Mapping[str, str], flags: Mapping[str, Any] | None = None) -> Settings:
    """The settings in force in ``folder``: defaults, ``plimsoll.toml``, ``environment``, ``flags`` (None: not given).

    ``flags`` are keyed like the file, ``{"server.port": 80}``. Raises InvalidDeclaration naming the place.
    """
    known = {key.name: key for key in keys()}
    given = {
        **_from_file(folder / FILE, known),
        **_from_environment(environment, known),
        **{
            name: _Given(value, f"--{name.rpartition('.')[2]}")
            for name, value in (flags or {}).items()
            if value is not None
        },
    }
    settings = _built({name: _converted(known[name], item) for name, item in given.items()})
    home = settings.home.expanduser()
    base = folder if "home" not in given or given["home"].where.startswith(FILE) else Path()
    return msgspec.structs.replace(settings, home=(base / home).absolute())


def _from_file(path: Path, known: Mapping[str, Key]) -> dict[str, _Given]:
    if not path.is_file():
        return {}
    try:
        text = path.read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidDeclaration(f"{path} is not TOML: {error}") from error
    given = {}
    for name, value in _flattened(document, known):
        place = f"{FILE}{_line_of(text, name)}"
        if name not in known:
            raise InvalidDeclaration(f"{place}: there is no setting {name!r}", hint=nearest(name, known))
        given[name] = _Given(value, place)
    return given


def _flattened(document: Mapping[str, Any], known: Mapping[str, Key], prefix: str = "") -> Iterator[tuple[str, Any]]:
    sections = {name.partition(".")[0] for name in known if "." in name}
    for key, value in document.items():
        if isinstance(value, dict) and not prefix and (key in sections or value):
            yield from _flattened(value, known, f"{key}.")
        else:
            yield prefix + key, value


def _line_of(text: str, name: str) -> str:
    """``, line N`` of a key, or of its section; nothing where it cannot be told (an inline table)."""
    section, _, key = name.rpartition(".")
    inside, fallback = not section, ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[\s*([^\]]+?)\s*\]", line):
            inside = header[1] == section
            fallback = f", line {number}" if inside else fallback
        elif inside and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", line):
            return f", line {number}"
    return fallback


def _from_environment(environment: Mapping[str, str], known: Mapping[str, Key]) -> dict[str, _Given]:
    names = {key.variable: key.name for key in known.values()}
    given = {}
    for variable, value in environment.items():
        if not variable.startswith(PREFIX):
            continue
        if variable not in names:
            raise InvalidDeclaration(
                f"the environment sets {variable}, which is no setting", hint=nearest(variable, names)
            )
        given[names[variable]] = _Given(value, variable)
    return given


def _converted(key: Key, given: _Given) -> Any:
    lax = not given.where.startswith(FILE)  # the environment and the command line only have text
    try:
        return msgspec.convert(
            str(given.value) if isinstance(given.value, Path) else given.value,
            key.type,
            strict=not lax,
            dec_hook=lambda type_, value: type_(value),
        )
    except (msgspec.ValidationError, TypeError) as error:
        raise InvalidDeclaration(
            f"{given.where}: {key.name} = {given.value!r}: {error}", hint=f"it is: {key.description}"
        ) from error


def _built(values: Mapping[str, Any]) -> Settings:
    tree: dict[str, Any] = {}
    for name, value in values.items():
        section, _, key = name.rpartition(".")
        (tree.setdefault(section, {}) if section else tree)[key] = value
    hints = get_type_hints(Settings)
    sections = {f.name: hints[f.name] for f in msgspec.structs.fields(Settings) if _is_section(hints[f.name])}
    parts = {name: make(**tree.pop(name, {})) for name, make in sections.items()}
    return Settings(**tree, **parts)
