"""What a failed attempt means: for its caller, for the next attempt, for the circuit."""

from math import isinf

import msgspec

from modelmeter.errors import APIKeyError, LLMServiceError, LLMTimeoutError, RateLimitError
from modelmeter.record import ErrorType
from modelmeter.wire.retry_after import number_in

__all__ = ["is_transient", "message_in", "retry_after_seconds", "service_error"]

_TRANSIENT = frozenset(
    {
        ErrorType.TIMEOUT,
        ErrorType.OVERLOADED,
        ErrorType.CONNECTION,
        ErrorType.SERVER_ERROR,
        ErrorType.RATE_LIMIT,
        ErrorType.BAD_RESPONSE,
        ErrorType.CIRCUIT_OPEN,
    }
)
_CLASSES: dict[ErrorType, type[LLMServiceError]] = {
    ErrorType.AUTHENTICATION: APIKeyError,
    ErrorType.PERMISSION: APIKeyError,
    ErrorType.RATE_LIMIT: RateLimitError,
    ErrorType.TIMEOUT: LLMTimeoutError,
}
_MESSAGE_CHARACTERS_MAX = 2_000
_MILLISECONDS = 1000.0

Headers = list[tuple[bytes, bytes]]


def is_transient(error_type: str) -> bool:
    """Whether another attempt, or another provider, may do better; a caller's fault stays one."""
    return error_type in _TRANSIENT


def service_error(
    message: str,
    *,
    error_type: ErrorType,
    provider: str,
    call_id: str | None,
    http_status: int | None = None,
    retry_after_seconds: float | None = None,
) -> LLMServiceError:
    """The error of a failed attempt, of the class that its kind has."""
    return _CLASSES.get(error_type, LLMServiceError)(
        message,
        error_type=error_type,
        http_status=http_status,
        provider=provider,
        call_id=call_id,
        retry_after_seconds=retry_after_seconds,
    )


class _Fault(msgspec.Struct):
    message: object = None


class _Body(msgspec.Struct):
    error: _Fault | str | None = None
    message: object = None
    # Some of AWS's services spell it so.
    capital_message: object = msgspec.field(default=None, name="Message")


_decoder = msgspec.json.Decoder(_Body)
_list_decoder = msgspec.json.Decoder(list[_Body])


def message_in(body: bytes) -> str | None:
    """The text in a provider's error, whichever of the known shapes it has."""
    try:
        fault = _list_decoder.decode(body)[0] if body[:1] == b"[" else _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, IndexError):
        return None
    if isinstance(fault.error, str):
        return fault.error[:_MESSAGE_CHARACTERS_MAX]
    inner = None if fault.error is None else fault.error.message
    for message in (inner, fault.message, fault.capital_message):
        if isinstance(message, str) and message:
            return message[:_MESSAGE_CHARACTERS_MAX]
    return None


def retry_after_seconds(headers: Headers) -> float | None:
    """When the provider wants to be asked again; dates are not read, for none sends them."""
    milliseconds = _number(headers, b"retry-after-ms")
    if milliseconds is not None:
        return milliseconds / _MILLISECONDS
    return _number(headers, b"retry-after")


def _number(headers: Headers, name: bytes) -> float | None:
    for key, value in headers:
        if key == name:
            number = number_in(value)
            return None if number is None or isinf(number) else number
    return None
