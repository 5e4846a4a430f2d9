"""One call over all providers from Python, metered like any other."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from modelmeter.errors import (
    APIKeyError,
    LLMServiceError,
    RefusedRequestError,
)
from modelmeter.meter import Meter
from modelmeter.providers.bodies import UNREADABLE
from modelmeter.record import Caller, Clock, ErrorType, Operation, Teams
from modelmeter.service.caching import Answers, Reply
from modelmeter.service.completion import Completion, Embeddings, Metered, metered, read_completion
from modelmeter.service.completion_stream import CompletionStream
from modelmeter.service.router import Errand
from modelmeter.service.sdk.senders import SdkSender
from modelmeter.service.wire_request import Asked

__all__ = ["LLMService", "Message", "ServiceParts"]

Message = Mapping[str, object]
"""A message as OpenAI's chat API has it; the text of several parts, images and tools included."""

_KEY_MISSING = "provider_key_missing"
_encode = msgspec.json.Encoder().encode


class ServiceParts(msgspec.Struct, frozen=True):
    """What the service is put together from."""

    meter: Callable[[], Meter]
    """The meter for the event loop that runs now."""
    sender: Callable[[], SdkSender]
    """The providers' SDKs for the event loop that runs now."""
    answers: Callable[[], Answers]
    """What gives answers in the event loop that runs now."""
    teams: Teams
    clock: Clock


class _Vector(msgspec.Struct):
    index: int
    embedding: tuple[float, ...]


class _Vectors(msgspec.Struct):
    data: list[_Vector]


_vectors = msgspec.json.Decoder(_Vectors)


class LLMService:
    """
    Completions, streams and embeddings by model name.

    A model is a route of the configuration, ``provider/model``, or a model's own name. Options
    are those of OpenAI's chat API (``temperature``, ``max_tokens``, ``tools``,
    ``response_format``, ``stop``, …); what the provider cannot do raises. ``cache_control`` is as
    HTTP's header of a request: ``no-cache``, ``no-store``, ``max-age=60``.
    """

    def __init__(self, parts: ServiceParts) -> None:
        self._parts = parts

    async def complete(
        self,
        model: str,
        messages: str | Sequence[Message],
        *,
        agent_id: str = "unknown",
        tenant_id: str = "",
        team: str | None = None,
        request_id: str | None = None,
        cache_control: str | None = None,
        **options: object,
    ) -> Completion:
        """
        One answer; ``messages`` may be a single text of the user.

        Raises:
            RefusedRequestError: the request is wrong, or no provider can do what it asks.
            APIKeyError: a provider's key is missing or wrong.
            LLMServiceError: no provider answered.
            BudgetExceededError: the call does not fit a budget.
            ThrottledError: calls like it come too fast.
            LedgerError: the call cannot be entered.
        """
        asked = _chat(model, messages, options, streamed=False)
        errand = self._errand(agent_id, tenant_id, team, request_id, cache_control)
        reply, facts = await self._whole(asked, errand)
        return read_completion(reply.body, facts)

    async def stream(
        self,
        model: str,
        messages: str | Sequence[Message],
        *,
        agent_id: str = "unknown",
        tenant_id: str = "",
        team: str | None = None,
        request_id: str | None = None,
        cache_control: str | None = None,
        **options: object,
    ) -> CompletionStream:
        """
        A streamed answer, from its first token on; before it another provider may be asked.

        Raises what `complete` does.
        """
        asked = _chat(model, messages, options, streamed=True)
        errand = self._errand(agent_id, tenant_id, team, request_id, cache_control)
        reply = await self._answer(asked, errand)
        return CompletionStream(reply, errand.attempts)

    async def embed(
        self,
        model: str,
        texts: str | Sequence[str],
        *,
        agent_id: str = "unknown",
        tenant_id: str = "",
        team: str | None = None,
        request_id: str | None = None,
        cache_control: str | None = None,
        dimensions: int | None = None,
    ) -> Embeddings:
        """
        A vector of each text.

        Raises what `complete` does.
        """
        fields: dict[str, object] = {
            "model": model,
            "input": [texts] if isinstance(texts, str) else list(texts),
            "encoding_format": "float",
        }
        if dimensions is not None:
            fields["dimensions"] = dimensions
        asked = Asked(Operation.EMBEDDINGS, model, _encode(fields), fields)
        errand = self._errand(agent_id, tenant_id, team, request_id, cache_control)
        reply, facts = await self._whole(asked, errand)
        try:
            found = _vectors.decode(reply.body).data
        except UNREADABLE as error:
            raise LLMServiceError(
                f"{reply.target.provider}: the vectors cannot be read: {error}",
                error_type=ErrorType.BAD_RESPONSE,
                provider=reply.target.provider,
                call_id=reply.call_id,
            ) from error
        vectors = tuple(one.embedding for one in sorted(found, key=lambda one: one.index))
        return Embeddings(vectors, facts)

    async def close(self) -> None:
        """Close this event loop's connections to the providers."""
        await self._parts.sender().close()

    async def _whole(self, asked: Asked, errand: Errand) -> tuple[Reply, Metered]:
        reply = await self._answer(asked, errand)
        if reply.outcome is None:
            raise LLMServiceError("the call has no outcome", error_type=ErrorType.BAD_RESPONSE)
        return reply, metered(reply.outcome, errand.attempts)

    async def _answer(self, asked: Asked, errand: Errand) -> Reply:
        try:
            return await self._parts.answers().answer(asked, errand)
        except RefusedRequestError as error:
            if error.refusal_code != _KEY_MISSING:
                raise
            raise APIKeyError(error.message, error_type=ErrorType.AUTHENTICATION) from error

    def _errand(
        self,
        agent_id: str,
        tenant_id: str,
        team: str | None,
        request_id: str | None,
        cache_control: str | None,
    ) -> Errand:
        parts = self._parts
        return Errand(
            caller=Caller(
                agent_id=agent_id, team=team or parts.teams.of(agent_id), tenant_id=tenant_id
            ),
            meter=parts.meter(),
            sender=parts.sender(),
            began_ns=parts.clock.monotonic_ns(),
            request_id=request_id,
            cache_control=None if cache_control is None else cache_control.encode(),
        )


def _chat(
    model: str,
    messages: str | Sequence[Message],
    options: Mapping[str, object],
    *,
    streamed: bool,
) -> Asked:
    said: list[object] = (
        [{"role": "user", "content": messages}]
        if isinstance(messages, str)
        else [dict(message) for message in messages]
    )
    fields: dict[str, object] = {"model": model, "messages": said}
    fields |= {name: value for name, value in options.items() if value is not None}
    if streamed:
        fields["stream"] = True
    try:
        body = _encode(fields)
        # What is read is what is sent: no object of the caller's can change in between.
        decoded = msgspec.json.decode(body, type=dict[str, object])
    except (TypeError, ValueError) as error:
        raise RefusedRequestError(f"the request is no JSON: {error}") from error
    return Asked(Operation.CHAT, model, body, decoded, streamed=streamed)
