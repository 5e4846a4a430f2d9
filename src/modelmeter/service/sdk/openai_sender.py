"""Sends with OpenAI's SDK, to OpenAI and whoever is compatible with it."""

import msgspec
import openai

from modelmeter.record import Operation
from modelmeter.service.routes import Target
from modelmeter.service.sdk.answers import key_of
from modelmeter.service.sdk.http_client import timeouts
from modelmeter.service.sdk.raw_answer import Faults, raw_answer
from modelmeter.service.sender import ProviderAnswer
from modelmeter.service.wire_request import WireRequest
from modelmeter.settings.limits import Limits
from modelmeter.settings.model import ProviderSettings

__all__ = ["OpenAISender"]

_FAULTS = Faults(status=openai.APIStatusError, connection=openai.APIConnectionError)
_fields = msgspec.json.Decoder(dict[str, object])


class OpenAISender:
    """One provider's connections."""

    def __init__(self, name: str, settings: ProviderSettings, limits: Limits) -> None:
        """
        Raises:
            RefusedRequestError: there is no key.
        """
        key = key_of(name, settings)
        self._headers: dict[str, str | openai.Omit] = {}
        if settings.api_key_header != "authorization":
            self._headers = {"Authorization": openai.omit, settings.api_key_header: key}
        self._client = openai.AsyncOpenAI(
            api_key=key,
            base_url=settings.base_url,
            max_retries=0,
            timeout=timeouts(limits),
        )

    async def send(self, target: Target, request: WireRequest) -> ProviderAnswer:
        """See `Sender.send`."""
        fields = _fields.decode(request.body)
        if request.facts.operation is Operation.EMBEDDINGS:
            embedding = self._client.embeddings.with_streaming_response.create(
                model=target.model, input="", extra_body=fields, extra_headers=self._headers
            )
            return await raw_answer(embedding, _FAULTS)
        chat = self._client.chat.completions.with_streaming_response.create(
            model=target.model, messages=[], extra_body=fields, extra_headers=self._headers
        )
        return await raw_answer(chat, _FAULTS)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()
