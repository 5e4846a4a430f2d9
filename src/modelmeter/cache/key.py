"""The key of an answer: everything it may depend on, joined so that no two requests share one."""

import hashlib
import json
from collections.abc import Iterable

import msgspec

__all__ = ["CacheKey", "KeyParts", "cache_key", "canonical_body"]

CacheKey = bytes
"""A SHA-256 digest."""

CANONICAL_BODY_BYTES_MAX = 256 * 1024
"""A body that is brought into canonical form; a longer one is taken byte for byte."""

_VERSION = b"modelmeter cache 1"
_LENGTH_BYTES = 8
_CANONICAL = b"json"
_VERBATIM = b"bytes"

_IRRELEVANT_HEADERS = frozenset({
    b"user-agent", b"traceparent", b"tracestate", b"idempotency-key", b"x-client-request-id",
    b"x-goog-api-client", b"x-goog-request-params", b"accept-encoding", b"accept-language",
    b"content-length", b"connection", b"host", b"cache-control", b"x-request-id",
    b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key",
})  # fmt: skip
"""What tells the provider who calls and how, but not what to answer; credentials have their own
part of the key."""
_IRRELEVANT_PREFIXES = (b"x-stainless-", b"x-modelmeter-")


class KeyParts(msgspec.Struct, frozen=True):
    """What an answer may depend on."""

    tenant_id: str
    credential: bytes
    """What the call is authenticated with upstream, or names it; only its digest is used."""
    provider: str
    endpoint: str
    """Method, address and query, without any credential."""
    body: bytes
    """The request's body with its tools and all its parameters."""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    """Names in lower case; those that cannot matter to an answer are left out here."""


def cache_key(parts: KeyParts) -> CacheKey:
    """The digest over all parts, each behind its length."""
    form, body = canonical_body(parts.body)
    fields = [
        _VERSION,
        parts.tenant_id.encode("utf-8", "surrogatepass"),
        hashlib.sha256(parts.credential).digest(),
        parts.provider.encode(),
        parts.endpoint.encode("utf-8", "surrogatepass"),
        form,
        body,
    ]
    for name, value in _relevant(parts.headers):
        fields += (name, value)
    digest = hashlib.sha256()
    for field in fields:
        digest.update(len(field).to_bytes(_LENGTH_BYTES, "big"))
        digest.update(field)
    return digest.digest()


def canonical_body(body: bytes) -> tuple[bytes, bytes]:
    """
    ``body`` as JSON with sorted names and no blanks, every number as it is written.

    A body that is no JSON, is very long, or names a field twice is taken byte for byte. The first
    part of the result tells the two forms apart.
    """
    if len(body) > CANONICAL_BODY_BYTES_MAX:
        return _VERBATIM, body
    try:
        return _CANONICAL, _encoder.encode(_decoder.decode(body.decode()))
    except (ValueError, RecursionError):
        return _VERBATIM, body


def _relevant(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    # Sorting is stable: several values of one name stay in their order.
    return sorted(
        (
            (name, value)
            for name, value in headers
            if name not in _IRRELEVANT_HEADERS and not name.startswith(_IRRELEVANT_PREFIXES)
        ),
        key=lambda header: header[0],
    )


def _number(text: str) -> msgspec.Raw:
    """The number's own digits: two that a float cannot tell apart stay two."""
    return msgspec.Raw(text.encode())


def _no_constant(text: str) -> object:
    raise ValueError(f"{text} is no JSON")


def _object(fields: list[tuple[str, object]]) -> dict[str, object]:
    named = dict(fields)
    if len(named) != len(fields):
        # Which of the two a provider takes is its own affair.
        raise ValueError("a field stands twice")
    return named


_decoder = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_float=_number,
    parse_int=_number,
    parse_constant=_no_constant,
)
_encoder = msgspec.json.Encoder(order="sorted")
