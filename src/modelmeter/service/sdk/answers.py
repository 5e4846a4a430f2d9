"""Answers of SDKs, in the shape in which they come over the wire."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

from modelmeter.errors import RefusedRequestError
from modelmeter.settings.model import ProviderSettings

__all__ = [
    "Headers",
    "StreamedAnswer",
    "WholeAnswer",
    "closed_by",
    "key_of",
    "lower_headers",
]

Headers = list[tuple[bytes, bytes]]


class WholeAnswer:
    """An answer that is there as a whole; see `ProviderAnswer`."""

    def __init__(self, status: int, headers: Headers, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self._body = body

    async def read(self) -> bytes:
        """The body, then nothing."""
        body, self._body = self._body, b""
        return body

    def close(self) -> None:
        """There is nothing to give back."""


class StreamedAnswer:
    """An answer that comes in pieces; see `ProviderAnswer`."""

    def __init__(
        self,
        status: int,
        headers: Headers,
        pieces: AsyncIterator[bytes],
        close: Callable[[], None],
    ) -> None:
        self.status = status
        self.headers = headers
        self._pieces = pieces
        self._close = close

    async def read(self) -> bytes:
        """
        The next piece; empty at the end.

        Raises:
            UpstreamError: the connection broke off, or the provider reports an error.
        """
        async for piece in self._pieces:
            if piece:
                return piece
        return b""

    def close(self) -> None:
        """Give the connection back."""
        self._close()


def closed_by(close: Callable[[], Awaitable[object]]) -> Callable[[], None]:
    """``close``, for those who do not wait for it: SDKs close their answers by awaiting."""
    closing: set[asyncio.Future[object]] = set()

    def begin() -> None:
        task = asyncio.ensure_future(close())
        closing.add(task)
        task.add_done_callback(closing.discard)

    return begin


def lower_headers(headers: Iterable[tuple[str, str]]) -> Headers:
    """An SDK's headers as the rest of the program has them."""
    return [
        (name.lower().encode("latin-1", "replace"), value.encode("latin-1", "replace"))
        for name, value in headers
    ]


def key_of(name: str, settings: ProviderSettings) -> str:
    """
    The key of a provider.

    Raises:
        RefusedRequestError: there is none.
    """
    if settings.api_key is None:
        raise RefusedRequestError(
            f"no key for {name}: set providers.{name}.api_key, or the variable that its SDK reads",
            code="provider_key_missing",
            http_status=503,
        )
    return settings.api_key.get_secret_value()
