"""The seam to the providers: a request goes out, its answer comes back as it arrives."""

from functools import lru_cache
from typing import Protocol

import msgspec

from modelmeter.errors import UpstreamError
from modelmeter.gateway.asgi import Headers
from modelmeter.record import ErrorType

__all__ = ["Origin", "Upstream", "UpstreamAnswer", "UpstreamRequest"]

_ORIGINS_MAX = 256
_PORTS = {"http": 80, "https": 443}
_METHODS_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


class Origin(msgspec.Struct, frozen=True):
    """One provider's address."""

    tls: bool
    host: str
    port: int
    authority: str
    """As the Host header gives it."""


class UpstreamRequest:
    """What goes upstream, as it is written."""

    __slots__ = ("method", "origin", "parts")

    def __init__(self, method: str, url: str, headers: Headers, body: bytes) -> None:
        """
        Raises:
            UpstreamError: a header holds a line break.
        """
        scheme, _, rest = url.partition("://")
        authority, _, target = rest.partition("/")
        self.method = method
        self.origin = _origin(scheme, authority)
        self.parts = [_head(method, self.origin, target, headers, len(body)), body]


class UpstreamAnswer(Protocol):
    """An answer whose status and headers have arrived."""

    status: int
    headers: Headers
    """Names in lower case."""

    async def read(self) -> bytes:
        """
        The next bytes of the body as they came; empty at its end.

        Raises:
            UpstreamError: the connection broke off.
        """
        ...

    def close(self) -> None:
        """Give the connection back, or up if the body was not read to its end."""
        ...


class Upstream(Protocol):
    """Where requests are sent on."""

    async def send(self, request: UpstreamRequest) -> UpstreamAnswer:
        """
        Send a request and wait for the answer's headers.

        Raises:
            UpstreamError: no answer; ``error_type`` is ``connection`` or ``bad_response``,
                ``sent`` says whether the request may have arrived.
        """
        ...


@lru_cache(maxsize=_ORIGINS_MAX)
def _origin(scheme: str, authority: str) -> Origin:
    host, _, port = authority.rpartition(":")
    if not host or port.endswith("]"):
        host, port = authority, ""
    return Origin(
        tls=scheme == "https",
        host=host.strip("[]"),
        port=int(port) if port else _PORTS[scheme],
        authority=authority,
    )


def _head(method: str, origin: Origin, target: str, headers: Headers, length: int) -> bytes:
    first = f"{method} /{target} HTTP/1.1\r\nhost: {origin.authority}\r\n"
    if length or method in _METHODS_WITH_BODY:
        first += f"content-length: {length}\r\n"
    lines = [b"%b: %b\r\n" % header for header in headers]
    head = b"".join((first.encode(), *lines, b"\r\n"))
    if head.count(b"\n") != len(headers) + first.count("\r\n") + 1:
        # Whoever let such a header through would let a caller write requests of their own.
        raise UpstreamError(
            "a header for the upstream holds a line break",
            error_type=ErrorType.INVALID_REQUEST,
            sent=False,
        )
    return head
