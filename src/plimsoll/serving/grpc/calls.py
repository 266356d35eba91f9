"""What each call of the protocol answers."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol
from urllib.parse import unquote

import msgspec

from plimsoll import __version__
from plimsoll.serving import oip
from plimsoll.serving.conduct import all_answered, counter_of
from plimsoll.serving.grpc.bridge import Bridge
from plimsoll.serving.grpc.inferring import Counter, Counters, Inferring, asked_of
from plimsoll.serving.grpc.lane import GrpcLane
from plimsoll.serving.grpc.messages import response_of
from plimsoll.serving.grpc.tensors import Writer, parameters_of
from plimsoll.serving.reply import Reply
from plimsoll.serving.repository import index, version_of
from plimsoll.serving.seams import Headers


class Context(Protocol):
    """What a call needs of gRPC's own context."""

    def time_remaining(self) -> float | None: ...

    def invocation_metadata(self) -> Any: ...

    def peer(self) -> str:
        """``ipv4:127.0.0.1:50000``, ``ipv6:[::1]:50000`` (percent-encoded), ``unix:…``."""
        ...


Call = Callable[[Any, Context], Any]
Change = Callable[[Counter, str], Coroutine[Any, Any, None]]


class Calls:
    """The calls of one server. Any thread may make them."""

    def __init__(self, counters: Counters, bridge: Bridge) -> None:
        self._at = counters
        self._bridge = bridge
        self._writer = Writer()
        self._lanes = {name: GrpcLane(name, at.form, at.capability.task.kind) for name, at in counters.counters.items()}
        self._answers = {name: response_of(name) for name in self.by_name()}

    def by_name(self) -> dict[str, Call]:
        return {
            "ServerLive": self._server_live,
            "ServerReady": self._server_ready,
            "ModelReady": self._model_ready,
            "ServerMetadata": self._server_metadata,
            "ModelMetadata": self._model_metadata,
            "ModelInfer": self._infer,
            "RepositoryIndex": self._index,
            "RepositoryModelLoad": self._load,
            "RepositoryModelUnload": self._unload,
        }

    def _server_live(self, request: Any, context: Context) -> Any:
        return self._answers["ServerLive"](live=True)

    def _server_ready(self, request: Any, context: Context) -> Any:
        return self._answers["ServerReady"](ready=not self._at.ready)

    def _model_ready(self, request: Any, context: Context) -> Any:
        at = counter_of(self._at.counters, request.name, request.version)
        return self._answers["ModelReady"](ready=not at.ready)

    def _server_metadata(self, request: Any, context: Context) -> Any:
        return self._answers["ServerMetadata"](**oip.server_metadata(__version__))

    def _model_metadata(self, request: Any, context: Context) -> Any:
        """For who may ask, as over REST."""
        self._at.admission.admit(headers_of(context.invocation_metadata(), None), request.name).done()
        at = counter_of(self._at.counters, request.name, request.version)
        task = at.capability.task
        versions = [request.version] if request.version else at.versions
        said = oip.model_metadata(request.name, versions, at.form, task.kind, len(task.classes))
        for tensor in said["inputs"]:
            del tensor["parameters"]  # the message has no field for them
        return self._answers["ModelMetadata"](**said)

    def _index(self, request: Any, context: Context) -> Any:
        self._at.admission.admit(headers_of(context.invocation_metadata(), None), self._at.only).done()
        found = [msgspec.structs.asdict(each) for each in index(self._at.counters.values(), ready=request.ready)]
        return self._answers["RepositoryIndex"](models=found)

    def _load(self, request: Any, context: Context) -> Any:
        model = self._change(request, context, lambda at, version: at.load(version))
        return self._answers["RepositoryModelLoad"](model_name=model, isLoaded=True)

    def _unload(self, request: Any, context: Context) -> Any:
        model = self._change(request, context, lambda at, version: at.unload(version))
        return self._answers["RepositoryModelUnload"](model_name=model, isUnloaded=True)

    def _change(self, request: Any, context: Context, change: Change) -> str:
        """For who operates: from this machine, or with a key that may. Returns the model's name."""
        headers = headers_of(context.invocation_metadata(), None)
        model: str = request.model_name or request.repository_name  # where KServe's clients write it
        ticket = self._at.admission.control(headers, host_of(context.peer()), "load", model)
        try:
            version = version_of(parameters_of(request.parameters))
            self._bridge.wait_for(change(counter_of(self._at.counters, model), version), context.time_remaining())
            return model
        finally:
            ticket.done()

    def _infer(self, message: Any, context: Context) -> bytes:
        """Its response is written already."""
        remaining_s = context.time_remaining()
        headers = headers_of(context.invocation_metadata(), remaining_s)
        if message.model_version:
            return self._infer_version(message, context, headers)
        lane, raw = self._lanes.get(message.model_name), bool(message.raw_input_contents)
        inferring = Inferring(self._at, message, headers, lane)
        self._bridge.run(inferring.begin)
        replies = all_answered(inferring.replies(remaining_s))
        request = inferring.request
        assert request is not None and lane is not None  # it was read before it was answered
        written = lane.write(request, replies, raw=raw)
        if written is not None:
            return written
        return self._written(message, request, replies, inferring.kind)

    def _infer_version(self, message: Any, context: Context, headers: Headers) -> bytes:
        """Of the release that is named, for who may have it loaded, as over REST."""
        admission, model = self._at.admission, message.model_name
        admission.control(headers, host_of(context.peer()), "load", model).done()
        ticket = admission.admit(headers, model)
        try:
            at = counter_of(self._at.counters, model)
            kind = at.capability.task.kind
            request = asked_of(message, at.form, kind)
            asking = at.ask_version(message.model_version, request.questions, ticket, anonymous=request.anonymous)
            replies = all_answered(self._bridge.wait_for(asking, context.time_remaining()))
        finally:
            ticket.done()
        return self._written(message, request, replies, kind)

    def _written(self, message: Any, request: oip.InferRequest, replies: Sequence[Reply], kind: str) -> bytes:
        made = oip.outputs_of(replies, kind)
        outputs = [made[wanted.name] for wanted in request.outputs]
        return self._writer.write(message.model_name, message.id, outputs, raw=bool(message.raw_input_contents))


def headers_of(metadata: Sequence[tuple[str, str | bytes]], remaining_s: float | None) -> Headers:
    """Metadata as HTTP headers; the call's deadline as the header that says it there."""
    found = [(key.encode(), value if isinstance(value, bytes) else value.encode()) for key, value in metadata]
    if remaining_s is not None:
        found.append((b"x-request-timeout-ms", b"%d" % max(1, round(remaining_s * 1000))))
    return found


def host_of(peer: str) -> str:
    """The address in gRPC's name for a peer; ``""`` for a Unix socket."""
    kind, _, rest = unquote(peer).partition(":")
    return rest.rpartition(":")[0].strip("[]") if kind in ("ipv4", "ipv6") else "" if kind == "unix" else peer
