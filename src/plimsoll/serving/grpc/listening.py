"""The gRPC server: its port, its threads, its limits, and how it ends.

It is the one with threads. ``grpc.aio`` on the loop that the desk belongs to needs no bridge, and yet took 1.5 to 2.1 times
the processor time a call, in the same process and asked in turn (790–890 µs against 390–530 µs with 16 in flight, on a
busy machine; it was quicker only with one). To be looked at again when grpcio has another event engine under its aio.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from plimsoll.errors import PlimsollError, UsageError
from plimsoll.serving.certificates import Certificates
from plimsoll.serving.grpc.bridge import Bridge
from plimsoll.serving.grpc.calls import Call, Calls
from plimsoll.serving.grpc.credentials import credentials_of
from plimsoll.serving.grpc.inferring import Counters
from plimsoll.serving.grpc.messages import SERVICE, request_of
from plimsoll.serving.grpc.status import code_of
from plimsoll.serving.refusals import A_BUG, headers_of_refusal, said_of_refusal, status_of

_log = logging.getLogger(__name__)

_THREADS = 16
"""As many calls are answered at once; each waits for its turn at the desk. More wait in gRPC's own queue …"""
_MOST_CALLS = 1_024
"""… and more than these are refused with RESOURCE_EXHAUSTED."""
_METADATA_BYTES = 16_384


class GrpcEdge:
    """Listens when it is constructed; answers from ``start`` on, until ``stop``.

    ``shared``: other processes listen on the same port, and the kernel spreads connections over them. Raises UsageError
    when the port is taken or the host is none of this machine's.
    """

    def __init__(
        self,
        counters: Counters,
        host: str,
        port: int,
        *,
        certificates: Certificates | None = None,
        shared: bool = False,
    ) -> None:
        self._at = counters
        self._pool = ThreadPoolExecutor(_THREADS, "plimsoll-grpc")
        self._server = grpc.server(
            self._pool, options=_options(counters.body_limit_bytes, shared=shared), maximum_concurrent_rpcs=_MOST_CALLS
        )
        at = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            if certificates is None:
                self.port = self._server.add_insecure_port(at)
            else:
                self.port = self._server.add_secure_port(at, credentials_of(certificates))
        except RuntimeError as error:
            raise UsageError(
                f"cannot listen for gRPC on {at}: the port is in use, or the address is none of this machine's",
                hint="choose another: grpc_port in plimsoll.toml under [server]",
            ) from error
        self._address = at.rsplit(":", 1)[0] + f":{self.port}"

    @property
    def address(self) -> str:
        """``host:port``, as a client's channel takes it."""
        return self._address

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        calls = Calls(self._at, Bridge(loop)).by_name()
        handlers = {name: self._handler(name, call) for name, call in calls.items()}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        self._server.start()

    def stop(self, grace_s: float) -> None:
        """Take no more calls, wait up to ``grace_s`` for those under way, and end. Blocks."""
        self._server.stop(grace_s).wait()
        self._pool.shutdown()

    def _handler(self, name: str, call: Call) -> Any:
        """Bytes in, bytes out: a message that cannot be read is then an error like any other."""
        return grpc.unary_unary_rpc_method_handler(self._guarded(request_of(name), call))

    def _guarded(self, kind: Any, call: Call) -> Callable[[bytes, grpc.ServicerContext], bytes]:
        """Our errors as status codes; whatever else is raised is a bug, logged, and nothing of it is said."""

        def guarded(sent: bytes, context: grpc.ServicerContext) -> bytes:
            message = None
            try:
                message = _read(kind, sent)
                said = call(message, context)
                return said if isinstance(said, bytes) else said.SerializeToString()
            except PlimsollError as error:
                status = status_of(error)
                self._at.counted(_named(message)).refused(status)
                code, why, trailer = code_of(status), said_of_refusal(error), headers_of_refusal(error)
            except Exception:  # noqa: BLE001 - the supervisor of this edge, as Starlette's is of the other
                _log.exception("a gRPC call failed")
                code, why, trailer = code_of(500), A_BUG, {}
            context.set_trailing_metadata(tuple(trailer.items()))
            context.set_code(code)
            context.set_details(why)
            return b""

        return guarded


def _named(message: Any) -> str:
    """The model that a message is about; ``""`` for one that names none."""
    said: str = getattr(message, "model_name", "") or getattr(message, "name", "")
    return said


def _read(kind: Any, sent: bytes) -> Any:
    try:
        return kind.FromString(sent)
    except DecodeError as error:
        raise UsageError(f"this is no {kind.DESCRIPTOR.name}: {error}") from error


def _options(body_limit_bytes: int, *, shared: bool) -> list[tuple[str, int]]:
    """A taken port is an error where it is not to be shared; messages and metadata are bounded as over REST."""
    return [
        ("grpc.so_reuseport", int(shared)),
        ("grpc.max_receive_message_length", body_limit_bytes),
        ("grpc.max_metadata_size", _METADATA_BYTES),
    ]
