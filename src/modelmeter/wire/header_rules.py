"""Which heads pass the gateway, in either direction: allow-lists, never deny-lists."""

import re
from collections.abc import Iterable

__all__ = [
    "clean_identifier",
    "forwardable_request_headers",
    "forwardable_response_headers",
    "is_relayable",
]

Headers = list[tuple[bytes, bytes]]

HEADER_VALUE_BYTES_MAX = 32 * 1024
"""A header's value; a longer one is dropped."""
IDENTIFIER_CHARACTERS_MAX = 128
"""An agent's, team's, tenant's or request's name."""

_REQUEST_NAMES = frozenset({
    b"content-type", b"accept", b"accept-language", b"user-agent", b"authorization",
    b"x-api-key", b"api-key", b"x-goog-api-key", b"idempotency-key", b"traceparent",
    b"tracestate", b"x-client-request-id",
})  # fmt: skip
_REQUEST_PREFIXES = (b"openai-", b"anthropic-", b"x-goog-", b"x-stainless-", b"x-amzn-bedrock-")
_RESPONSE_NAMES = frozenset({
    b"content-type", b"content-encoding", b"content-language", b"retry-after",
    b"retry-after-ms", b"x-should-retry", b"request-id", b"x-request-id", b"apim-request-id",
    b"cache-control", b"vary", b"etag", b"server-timing",
})  # fmt: skip
_RESPONSE_PREFIXES = (
    b"openai-", b"anthropic-", b"x-ratelimit-", b"x-amzn-", b"x-amz-", b"x-goog-", b"x-ms-",
)  # fmt: skip
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


def forwardable_request_headers(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """The headers of a caller that a provider gets; names in lower case."""
    return _allowed(headers, _REQUEST_NAMES, _REQUEST_PREFIXES)


def forwardable_response_headers(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """The headers of a provider that a caller gets; names in lower case."""
    return _allowed(headers, _RESPONSE_NAMES, _RESPONSE_PREFIXES)


def is_relayable(http_status: int) -> bool:
    """A final answer that leads nowhere else: neither 1xx (such as 101) nor a redirect."""
    return 200 <= http_status < 300 or 400 <= http_status < 600


def clean_identifier(value: bytes) -> str | None:
    """A name a caller gives itself, or None if it is empty, too long or not printable."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    if 0 < len(text) <= IDENTIFIER_CHARACTERS_MAX and text.isprintable():
        return text
    return None


def _allowed(
    headers: Iterable[tuple[bytes, bytes]], names: frozenset[bytes], prefixes: tuple[bytes, ...]
) -> Headers:
    allowed = []
    dropped: set[bytes] = set()
    for name, value in headers:
        if name in names or name.startswith(prefixes):
            if len(value) <= HEADER_VALUE_BYTES_MAX and not _CONTROL.search(value):
                allowed.append((name, value))
        elif name == b"connection":
            dropped.update(token.strip() for token in value.lower().split(b","))
    if dropped:
        return [(name, value) for name, value in allowed if name not in dropped]
    return allowed
