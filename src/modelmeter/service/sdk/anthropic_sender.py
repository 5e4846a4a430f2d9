"""Sends with Anthropic's SDK."""

import anthropic
import msgspec

from modelmeter.service.routes import Target
from modelmeter.service.sdk.answers import key_of
from modelmeter.service.sdk.http_client import timeouts
from modelmeter.service.sdk.raw_answer import Faults, raw_answer
from modelmeter.service.sender import ProviderAnswer
from modelmeter.service.wire_request import WireRequest
from modelmeter.settings.limits import Limits
from modelmeter.settings.model import ProviderSettings

__all__ = ["AnthropicSender"]

_VERSION = {"anthropic-version": "2023-06-01"}
"""The version that takes all that is translated; the SDK's own refuses sampling parameters."""
_FAULTS = Faults(status=anthropic.APIStatusError, connection=anthropic.APIConnectionError)
_fields = msgspec.json.Decoder(dict[str, object])


class AnthropicSender:
    """One provider's connections."""

    def __init__(self, name: str, settings: ProviderSettings, limits: Limits) -> None:
        """
        Raises:
            RefusedRequestError: there is no key.
        """
        self._client = anthropic.AsyncAnthropic(
            api_key=key_of(name, settings),
            base_url=settings.base_url,
            max_retries=0,
            timeout=timeouts(limits),
        )

    async def send(self, target: Target, request: WireRequest) -> ProviderAnswer:
        """See `Sender.send`."""
        opening = self._client.messages.with_streaming_response.create(
            model=target.model,
            messages=[],
            max_tokens=1,
            extra_body=_fields.decode(request.body),
            extra_headers=_VERSION,
        )
        return await raw_answer(opening, _FAULTS)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()
