"""
Anthropic's error objects, read and written.

Source: https://docs.anthropic.com/en/api/errors
"""

import msgspec

from modelmeter.providers.bodies import UNREADABLE
from modelmeter.providers.status import error_type_of_status
from modelmeter.record import ErrorType

__all__ = ["error_body", "error_type_of_body", "error_type_of_failure"]

_BY_NAME = {
    "invalid_request_error": ErrorType.INVALID_REQUEST,
    "request_too_large": ErrorType.INVALID_REQUEST,
    "authentication_error": ErrorType.AUTHENTICATION,
    "permission_error": ErrorType.PERMISSION,
    "billing_error": ErrorType.PERMISSION,
    "not_found_error": ErrorType.NOT_FOUND,
    "rate_limit_error": ErrorType.RATE_LIMIT,
    "timeout_error": ErrorType.TIMEOUT,
    "overloaded_error": ErrorType.OVERLOADED,
    "api_error": ErrorType.SERVER_ERROR,
}
_NAME_OF_STATUS = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_TOO_LONG = ("prompt is too long", "exceed context limit", "context window")
_SERVER_ERRORS = 500


class _Error(msgspec.Struct):
    type: object = None
    message: object = None


class _ErrorBody(msgspec.Struct):
    error: _Error | None = None


_decoder = msgspec.json.Decoder(_ErrorBody)


def error_type_of_body(http_status: int, body: bytes) -> ErrorType:
    """The kind of error of an answer with a status of 400 or more."""
    return _told(body) or error_type_of_status(http_status)


def error_type_of_failure(event: bytes) -> ErrorType:
    """The kind of an error that came with a good HTTP status, as an event or a whole body."""
    return _told(event) or ErrorType.SERVER_ERROR


def _told(body: bytes) -> ErrorType | None:
    try:
        error = _decoder.decode(body).error
    except UNREADABLE:
        return None
    if error is None:
        return None
    if isinstance(error.message, str):
        message = error.message.lower()
        if any(words in message for words in _TOO_LONG):
            return ErrorType.CONTEXT_LENGTH
        if "content filtering policy" in message:
            return ErrorType.CONTENT_FILTER
    return _BY_NAME.get(error.type) if isinstance(error.type, str) else None


def error_body(message: str, *, code: str, http_status: int) -> bytes:
    """An error as Anthropic writes it; ``code`` is ours, beside theirs."""
    fallback = "api_error" if http_status >= _SERVER_ERRORS else "invalid_request_error"
    kind = _NAME_OF_STATUS.get(http_status, fallback)
    return msgspec.json.encode(
        {"type": "error", "error": {"type": kind, "message": message, "code": code}}
    )
