"""
OpenAI's error objects, read and written.

Source: https://platform.openai.com/docs/guides/error-codes
"""

import msgspec

from modelmeter.providers.bodies import UNREADABLE
from modelmeter.providers.status import error_type_of_status
from modelmeter.record import ErrorType

__all__ = ["error_body", "error_type_of_body", "error_type_of_code"]

_BY_CODE = {
    "context_length_exceeded": ErrorType.CONTEXT_LENGTH,
    "string_above_max_length": ErrorType.CONTEXT_LENGTH,
    "content_filter": ErrorType.CONTENT_FILTER,
    "content_policy_violation": ErrorType.CONTENT_FILTER,
    "moderation_blocked": ErrorType.CONTENT_FILTER,
    "insufficient_quota": ErrorType.RATE_LIMIT,
    "rate_limit_exceeded": ErrorType.RATE_LIMIT,
    "invalid_api_key": ErrorType.AUTHENTICATION,
    "model_not_found": ErrorType.NOT_FOUND,
}
_TYPE_OF_STATUS = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
_SERVER_ERRORS = 500


class _Error(msgspec.Struct):
    code: object = None
    type: object = None
    message: object = None


class _ErrorBody(msgspec.Struct):
    error: _Error | None = None


_decoder = msgspec.json.Decoder(_ErrorBody)


def error_type_of_body(http_status: int, body: bytes) -> ErrorType:
    """The kind of error of an answer with a status of 400 or more."""
    try:
        error = _decoder.decode(body).error
    except UNREADABLE:
        error = None
    if error is not None:
        known = error_type_of_code(error.code) or error_type_of_code(error.type)
        if known is not None:
            return known
        if isinstance(error.message, str) and "maximum context length" in error.message:
            return ErrorType.CONTEXT_LENGTH
    return error_type_of_status(http_status)


def error_type_of_code(code: object) -> ErrorType | None:
    """The kind of error behind a code, if the code tells."""
    return _BY_CODE.get(code) if isinstance(code, str) else None


def error_body(message: str, *, code: str, http_status: int) -> bytes:
    """An error as OpenAI writes it."""
    fallback = "server_error" if http_status >= _SERVER_ERRORS else "invalid_request_error"
    kind = _TYPE_OF_STATUS.get(http_status, fallback)
    return msgspec.json.encode(
        {"error": {"message": message, "type": kind, "param": None, "code": code}}
    )
