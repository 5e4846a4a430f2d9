"""
Google's error objects, read and written.

Source: https://ai.google.dev/gemini-api/docs/troubleshooting and
https://cloud.google.com/apis/design/errors
"""

import msgspec

from modelmeter.providers.bodies import UNREADABLE
from modelmeter.providers.status import error_type_of_status
from modelmeter.record import ErrorType

__all__ = ["error_body", "error_type_of_body"]

_BY_STATUS_NAME = {
    "UNAUTHENTICATED": ErrorType.AUTHENTICATION,
    "PERMISSION_DENIED": ErrorType.PERMISSION,
    "NOT_FOUND": ErrorType.NOT_FOUND,
    "RESOURCE_EXHAUSTED": ErrorType.RATE_LIMIT,
    "UNAVAILABLE": ErrorType.OVERLOADED,
    "DEADLINE_EXCEEDED": ErrorType.TIMEOUT,
    "INTERNAL": ErrorType.SERVER_ERROR,
}
_NAME_OF_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class _Error(msgspec.Struct):
    status: object = None
    message: object = None
    details: msgspec.Raw = msgspec.Raw(b"null")


class _ErrorBody(msgspec.Struct):
    error: _Error | None = None


_decoder = msgspec.json.Decoder(_ErrorBody | list[_ErrorBody])


def error_type_of_body(http_status: int, body: bytes) -> ErrorType:
    """The kind of error of an answer with a status of 400 or more."""
    try:
        decoded = _decoder.decode(body)
    except UNREADABLE:
        return error_type_of_status(http_status)
    wrapped = decoded[0] if isinstance(decoded, list) and decoded else decoded
    error = wrapped.error if isinstance(wrapped, _ErrorBody) else None
    if error is None:
        return error_type_of_status(http_status)
    if b"API_KEY_INVALID" in bytes(error.details):
        return ErrorType.AUTHENTICATION
    if isinstance(error.message, str) and "maximum number of tokens" in error.message:
        return ErrorType.CONTEXT_LENGTH
    if isinstance(error.status, str) and error.status in _BY_STATUS_NAME:
        return _BY_STATUS_NAME[error.status]
    return error_type_of_status(http_status)


def error_body(message: str, *, code: str, http_status: int) -> bytes:
    """An error as Google writes it; ``code`` is ours, as the reason in its details."""
    return msgspec.json.encode(
        {
            "error": {
                "code": http_status,
                "message": message,
                "status": _NAME_OF_STATUS.get(http_status, "UNKNOWN"),
                "details": [
                    {
                        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                        "reason": code,
                        "domain": "modelmeter",
                    }
                ],
            }
        }
    )
