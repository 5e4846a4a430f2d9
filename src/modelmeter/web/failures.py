"""Every error of the API in one shape: a code for programs, a message for people."""

from collections.abc import Callable, Mapping

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from modelmeter.errors import RefusedRequestError

__all__ = ["error_response", "handle_failures", "refusal_response"]

_CODES = {404: "not_found", 405: "method_not_allowed"}


def error_response(
    status: int, code: str, message: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """An error in the one shape."""
    body = {"error": {"code": code, "message": message}}
    return JSONResponse(body, status, headers)


def refusal_response(error: RefusedRequestError) -> JSONResponse:
    """A refusal in the one shape."""
    seconds = error.retry_after_seconds
    headers = None if seconds is None else {"retry-after": str(seconds)}
    return error_response(error.http_status, error.refusal_code, error.message, headers)


def handle_failures(app: FastAPI, count_refusal: Callable[[str], None]) -> None:
    """Answer with the one shape wherever the API says no; ``count_refusal`` is told the codes."""

    async def refused(_request: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, RefusedRequestError):
            raise error
        count_refusal(error.refusal_code)
        return refusal_response(error)

    async def invalid(request: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, RequestValidationError):
            raise error
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        message = f"{where}: {first['msg']}"
        return await refused(request, RefusedRequestError(message, code="invalid_parameter"))

    app.add_exception_handler(RefusedRequestError, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _left)


async def _left(_request: Request, _error: Exception) -> Response:
    """Nobody is there to answer; that is no fault to log."""
    return Response(status_code=400)


async def _http(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    code = _CODES.get(error.status_code, "http_error")
    return error_response(error.status_code, code, error.detail, error.headers)
