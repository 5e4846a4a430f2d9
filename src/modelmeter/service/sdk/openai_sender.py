"""Sends with OpenAI's SDK, to OpenAI and whoever is compatible with it."""

import msgspec

from modelmeter.record import Operation
from modelmeter.service.routes import Target
from modelmeter.service.sdk.answers import key_of, not_installed
from modelmeter.service.sdk.raw_answer import Failure, Faults, raw_answer
from modelmeter.service.sender import ProviderAnswer
from modelmeter.service.wire_request import WireRequest
from modelmeter.settings.limits import Limits
from modelmeter.settings.model import ProviderSettings

__all__ = ["OpenAISender"]

_fields = msgspec.json.Decoder(dict[str, object])


class OpenAISender:
    """One provider's connections."""

    def __init__(self, name: str, settings: ProviderSettings, limits: Limits) -> None:
        """
        Raises:
            RefusedRequestError: the SDK is not installed, or there is no key.
        """
        key = key_of(name, settings)
        try:
            import httpx2
            import openai
        except ImportError as error:
            raise not_installed("OpenAI", "openai") from error
        self._client = openai.AsyncOpenAI(
            api_key=key,
            base_url=settings.base_url,
            max_retries=0,
            timeout=httpx2.Timeout(
                limits.upstream_total_timeout_seconds,
                connect=limits.upstream_connect_timeout_seconds,
            ),
        )

        def failure_of(error: Exception) -> Failure:
            if not isinstance(error, openai.APIStatusError):
                raise error
            return Failure(error.status_code, error.response.headers, error.response.content)

        self._faults = Faults(
            status=openai.APIStatusError,
            failure_of=failure_of,
            timeout=openai.APITimeoutError,
            connection=openai.APIConnectionError,
            http=httpx2.HTTPError,
        )

    async def send(self, target: Target, request: WireRequest) -> ProviderAnswer:
        """See `Sender.send`."""
        fields = _fields.decode(request.body)
        if request.facts.operation is Operation.EMBEDDINGS:
            embedding = self._client.embeddings.with_streaming_response.create(
                model=target.model, input="", extra_body=fields
            )
            return await raw_answer(embedding, self._faults)
        chat = self._client.chat.completions.with_streaming_response.create(
            model=target.model, messages=[], extra_body=fields
        )
        return await raw_answer(chat, self._faults)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()
