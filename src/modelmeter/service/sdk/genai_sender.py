"""Sends with Google's GenAI SDK."""

from collections.abc import AsyncGenerator, AsyncIterator

import httpx2
import msgspec
import pydantic
from google import genai
from google.genai import errors, types

from modelmeter.errors import UpstreamError
from modelmeter.record import ErrorType, Operation
from modelmeter.service.routes import Target
from modelmeter.service.sdk.answers import (
    Headers,
    StreamedAnswer,
    WholeAnswer,
    closed_by,
    key_of,
    lower_headers,
)
from modelmeter.service.sdk.http_client import no_answer
from modelmeter.service.sender import ProviderAnswer
from modelmeter.service.wire_request import WireRequest
from modelmeter.settings.limits import Limits
from modelmeter.settings.model import ProviderSettings

__all__ = ["GenAISender"]

_JSON: Headers = [(b"content-type", b"application/json")]
_EVENTS: Headers = [(b"content-type", b"text/event-stream")]
_OK = 200
_BAD_REQUEST = 400
_MILLISECONDS = 1000
_UNREADABLE = (AttributeError, KeyError, TypeError, ValueError)
"""What the SDK makes of an answer that is none of Gemini's."""


class _Contents(msgspec.Struct):
    contents: list[dict[str, object]]
    config: dict[str, object] = msgspec.field(default_factory=dict, name="generationConfig")
    system: msgspec.UnsetType | object = msgspec.field(
        default=msgspec.UNSET, name="systemInstruction"
    )
    tools: msgspec.UnsetType | object = msgspec.UNSET
    tool_config: msgspec.UnsetType | object = msgspec.field(
        default=msgspec.UNSET, name="toolConfig"
    )


class _Text(msgspec.Struct):
    text: str


class _Content(msgspec.Struct):
    parts: list[_Text]


class _EmbedOne(msgspec.Struct):
    content: _Content
    dimensions: int | None = msgspec.field(default=None, name="outputDimensionality")


class _Embed(msgspec.Struct):
    requests: list[_EmbedOne]


_contents = msgspec.json.Decoder(_Contents)
_embed = msgspec.json.Decoder(_Embed)


class GenAISender:
    """One provider's connections."""

    def __init__(self, name: str, settings: ProviderSettings, limits: Limits) -> None:
        """
        Raises:
            RefusedRequestError: there is no key.
        """
        key = key_of(name, settings)

        async def bound_connect(request: httpx2.Request) -> None:
            # The SDK gives each request one timeout for everything.
            request.extensions["timeout"]["connect"] = limits.upstream_connect_timeout_seconds

        # Given a client, the SDK takes it, and not another that may be installed too.
        self._connections = httpx2.AsyncClient(event_hooks={"request": [bound_connect]})
        self._client = genai.Client(
            api_key=key,
            vertexai=False,
            http_options=types.HttpOptions(
                base_url=settings.base_url,
                timeout=int(limits.upstream_total_timeout_seconds * _MILLISECONDS),
                # Without it the SDK itself tries again, unseen, after some seconds.
                retry_options=types.HttpRetryOptions(attempts=1),
                httpx_async_client=self._connections,
            ),
        )

    async def send(self, target: Target, request: WireRequest) -> ProviderAnswer:
        """See `Sender.send`."""
        try:
            if request.facts.operation is Operation.EMBED_CONTENT:
                return await self._embedded(target, request.body)
            return await self._generated(target, request)
        except errors.APIError as error:
            return WholeAnswer(error.code or _BAD_REQUEST, _headers_of(error), _error_body(error))
        except httpx2.HTTPError as error:
            raise no_answer(error) from error
        except _UNREADABLE as error:
            raise _unreadable(error) from error

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aio.aclose()
        await self._connections.aclose()
        self._client.close()

    async def _generated(self, target: Target, request: WireRequest) -> ProviderAnswer:
        contents, config = _asked(request.body)
        models = self._client.aio.models
        if not request.facts.streamed:
            whole = await models.generate_content(
                model=target.model, contents=contents, config=config
            )
            return WholeAnswer(_OK, _JSON, _wire(whole))
        stream = await models.generate_content_stream(
            model=target.model, contents=contents, config=config
        )

        async def pieces() -> AsyncIterator[bytes]:
            try:
                async for answer in stream:
                    yield b"data: %b\n\n" % _wire(answer)
            except errors.APIError as error:
                yield b"data: %b\n\n" % _error_body(error)
            except httpx2.HTTPError as error:
                raise no_answer(error) from error
            except _UNREADABLE as error:
                raise _unreadable(error) from error

        async def close() -> None:
            if isinstance(stream, AsyncGenerator):
                await stream.aclose()

        return StreamedAnswer(_OK, _EVENTS, pieces(), closed_by(close))

    async def _embedded(self, target: Target, body: bytes) -> ProviderAnswer:
        requests = _embed.decode(body).requests
        config = types.EmbedContentConfig(output_dimensionality=requests[0].dimensions)
        answer = await self._client.aio.models.embed_content(
            model=target.model,
            contents=[part.text for one in requests for part in one.content.parts],
            config=config,
        )
        return WholeAnswer(_OK, _JSON, _wire(answer))


def _asked(body: bytes) -> tuple[types.ContentListUnion, types.GenerateContentConfig]:
    asked = _contents.decode(body)
    beside = {
        "systemInstruction": asked.system,
        "tools": asked.tools,
        "toolConfig": asked.tool_config,
    }
    given = {name: value for name, value in beside.items() if value is not msgspec.UNSET}
    try:
        config = types.GenerateContentConfig.model_validate({**asked.config, **given})
        contents = [types.Content.model_validate(content) for content in asked.contents]
    except pydantic.ValidationError as error:
        # An image that is no base64, say.
        raise UpstreamError(str(error), error_type=ErrorType.INVALID_REQUEST, sent=False) from error
    return [*contents], config


def _wire(answer: object) -> bytes:
    if not isinstance(answer, types.GenerateContentResponse | types.EmbedContentResponse):
        raise UpstreamError("the SDK gave no answer", error_type=ErrorType.BAD_RESPONSE)
    return answer.model_dump_json(by_alias=True, exclude_none=True).encode()


def _error_body(error: errors.APIError) -> bytes:
    return msgspec.json.encode(error.details)


def _unreadable(error: Exception) -> UpstreamError:
    return UpstreamError(f"the answer cannot be read: {error}", error_type=ErrorType.BAD_RESPONSE)


def _headers_of(error: errors.APIError) -> Headers:
    headers = getattr(error.response, "headers", None) or {}
    return lower_headers((str(name), str(value)) for name, value in headers.items())
