"""The seam to the providers: a request goes out, its answer comes back as it arrives."""

from typing import Protocol

from modelmeter.gateway.asgi import Headers

__all__ = ["Upstream", "UpstreamAnswer"]


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

    async def send(self, method: str, url: str, headers: Headers, body: bytes) -> UpstreamAnswer:
        """
        Send a request and wait for the answer's headers.

        Raises:
            UpstreamError: no answer; ``error_type`` is ``connection`` or ``bad_response``,
                ``sent`` says whether the request may have arrived.
        """
        ...
