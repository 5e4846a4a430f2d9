"""Raw answers of OpenAI's and Anthropic's SDKs, which are made by one generator and alike."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import httpx2
import msgspec

from modelmeter.service.sdk.answers import (
    Headers,
    StreamedAnswer,
    WholeAnswer,
    closed_by,
    lower_headers,
)
from modelmeter.service.sdk.http_client import no_answer
from modelmeter.service.sender import ProviderAnswer

__all__ = ["Faults", "raw_answer"]


class Response(Protocol):
    """An answer whose body was not read yet."""

    @property
    def headers(self) -> Mapping[str, str]:
        """As they came."""
        ...

    @property
    def status_code(self) -> int:
        """The HTTP status."""
        ...

    def iter_bytes(self) -> AsyncIterator[bytes]:
        """The body, decompressed."""
        ...


class Faults(msgspec.Struct, frozen=True):
    """An SDK's exceptions."""

    status: type[Exception]
    """Of an answer with a status of 400 or more, which it holds."""
    connection: type[Exception]
    """Of no answer; its cause is the HTTP client's exception."""


async def raw_answer(
    opening: AbstractAsyncContextManager[Response], faults: Faults
) -> ProviderAnswer:
    """
    Begin a request; an answer with an error's status is an answer as well.

    Raises:
        UpstreamError: there is no answer.
    """
    try:
        response = await opening.__aenter__()
    except faults.status as error:
        failed = getattr(error, "response", None)
        if not isinstance(failed, httpx2.Response):
            raise
        return WholeAnswer(failed.status_code, _headers(failed.headers), failed.content)
    except faults.connection as error:
        raise no_answer(error.__cause__ or error) from error

    async def pieces() -> AsyncIterator[bytes]:
        try:
            async for piece in response.iter_bytes():
                yield piece
        except httpx2.HTTPError as error:
            raise no_answer(error) from error

    async def close() -> None:
        await opening.__aexit__(None, None, None)

    return StreamedAnswer(
        response.status_code, _headers(response.headers), pieces(), closed_by(close)
    )


def _headers(headers: Mapping[str, str]) -> Headers:
    """Those of the body as it is given: the SDK has unpacked it."""
    return [line for line in lower_headers(headers.items()) if line[0] != b"content-encoding"]
