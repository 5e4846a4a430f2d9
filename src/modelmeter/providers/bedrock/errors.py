"""
Bedrock's errors, read and written: a JSON message, and the kind of error in a header.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html and
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html#API_runtime_Converse_Errors
"""

import msgspec

from modelmeter.providers.status import error_type_of_status
from modelmeter.record import ErrorType

__all__ = ["error_body", "error_name_of_status", "error_type_of_body", "error_type_of_exception"]

_BY_EXCEPTION = {
    "throttlingException": ErrorType.RATE_LIMIT,
    "modelStreamErrorException": ErrorType.SERVER_ERROR,
    "internalServerException": ErrorType.SERVER_ERROR,
    "serviceUnavailableException": ErrorType.OVERLOADED,
    "validationException": ErrorType.INVALID_REQUEST,
    "modelTimeoutException": ErrorType.TIMEOUT,
}
_NAME_OF_STATUS = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
    504: "ModelTimeoutException",
}
_TOO_LONG = (
    "input is too long",
    "too many input tokens",
    "prompt is too long",
    "maximum context length",
    "input tokens exceeded",
)
_FILTERED = ("content filtering policy", "blocked by our content filters")
_NOT_SIGNED = (
    "security token",
    "request signature",
    "signature expired",
    "missing authentication token",
    "authentication failed",
)
_BAD_REQUEST = 400
_FORBIDDEN = 403
_MODEL_ERROR = 424
_SERVER_ERRORS = 500


class _ErrorBody(msgspec.Struct):
    message: object = None
    # The services before Bedrock itself, such as the check of signatures, spell it so.
    capital_message: object = msgspec.field(default=None, name="Message")


_decoder = msgspec.json.Decoder(_ErrorBody)


def error_type_of_body(http_status: int, body: bytes) -> ErrorType:
    """The kind of error of an answer with a status of 400 or more."""
    message = _message_of(body)
    if http_status == _BAD_REQUEST:
        if any(words in message for words in _TOO_LONG):
            return ErrorType.CONTEXT_LENGTH
        if any(words in message for words in _FILTERED):
            return ErrorType.CONTENT_FILTER
    if http_status == _FORBIDDEN and any(words in message for words in _NOT_SIGNED):
        return ErrorType.AUTHENTICATION
    if http_status == _MODEL_ERROR:
        return ErrorType.SERVER_ERROR
    return error_type_of_status(http_status)


def error_type_of_exception(name: object, payload: bytes) -> ErrorType:
    """The kind of error of an exception in an event stream."""
    kind = _BY_EXCEPTION.get(name) if isinstance(name, str) else None
    if kind is ErrorType.INVALID_REQUEST:
        return error_type_of_body(_BAD_REQUEST, payload)
    return kind or ErrorType.SERVER_ERROR


def error_name_of_status(http_status: int) -> str:
    """The exception's name that AWS gives an HTTP status."""
    fallback = "InternalServerException" if http_status >= _SERVER_ERRORS else "ValidationException"
    return _NAME_OF_STATUS.get(http_status, fallback)


def error_body(message: str) -> bytes:
    """An error as Bedrock writes it."""
    return msgspec.json.encode({"message": message})


def _message_of(body: bytes) -> str:
    try:
        error = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    for message in (error.message, error.capital_message):
        if isinstance(message, str):
            return message.lower()
    return ""
