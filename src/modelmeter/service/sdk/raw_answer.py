"""Raw answers of OpenAI's and Anthropic's SDKs, which are made by one generator and alike."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec

from modelmeter.errors import UpstreamError
from modelmeter.record import ErrorType
from modelmeter.service.sdk.answers import StreamedAnswer, WholeAnswer, closed_by, lower_headers
from modelmeter.service.sender import ProviderAnswer

__all__ = ["Failure", "Faults", "raw_answer"]


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


class Failure(msgspec.Struct, frozen=True):
    """What an SDK's exception for an answer with a status of 400 or more holds."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Faults(msgspec.Struct, frozen=True):
    """An SDK's exceptions."""

    status: type[Exception]
    failure_of: Callable[[Exception], Failure]
    """Reads an exception of ``status``."""
    timeout: type[Exception]
    connection: type[Exception]
    http: type[Exception]
    """Of the HTTP client below it, while a body is read."""


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
        failure = faults.failure_of(error)
        return WholeAnswer(failure.status, lower_headers(failure.headers.items()), failure.body)
    except faults.timeout as error:
        raise UpstreamError(
            "the provider did not answer in time", error_type=ErrorType.TIMEOUT
        ) from error
    except faults.connection as error:
        raise UpstreamError(
            f"the provider could not be reached: {error.__cause__ or error}",
            error_type=ErrorType.CONNECTION,
        ) from error

    async def pieces() -> AsyncIterator[bytes]:
        try:
            async for piece in response.iter_bytes():
                yield piece
        except faults.http as error:
            raise UpstreamError(
                f"the connection broke off: {error}", error_type=ErrorType.CONNECTION
            ) from error

    async def close() -> None:
        await opening.__aexit__(None, None, None)

    return StreamedAnswer(
        response.status_code, lower_headers(response.headers.items()), pieces(), closed_by(close)
    )
