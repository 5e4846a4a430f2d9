"""Sends with Anthropic's SDK."""

import msgspec

from modelmeter.service.routes import Target
from modelmeter.service.sdk.answers import key_of, not_installed
from modelmeter.service.sdk.raw_answer import Failure, Faults, raw_answer
from modelmeter.service.sender import ProviderAnswer
from modelmeter.service.wire_request import WireRequest
from modelmeter.settings.limits import Limits
from modelmeter.settings.model import ProviderSettings

__all__ = ["AnthropicSender"]

_VERSION = {"anthropic-version": "2023-06-01"}
"""The version that takes all that is translated; the SDK's own refuses sampling parameters."""

_fields = msgspec.json.Decoder(dict[str, object])


class AnthropicSender:
    """One provider's connections."""

    def __init__(self, name: str, settings: ProviderSettings, limits: Limits) -> None:
        """
        Raises:
            RefusedRequestError: the SDK is not installed, or there is no key.
        """
        key = key_of(name, settings)
        try:
            import anthropic
            import httpx2
        except ImportError as error:
            raise not_installed("Anthropic", "anthropic") from error
        self._client = anthropic.AsyncAnthropic(
            api_key=key,
            base_url=settings.base_url,
            max_retries=0,
            timeout=httpx2.Timeout(
                limits.upstream_total_timeout_seconds,
                connect=limits.upstream_connect_timeout_seconds,
            ),
        )

        def failure_of(error: Exception) -> Failure:
            if not isinstance(error, anthropic.APIStatusError):
                raise error
            return Failure(error.status_code, error.response.headers, error.response.content)

        self._faults = Faults(
            status=anthropic.APIStatusError,
            failure_of=failure_of,
            timeout=anthropic.APITimeoutError,
            connection=anthropic.APIConnectionError,
            http=httpx2.HTTPError,
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
        return await raw_answer(opening, self._faults)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()
