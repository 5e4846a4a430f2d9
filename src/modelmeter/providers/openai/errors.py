"""
OpenAI's error objects, read and written.

Source: https://platform.openai.com/docs/guides/error-codes
"""

import msgspec

from modelmeter.providers.bodies import ABSENT, UNREADABLE
from modelmeter.providers.status import error_type_of_status
from modelmeter.record import ErrorType

__all__ = ["error_body", "error_type_of_body", "error_type_of_failure", "is_error"]

_BY_CODE = {
    "context_length_exceeded": ErrorType.CONTEXT_LENGTH,
    "exceed_context_size_error": ErrorType.CONTEXT_LENGTH,
    "string_above_max_length": ErrorType.CONTEXT_LENGTH,
    "bio_policy": ErrorType.CONTENT_FILTER,
    "content_filter": ErrorType.CONTENT_FILTER,
    "image_content_policy_violation": ErrorType.CONTENT_FILTER,
    "misalignment_policy_violation": ErrorType.CONTENT_FILTER,
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
_BAD_INPUT = (
    "invalid_",
    "image_",
    "unsupported_image_",
    "empty_image_",
    "failed_to_download_image",
)
_HTTP_ERRORS = range(400, 600)
_NO_ERROR = frozenset({b"null", b"false", b'""', b"{}"})


class _Fault(msgspec.Struct):
    code: object = None
    type: object = None
    message: object = None


class _FaultBody(_Fault):
    """Some compatible servers write the error itself where OpenAI wraps it."""

    error: msgspec.Raw = ABSENT


_fault_decoder = msgspec.json.Decoder(_Fault)
_body_decoder = msgspec.json.Decoder(_FaultBody)


def is_error(field: msgspec.Raw) -> bool:
    """An ``error`` field tells of one; some compatible servers send an empty one always."""
    return bytes(field) not in _NO_ERROR


def error_type_of_body(http_status: int, body: bytes) -> ErrorType:
    """The kind of error of an answer with a status of 400 or more."""
    try:
        whole = _body_decoder.decode(body)
        fault = _fault_decoder.decode(whole.error) if is_error(whole.error) else whole
    except UNREADABLE:
        return error_type_of_status(http_status)
    return _told(fault) or error_type_of_status(http_status)


def error_type_of_failure(error: bytes | msgspec.Raw) -> ErrorType:
    """
    The kind of an ``error`` in an answer that began well, which its HTTP status does not tell.

    The codes: https://platform.openai.com/docs/api-reference/responses/object (error). Some
    compatible servers put an HTTP status in place of a code.
    """
    try:
        decoded = _fault_decoder.decode(error)
    except UNREADABLE:
        return ErrorType.SERVER_ERROR
    known = _told(decoded)
    if known is not None:
        return known
    code = decoded.code
    if isinstance(code, int) and code in _HTTP_ERRORS:
        return error_type_of_status(code)
    if isinstance(code, str) and code.startswith(_BAD_INPUT):
        return ErrorType.INVALID_REQUEST
    return ErrorType.SERVER_ERROR


def _told(fault: _Fault) -> ErrorType | None:
    for code in (fault.code, fault.type):
        if isinstance(code, str) and code in _BY_CODE:
            return _BY_CODE[code]
    if isinstance(fault.message, str) and "maximum context length" in fault.message:
        return ErrorType.CONTEXT_LENGTH
    return None


def error_body(message: str, *, code: str, http_status: int) -> bytes:
    """An error as OpenAI writes it."""
    fallback = "server_error" if http_status >= _SERVER_ERRORS else "invalid_request_error"
    kind = _TYPE_OF_STATUS.get(http_status, fallback)
    return msgspec.json.encode(
        {"error": {"message": message, "type": kind, "param": None, "code": code}}
    )
