"""Every operation of the REST surface: its path, what it takes, what it answers, and which errors it knows."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from plimsoll.kernel.rollout import Deployment
from plimsoll.serving.oip import InferBody
from plimsoll.serving.outcomes import Counts, Report
from plimsoll.serving.plain import Said
from plimsoll.serving.pushing import Rows
from plimsoll.serving.repository import ChangeRequest, Indexed, IndexRequest

FORM = "form"
"""Stands for the capability's question, which has no type of its own."""


class Live(msgspec.Struct, frozen=True):
    live: bool


class Ready(msgspec.Struct, frozen=True):
    """``error``: why it does not answer, where it does not."""

    ready: bool
    error: str = ""


class ModelReady(msgspec.Struct, frozen=True):
    name: str
    ready: bool


class ServerMetadata(msgspec.Struct, frozen=True):
    name: str
    version: str
    extensions: list[str]


class TensorMetadata(msgspec.Struct, frozen=True):
    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, Any] = {}


class ModelMetadata(msgspec.Struct, frozen=True):
    """``versions`` are the releases that are loaded."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class OutputTensor(msgspec.Struct, frozen=True):
    """One row a question; without ``data`` its parameter ``binary_data_size`` says how many bytes it has."""

    name: str
    datatype: str
    shape: list[int]
    data: list[Any] | msgspec.UnsetType = msgspec.UNSET
    parameters: dict[str, Any] = {}


class InferAnswer(msgspec.Struct, frozen=True):
    model_name: str
    outputs: list[OutputTensor]
    id: str = ""


class Deployed(msgspec.Struct, frozen=True):
    """Who serves which share of the units, and which releases are loaded."""

    deployment: Deployment
    shares: dict[str, float]
    loaded: list[str]


class Changed(msgspec.Struct, frozen=True):
    """Done; there is nothing more to say."""


class Operation(NamedTuple):
    """``refusals``: the statuses of its errors, beside those that every operation has."""

    method: str
    path: str
    summary: str
    answers: Any
    takes: Any = None
    refusals: tuple[int, ...] = ()
    statuses: tuple[int, ...] = (200,)
    asks: bool = False
    """Whether a question is asked: it may be sent again under an Idempotency-Key."""
    media: str = "application/json"
    of_one: bool = False
    """Whether ``?capability=`` may say which one it is about."""


_ASKED = (400, 401, 403, 413, 415, 429, 503, 504)
_TOLD = (400, 401, 403, 413, 415, 429, 503)

OPERATIONS = (
    Operation("get", "/v2", "The server and the extensions that it speaks", ServerMetadata),
    Operation("get", "/v2/health/live", "Whether the process is up", Live),
    Operation("get", "/v2/health/ready", "Whether the server answers questions", Ready, statuses=(200, 503)),
    Operation("get", "/v2/models/{model}", "The model's tensors and the releases that are loaded", ModelMetadata),
    Operation("get", "/v2/models/{model}/versions/{version}", "The tensors of one release", ModelMetadata),
    Operation("get", "/v2/models/{model}/ready", "Whether the model answers", ModelReady, statuses=(200, 503)),
    Operation(
        "get",
        "/v2/models/{model}/versions/{version}/ready",
        "Whether a release is loaded, and its model answers",
        ModelReady,
        statuses=(200, 503),
    ),
    Operation(
        "post", "/v2/models/{model}/infer", "Ask, in tensors", InferAnswer, takes=InferBody, refusals=_ASKED, asks=True
    ),
    Operation(
        "post",
        "/v2/models/{model}/versions/{version}/infer",
        "Ask one release, beside the rollout, for who may load: it is loaded if it is not here; no verdict rests on it",
        InferAnswer,
        takes=InferBody,
        refusals=_ASKED,
        asks=True,
    ),
    Operation("post", "/v1/capabilities/{model}", "Ask, in named fields", Said, takes=FORM, refusals=_ASKED, asks=True),
    Operation(
        "post",
        "/v1/capabilities/{model}/ask",
        "Ask, in named fields under `inputs`",
        Said,
        takes={"inputs": FORM},
        refusals=_ASKED,
        asks=True,
    ),
    Operation("get", "/v1/capabilities/{model}/deployment", "Who serves which share", Deployed),
    Operation(
        "post",
        "/v1/outcomes",
        "Tell what turned out",
        Counts,
        takes=list[Report] | Report,
        refusals=(*_TOLD, 404),
        of_one=True,
    ),
    Operation(
        "post",
        "/v1/features/{source}",
        "Push rows of a table into the online features; as NDJSON, too",
        dict[str, Any],
        takes=list[dict[str, Any]] | Rows,
        refusals=_TOLD,
    ),
    Operation(
        "post",
        "/v2/repository/index",
        "The releases that are here, and why one is not ready",
        list[Indexed],
        takes=IndexRequest,
        refusals=(*_TOLD, 404),
        of_one=True,
    ),
    Operation(
        "post",
        "/v2/repository/models/{model}/load",
        "Have a release ready",
        Changed,
        takes=ChangeRequest,
        refusals=_TOLD,
    ),
    Operation(
        "post",
        "/v2/repository/models/{model}/unload",
        "Let a release go",
        Changed,
        takes=ChangeRequest,
        refusals=_TOLD,
    ),
    Operation("get", "/health/live", "Whether the process is up", Live),
    Operation("get", "/health/ready", "Whether the server answers questions", Ready, statuses=(200, 503)),
    Operation("get", "/", "A page for a person", str, refusals=(404,), media="text/html"),
    Operation("get", "/metrics", "What was counted, for Prometheus", str, media="text/plain"),
    Operation("get", "/openapi.json", "This document", dict[str, Any]),
)
