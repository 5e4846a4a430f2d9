"""The seam to the providers: how a request in a provider's own words gets there."""

from typing import Protocol

from modelmeter.service.routes import Target
from modelmeter.service.wire_request import WireRequest

__all__ = ["ProviderAnswer", "Sender"]

Headers = list[tuple[bytes, bytes]]


class ProviderAnswer(Protocol):
    """An answer whose status and headers have arrived."""

    status: int
    headers: Headers
    """Names in lower case."""

    async def read(self) -> bytes:
        """
        The next bytes of the body; empty at its end.

        Raises:
            UpstreamError: the connection broke off.
        """
        ...

    def close(self) -> None:
        """Give the connection back, or up if the body was not read to its end."""
        ...


class Sender(Protocol):
    """Makes requests with a program's credentials."""

    async def prepare(self, target: Target) -> None:
        """
        See whether a request can be made at all; nothing is sent.

        Raises:
            RefusedRequestError: there is no credential for the provider, or no SDK.
        """
        ...

    async def send(self, target: Target, request: WireRequest) -> ProviderAnswer:
        """
        Send a request and wait for the answer's headers.

        Raises:
            UpstreamError: there is no answer.
        """
        ...
