"""Values and errors as Starlette's responses."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from plimsoll.errors import PlimsollError
from plimsoll.serving.oip import Written
from plimsoll.serving.refusals import A_BUG, body_of_refusal, headers_of_refusal


def refusal(error: PlimsollError, status: int) -> Response:
    return Response(body_of_refusal(error), status, headers_of_refusal(error), "application/json")


async def _no_route(request: Request, error: Exception) -> Response:
    """No such path, or not with this method: then the ones that there are stand in Allow (RFC 9110, section 15.5.6)."""
    status, headers = (error.status_code, error.headers) if isinstance(error, HTTPException) else (500, None)
    said = {"error": f"{request.method} {request.url.path:.200}: {HTTPStatus(status).phrase}"}
    return Response(msgspec.json.encode(said), status, headers, "application/json")


async def _bug(request: Request, error: Exception) -> Response:
    return json_response({"error": A_BUG}, 500)


OTHER_ERRORS: Mapping[Any, Any] = {HTTPException: _no_route, Exception: _bug}


def json_response(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def json_bytes(body: bytes) -> Response:
    return Response(body, media_type="application/json")


def tensors(written: Written) -> Response:
    """An inference response."""
    return Response(written.body, 200, written.headers)
