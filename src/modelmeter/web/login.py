"""Logging in by key, and out again."""

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response

from modelmeter.errors import RefusedRequestError
from modelmeter.web.answers import ErrorAnswer
from modelmeter.web.api_parts import ERRORS
from modelmeter.web.guard import SESSION_COOKIE, Guard, peer_of
from modelmeter.web.sessions import SESSION_SECONDS

__all__ = ["login_router"]

_BODY_BYTES_MAX = 4096
_BAD_BODY: dict[int | str, dict[str, Any]] = {
    408: {"model": ErrorAnswer, "description": "The body came too slowly."},
    413: {"model": ErrorAnswer, "description": "The body is too large."},
}


class _Login(msgspec.Struct, frozen=True):
    key: str


_decoder = msgspec.json.Decoder(_Login)
_SCHEMA: Mapping[str, object] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["key"],
                    "properties": {"key": {"type": "string"}},
                }
            }
        },
    }
}


def login_router(guard: Guard, *, body_timeout_seconds: float) -> APIRouter:
    """The paths that make a session and end one."""
    router = APIRouter(prefix="/api/v1", responses={**ERRORS, **_BAD_BODY})

    @router.post(
        "/login",
        status_code=204,
        response_class=Response,
        summary="Begin a session by a gateway key",
        openapi_extra={**_SCHEMA},
    )
    async def _login(request: Request) -> Response:
        _check_origin(request)
        try:
            async with asyncio.timeout(body_timeout_seconds):
                key = await _key_of(request)
        except TimeoutError as error:
            raise RefusedRequestError(
                f"the request's body did not arrive within {body_timeout_seconds:g} seconds",
                code="request_timeout",
                http_status=408,
            ) from error
        cookie = guard.log_in(key, peer_of(request.scope))
        answer = Response(status_code=204)
        _set_cookie(answer, request, cookie, SESSION_SECONDS)
        return answer

    @router.post("/logout", status_code=204, response_class=Response, summary="End the session")
    async def _logout(request: Request) -> Response:
        _check_origin(request)
        answer = Response(status_code=204)
        _set_cookie(answer, request, "", 0)
        return answer

    return router


def _set_cookie(answer: Response, request: Request, value: str, seconds: int) -> None:
    secure = "https" in (request.url.scheme, request.headers.get("x-forwarded-proto"))
    answer.set_cookie(
        SESSION_COOKIE, value, max_age=seconds, httponly=True, samesite="strict", secure=secure
    )


async def _key_of(request: Request) -> str:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _BODY_BYTES_MAX:
            raise RefusedRequestError(
                "the body is too large", code="request_too_large", http_status=413
            )
    try:
        return _decoder.decode(body).key.strip()
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RefusedRequestError('send {"key": "mm-…"} as JSON', code="invalid_body") from error


def _check_origin(request: Request) -> None:
    """A page elsewhere must not log its visitors in or out here."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise RefusedRequestError(
            "a page elsewhere may not do this", code="origin_not_allowed", http_status=403
        )
