"""The operations put together as one document (OpenAPI 3.1.1, whose schemas are JSON Schema 2020-12)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec

from plimsoll.serving.form import Form
from plimsoll.serving.openapi.operations import FORM, OPERATIONS, Operation
from plimsoll.serving.openapi.questions import question

_JSON = "application/json"
_REF = "#/components/schemas/{name}"
_REFUSAL = {
    "title": "Refusal",
    "description": "What is wrong, with what to do about it; for machines, details beside it.",
    "type": "object",
    "properties": {"error": {"type": "string"}},
    "required": ["error"],
}
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same key with the same body gets the first answer again, from this process.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}
_OF_ONE = "The capability that is meant; without it, all that are served. A key for one of them must say it."
_LENGTH = {
    "description": "How many bytes of the body are JSON, where binary tensors follow it.",
    "schema": {"type": "string"},
}


def document(forms: Mapping[str, Form], version: str) -> dict[str, Any]:
    """The whole surface of a server. ``forms``: the question of each capability that it serves, by name."""
    types = [t for operation in OPERATIONS for t in (operation.answers, operation.takes) if _is_typed(t)]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    known = {id(t): schema for t, schema in zip(types, schemas, strict=True)}
    questions = {_component(name): question(form) | {"title": f"A question of {name}"} for name, form in forms.items()}
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        for path, takes in _paths(operation, forms, known):
            paths.setdefault(path, {})[operation.method] = _described(operation, path, takes, known, forms)
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Plimsoll",
            "version": version,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": components | questions | {"Refusal": _REFUSAL},
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "token": {"type": "http", "scheme": "bearer"},
            },
        },
        "security": [{}, {"key": []}, {"token": []}],
    }


def _is_typed(kind: Any) -> bool:
    return kind is not None and kind is not FORM and not isinstance(kind, dict)


def _component(name: str) -> str:
    return "Question." + re.sub(r"[^A-Za-z0-9._-]", "_", name)


def _paths(operation: Operation, forms: Mapping[str, Form], known: Mapping[int, Any]) -> list[tuple[str, Any]]:
    """The operation's paths with the schema that each takes: one a capability where that depends on the capability."""
    if operation.takes is None:
        return [(operation.path, None)]
    if _is_typed(operation.takes):
        return [(operation.path, known[id(operation.takes)])]
    return [
        (operation.path.replace("{model}", name), _filled(operation.takes, _REF.format(name=_component(name))))
        for name in forms
    ]


def _filled(takes: Any, ref: str) -> dict[str, Any]:
    if takes is FORM:
        return {"$ref": ref}
    return {
        "type": "object",
        "properties": {name: _filled(inner, ref) for name, inner in takes.items()},
        "required": list(takes),
        "additionalProperties": False,
    }


def _described(
    operation: Operation, path: str, takes: Any, known: Mapping[int, Any], forms: Mapping[str, Form]
) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": _operation_id(operation.method, path),
        "summary": operation.summary,
        "parameters": _parameters(operation, path, forms),
        "responses": {
            **{str(status): _answer(operation, status, known[id(operation.answers)]) for status in operation.statuses},
            **{str(status): _refusal(status) for status in _refusals(operation, path)},
        },
    }
    if takes is not None:
        described["requestBody"] = {"required": True, "content": {_JSON: {"schema": takes}}}
    return described


def _operation_id(method: str, path: str) -> str:
    return method + "".join(part.capitalize() for part in re.findall(r"[A-Za-z0-9]+", path))


def _parameters(operation: Operation, path: str, forms: Mapping[str, Form]) -> list[dict[str, Any]]:
    schemas: dict[str, Any] = {
        "model": {"type": "string", "enum": list(forms)},
        "version": {"type": "string", "minLength": 1},
        "source": {"type": "string", "minLength": 1},
    }
    found = [
        {"name": name, "in": "path", "required": True, "schema": schemas[name]} for name in re.findall(r"{(\w+)}", path)
    ]
    if operation.of_one:
        found.append({"name": "capability", "in": "query", "description": _OF_ONE, "schema": schemas["model"]})
    return [*found, _KEY] if operation.asks else found


def _refusals(operation: Operation, path: str) -> list[int]:
    """404 where a name may be wrong; anything may fail by a fault of ours, which 500 says."""
    return sorted({*operation.refusals, *((404,) if "{" in path else ())})


def _answer(operation: Operation, status: int, schema: Any) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "description": HTTPStatus(status).phrase,
        "content": {operation.media: {"schema": schema}},
    }
    if operation.path.endswith("/infer"):
        answer["content"]["application/octet-stream"] = {"schema": {"type": "string", "contentEncoding": "binary"}}
        answer["headers"] = {"Inference-Header-Content-Length": _LENGTH}
    return answer


def _refusal(status: int) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "description": HTTPStatus(status).phrase,
        "content": {_JSON: {"schema": {"$ref": _REF.format(name="Refusal")}}},
    }
    if status in (429, 503, 504):
        answer["headers"] = {"Retry-After": {"schema": {"type": "string", "pattern": "^[0-9]+$"}}}
    return answer
