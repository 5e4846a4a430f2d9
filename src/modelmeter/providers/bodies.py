"""What all dialects do with JSON bodies: what a request may name, what an answer may count."""

from collections.abc import Iterable

import msgspec

from modelmeter.errors import RefusedRequestError

__all__ = [
    "ABSENT",
    "BODY_BYTES_MAX",
    "UNREADABLE",
    "BodyCollector",
    "UnbelievableCountError",
    "count",
    "is_absent",
    "largest_limit",
    "model_name",
    "output_limit",
]

BODY_BYTES_MAX = 32 * 1024 * 1024
"""A plain answer that is kept to be read at its end; a longer one is only passed on."""
COUNT_MAX = 1_000_000_000
"""Tokens of one kind in one call; more is a provider's mistake."""
MODEL_CHARACTERS_MAX = 2048
"""As long as the longest id of a model on Bedrock, an ARN."""
OUTPUT_LIMIT_MAX = 2**31

ABSENT = msgspec.Raw(b"null")
"""The value of a JSON field that is not there, for fields that are decoded later."""

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding hostile JSON can raise; observers survive all of it."""


class UnbelievableCountError(ValueError):
    """A provider's count is negative, no whole number, or absurdly large."""


def is_absent(field: msgspec.Raw) -> bool:
    """The field is not there, or null."""
    return bytes(field) == b"null"


def model_name(value: str) -> str:
    """
    ``value`` if it can name a model.

    Raises:
        RefusedRequestError: it is empty, too long, or holds what cannot be printed.
    """
    if 0 < len(value) <= MODEL_CHARACTERS_MAX and value.isprintable():
        return value
    raise RefusedRequestError(
        f"the model's name must be 1 to {MODEL_CHARACTERS_MAX} printable characters",
        code="invalid_model",
    )


def output_limit(value: object) -> int | None:
    """
    A request's limit of output tokens, None if it sets none.

    Raises:
        RefusedRequestError: it is no whole number between 1 and 2^31.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= OUTPUT_LIMIT_MAX:
        raise RefusedRequestError(
            f"the limit of output tokens must be a whole number from 1 to {OUTPUT_LIMIT_MAX}",
            code="invalid_request",
        )
    return value


def largest_limit(values: Iterable[object]) -> int | None:
    """
    The largest of a request's limits of output tokens, None if it sets none.

    Which of several a provider follows is its own business.

    Raises:
        RefusedRequestError: see `output_limit`.
    """
    return max((limit for limit in map(output_limit, values) if limit is not None), default=None)


def count(value: object) -> int:
    """
    A provider's count of tokens; 0 if it is absent.

    Raises:
        UnbelievableCountError: it is negative, no whole number, or absurdly large.
    """
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= COUNT_MAX:
        raise UnbelievableCountError(f"the provider reported {str(value)[:40]!r} tokens")
    return value


class BodyCollector:
    """Keeps a plain answer until its end, up to a cap."""

    def __init__(self, bytes_max: int = BODY_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> None:
        """Keep the next bytes."""
        self._size += len(chunk)
        if self._size > self._bytes_max:
            self._parts.clear()
        else:
            self._parts.append(chunk)

    @property
    def size(self) -> int:
        """Of all that came, in bytes."""
        return self._size

    def body(self) -> bytes | None:
        """All bytes so far; None if they were more than the cap."""
        if self._size > self._bytes_max:
            return None
        if len(self._parts) > 1:
            self._parts = [b"".join(self._parts)]
        return self._parts[0] if self._parts else b""
