"""The sender of a program: every provider through its own SDK."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Protocol

from modelmeter.errors import RefusedRequestError
from modelmeter.service.routes import Target
from modelmeter.service.sender import ProviderAnswer
from modelmeter.service.wire_request import WireRequest
from modelmeter.settings.limits import Limits
from modelmeter.settings.model import ProviderSettings

__all__ = ["SdkSender"]


class _ProviderSender(Protocol):
    async def send(self, target: Target, request: WireRequest) -> ProviderAnswer: ...

    async def close(self) -> None: ...


class SdkSender:
    """
    See `Sender`; for one event loop, whose connections it keeps.

    A provider's SDK is loaded, and its client made, when a model of it is first called.
    """

    def __init__(self, providers: Mapping[str, ProviderSettings], limits: Limits) -> None:
        self._providers = providers
        self._limits = limits
        self._senders: dict[str, _ProviderSender] = {}
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def prepare(self, target: Target) -> None:
        """See `Sender.prepare`."""
        if target.provider in self._senders:
            return
        async with self._turns[target.provider]:
            if target.provider not in self._senders:
                # SDKs load for a second or so, and AWS's looks for credentials in the network.
                self._senders[target.provider] = await asyncio.to_thread(self._make, target)

    async def send(self, target: Target, request: WireRequest) -> ProviderAnswer:
        """See `Sender.send`."""
        return await self._senders[target.provider].send(target, request)

    async def close(self) -> None:
        """Close all connections."""
        senders, self._senders = self._senders, {}
        for sender in senders.values():
            await sender.close()

    def _make(self, target: Target) -> _ProviderSender:
        try:
            make = _maker(target.kind)
        except ImportError as error:
            raise RefusedRequestError(
                f"the SDK for {target.provider} is not installed: "
                f"pip install 'modelmeter[{target.kind}]'",
                code="sdk_missing",
                http_status=503,
            ) from error
        return make(target.provider, self._providers[target.provider], self._limits)


def _maker(kind: str) -> Callable[[str, ProviderSettings, Limits], _ProviderSender]:
    """Load an SDK, which takes a second or so."""
    if kind == "openai":
        from modelmeter.service.sdk.openai_sender import OpenAISender

        return OpenAISender
    if kind == "anthropic":
        from modelmeter.service.sdk.anthropic_sender import AnthropicSender

        return AnthropicSender
    if kind == "bedrock":
        from modelmeter.service.sdk.bedrock_sender import BedrockSender

        return BedrockSender
    from modelmeter.service.sdk.genai_sender import GenAISender

    return GenAISender
