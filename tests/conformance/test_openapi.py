"""The OpenAPI document is true: it names the routes that there are, and the server behaves as it says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance
from starlette.applications import Starlette
from starlette.routing import Route

from plimsoll.serving.edge import Edge
from plimsoll.serving.openapi.operations import OPERATIONS, Operation
from serving.conftest import live, make_yard, toy
from serving.running import Running, running


@pytest.fixture(scope="module")
def up(tmp_path_factory: Any) -> Iterator[Running]:
    yard = make_yard(tmp_path_factory.mktemp("openapi"), toy())
    row = yard.release()
    with running(yard, live(row.digest), rows=[row]) as made:
        yield made
    yard.log.close()


@pytest.fixture(scope="module")
def api(up: Running) -> Any:
    return schemathesis.openapi.from_url(f"{up.url}/openapi.json")


def test_every_route_is_described(up: Running) -> None:
    """And nothing that is no route."""
    app = Starlette(routes=Edge(up.server)._routes())
    routes = {(m.lower(), r.path) for r in app.routes if isinstance(r, Route) for m in r.methods or () if m != "HEAD"}
    assert {(operation.method, operation.path) for operation in OPERATIONS} == routes


def test_the_document_is_openapi_3_1(up: Running, api: Any) -> None:
    """Valid against the specification's own schema; a question has its columns with their types."""
    api.validate()
    document = json.loads(up.call_raw("GET", "/openapi.json")[1])
    assert document["openapi"] == "3.1.1"
    question = document["components"]["schemas"]["Question.parcel-late"]
    assert question["required"] == ["parcel", "weight", "depot"]
    assert {name: column["type"] for name, column in question["properties"].items()} == {
        "parcel": "string",
        "weight": ["number", "null"],
        "depot": ["string", "null"],
        "asked": ["string", "null"],
        "floor": ["integer", "null"],
        "fragile": ["boolean", "null"],
    }


BEYOND_A_SCHEMA = ("/infer", "/outcomes", "/features/{source}", "/load", "/unload")
"""Where what is well-formed may still be wrong: a shape that does not fit its data, a label of another task, a
release that is none."""


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: f"{o.method} {o.path}")
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_the_server_does_as_the_document_says(api: Any, operation: Operation, mode: GenerationMode) -> None:
    """Whatever is generated, right or wrong: the statuses, types and headers that are promised, and no fault of ours."""
    path = (
        operation.path
        if operation.path in api.raw_schema["paths"]
        else operation.path.replace("{model}", "parcel-late")
    )
    described = api[path][operation.method]
    beyond = [positive_data_acceptance] if path.endswith(BEYOND_A_SCHEMA) else []

    @settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(described.as_strategy(generation_mode=mode))
    def holds(case: Any) -> None:
        if mode is GenerationMode.POSITIVE:  # one key with two bodies is refused, which no schema can say
            (case.headers or {}).pop("Idempotency-Key", None)
        case.call_and_validate(excluded_checks=beyond, timeout=20)

    try:
        holds()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE  # nothing can be wrong where nothing is taken
