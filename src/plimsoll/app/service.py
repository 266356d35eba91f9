"""What ``plimsoll up`` runs in one process: the server, the loops beside it, or both."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import TYPE_CHECKING, NamedTuple

from plimsoll.app.home import Home, open_home
from plimsoll.app.wiring import Say, duty_of, nats_of, server_of, upkeep_of
from plimsoll.capability import Capability
from plimsoll.kernel.case import Decision
from plimsoll.kernel.ports import OnlineFeatures
from plimsoll.settings import Settings

if TYPE_CHECKING:
    from plimsoll.operations.duty import Duty
    from plimsoll.operations.feeding import Feeds
    from plimsoll.serving import Pulse, Server


class Part(NamedTuple):
    """Which part of the whole this process is. Both: one process on a laptop.

    ``shared_port``: others listen on the same port, and the kernel spreads connections over them. ``pulse``: who is
    told how it is, every second from its event loop, or from the loop's thread.
    """

    serves: bool = True
    decides: bool = True
    shared_port: bool = False
    pulse: Pulse | None = None


WHOLE = Part()


def serve(capabilities: Sequence[Capability], settings: Settings, *, say: Say, part: Part = WHOLE) -> None:
    """The server and the loops beside it, or one of these, until SIGTERM or Ctrl-C; ``say`` gets each line for a person.

    Two of these on one home both serve, and one of them decides.
    """
    from plimsoll.operations.feeding import Feed, Feeds
    from plimsoll.serving import configure_logs

    configure_logs(settings.log.format, settings.log.level)
    with open_home(settings) as home, ExitStack() as closing:
        log, online = home.log(), home.online()
        closing.callback(online.close)
        closing.callback(log.close)
        for repair in (*home.repairs(), *log.repairs(), *online.repairs()):
            say(f"repaired: {repair}")
        duties: list[Duty] = []

        def apply() -> None:
            for duty in duties:
                duty.bring_deployed()

        applying = apply if part.decides else None  # of many workers none does: the loop's next pass will
        feed = Feeds(
            [Feed(c, home.catalog, home.objects, home.clock, home.scratch, apply=applying) for c in capabilities]
        )
        server = None
        if part.serves:
            server = server_of(
                capabilities, home, log, online, feed, closing, shared_port=part.shared_port, pulse=part.pulse
            )
        if part.decides:
            for capability in capabilities:
                decided = _decided(capability.name if len(capabilities) > 1 else "", server, say)
                duties.append(duty_of(capability, home, log, online, decided=decided))
        watch = Watch(capabilities, duties, feed, home, online, say)
        if server is not None:
            _serving(server, watch, closing, part)
        elif duties:
            _deciding(watch, part)


class Watch(NamedTuple):
    """What decides, and what it needs."""

    capabilities: Sequence[Capability]
    duties: Sequence[Duty]
    feed: Feeds
    home: Home
    online: OnlineFeatures
    say: Say

    def bring(self) -> None:
        """The features, before the first answer."""
        for duty in self.duties:
            duty.begin()

    def begin(self, closing: ExitStack) -> None:
        """Start the loops, what brings them rows, and the upkeep; the closing ends them, the last first."""
        for duty in self.duties:
            closing.callback(duty.stop)
            duty.start()
        if (listener := nats_of(self.capabilities, self.feed, self.home, self.say)) is not None:
            closing.callback(listener.close)
            listener.start()
        upkeep = upkeep_of(self.duties, self.home, self.online, self.say)
        closing.callback(upkeep.stop)
        upkeep.start()


def _decided(among: str, server: Server | None, say: Say) -> Callable[[Decision], None]:
    """What a decision is followed by. ``among``: the capability's name, where there are several to tell apart."""

    def decided(decision: Decision) -> None:
        if server is not None:
            server.counters[decision.deployment.capability].refresh()
        if decision.kind not in ("look", "renewed"):
            said = f"{decision.kind.replace('_', ' ')}: {decision.summary}"
            say(f"{among}: {said}" if among else said)

    return decided


def _serving(server: Server, watch: Watch, closing: ExitStack, part: Part) -> None:
    say = watch.say
    with _stopped_by_signals(server.stop):
        listener = server.listen()
        watch.bring()
        scheme = "https" if server.certificates else "http"
        place = f"{server.settings.host}:{listener.getsockname()[1]}"
        if not part.shared_port:  # of many workers, their supervisor says it once
            for name in server.counters:
                say(f"{name} is served at {scheme}://{place}")
                if server.grpc_address:
                    say(f"{name} is served over gRPC at {server.grpc_address}")
        if watch.duties:
            watch.begin(closing)
        server.serve(listener)


def _deciding(watch: Watch, part: Part) -> None:
    """The loops alone: they bring the features that the workers read, then decide until they are told to stop."""
    stop = threading.Event()
    with _stopped_by_signals(stop.set), ExitStack() as ending:
        watch.bring()
        watch.begin(ending)
        if part.pulse is not None:
            part.pulse.ready()
        while not stop.wait(1.0):
            if part.pulse is not None and not part.pulse.beat():
                return


@contextmanager
def _stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """SIGTERM and Ctrl-C end the server properly from the moment that it says where it is: the web server hears them
    only once it runs, and a supervisor may be quicker."""

    def told(number: int, frame: FrameType | None) -> None:
        stop()

    before = {number: signal.signal(number, told) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
