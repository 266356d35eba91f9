"""What the capabilities that one process serves have in common: the stores, the door, and one memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from plimsoll.kernel.ports import Catalog, Clock, EventLog, Objects, OnlineFeatures
from plimsoll.serving.answering import Timeouts
from plimsoll.serving.cost import Prices
from plimsoll.serving.hold import Hold
from plimsoll.serving.logs import RequestLog
from plimsoll.serving.pipeline import DEFAULT_TIMEOUTS
from plimsoll.serving.seams import Admission, OpenAdmission, Tracer
from plimsoll.store import Trust


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a server listens and what it takes. ``drain_s``: how long it goes on after it stopped being ready.

    ``shared_port``: other processes listen on the same one. ``grpc_port``: None is no gRPC; 0 takes a free port, as it
    does for ``port``. ``payload_share``: of the units whose inputs and features are recorded. ``record_timeout_ms``: how
    long the log may take with a turn's events; after it the answers are refused as unrecorded, or given if
    ``answer_unrecorded`` says so. ``load_wait_s``: how long who asks for a release by its name waits for it to be loaded.
    ``most_waiting`` and ``most_beside`` are each capability's.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    grpc_port: int | None = None
    body_limit_bytes: int = 8_388_608
    answer_unrecorded: bool = False
    timeouts: Timeouts = DEFAULT_TIMEOUTS
    record_timeout_ms: float = 5_000.0
    refresh_every_s: float = 0.25
    load_wait_s: float = 10.0
    drain_s: float = 0.0
    most_waiting: int = 10_000
    most_beside: int = 20_000
    payload_share: float = 1.0
    shared_port: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """One event log, one admission, one memory: whatever is served here uses these."""

    catalog: Catalog
    objects: Objects
    log: EventLog
    online: OnlineFeatures
    clock: Clock
    settings: ServerSettings = field(default=ServerSettings())
    admission: Admission = field(default_factory=OpenAdmission)
    tracer: Tracer | None = None
    prices: Prices | None = None
    requests: RequestLog | None = None
    trust: Trust | None = None
    hold: Hold = field(default_factory=Hold)
    log_bytes: Callable[[], int | None] = field(default=lambda: None)  # on the disk; None where nobody knows
