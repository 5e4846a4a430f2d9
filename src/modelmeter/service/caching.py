"""Answers that need no call: the router behind the response cache."""

from collections.abc import AsyncGenerator
from typing import Protocol

import msgspec

from modelmeter.cache import CachedAnswer, CacheRequest, KeyParts, Stored
from modelmeter.meter import CallOpening
from modelmeter.providers import ResponseFacts
from modelmeter.providers.wholeness import is_whole
from modelmeter.record import CacheMiss, Call, Operation
from modelmeter.service.attempt import Attempt
from modelmeter.service.router import Errand, Router
from modelmeter.service.routes import Target
from modelmeter.service.wire_request import Asked

__all__ = ["Answers", "CacheDoor", "CachingRouter", "DoorTurn", "Reply"]

_ENDPOINT = "/v1"
_PROVIDER = b"x-modelmeter-provider"
_MODEL = b"x-modelmeter-model"


class Reply(Protocol):
    """An answer in OpenAI's shape, from a provider or from the cache."""

    target: Target
    """What answered, now or then."""
    body: bytes
    """A whole answer."""
    age_seconds: float | None
    """How old a stored answer is; None: it is new."""

    @property
    def call_id(self) -> str:
        """The id of the call's entry."""
        ...

    @property
    def outcome(self) -> Call | None:
        """The call's entry, once the answer has come to its end."""
        ...

    def chunks(self) -> AsyncGenerator[bytes, None]:
        """A streamed answer's events."""
        ...

    def caller_left(self) -> None:
        """Whoever asked is gone."""
        ...

    async def abandon(self) -> None:
        """The answer is read no further; a call that has ended stays as it is."""
        ...


class DoorTurn(Protocol):
    """A call's turn with the cache; see `modelmeter.cache.CacheTurn`."""

    stored: Stored | None
    miss: CacheMiss | None
    bytes_max: int

    async def keep(self, answer: CachedAnswer) -> None:
        """Keep the answer, and give it to those who wait."""
        ...

    async def keep_nothing(self) -> None:
        """The call came to its end, but its answer is not for others."""
        ...

    async def end(self) -> None:
        """The call is over."""
        ...


class CacheDoor(Protocol):
    """The response cache, wherever it lives."""

    async def begin(self, request: CacheRequest) -> DoorTurn | None:
        """A call's turn; None: no caching is configured for it."""
        ...


class Answers(Protocol):
    """Gives answers, from wherever."""

    async def answer(self, asked: Asked, errand: Errand) -> Reply:
        """See `Router.answer`."""
        ...


class CachingRouter:
    """The router, and before it the cache, if there is one."""

    def __init__(self, router: Router, cache: CacheDoor | None) -> None:
        self.router = router
        self._cache = cache

    async def answer(self, asked: Asked, errand: Errand) -> Reply:
        """See `Router.answer`; simultaneous equal requests are made once."""
        targets = self.router.routes.targets(asked.model)
        turn = None
        if self._cache is not None:
            origin = self.router.routes.origin(targets)
            turn = await self._cache.begin(_request(asked, errand, origin))
        if turn is None:
            return await self.router.answer(asked, errand)
        if turn.stored is not None:
            return await _hit(asked, errand, turn.stored, targets[0])
        errand.cache_miss = turn.miss
        try:
            attempt = await self.router.answer(asked, errand)
        except BaseException:
            await turn.end()
            raise
        if attempt.target not in targets:
            # A cheaper model's answer is not what others who ask for this one shall get.
            await turn.keep_nothing()
        if asked.streamed:
            return _KeptStream(attempt, turn, asked.operation)
        await _conclude(turn, attempt, asked.operation, attempt.body, streamed=False)
        return attempt


def _request(asked: Asked, errand: Errand, origin: bytes) -> CacheRequest:
    return CacheRequest(
        agent_id=errand.caller.agent_id,
        model=asked.model,
        operation=asked.operation,
        parts=KeyParts(
            tenant_id=errand.caller.tenant_id,
            credential=msgspec.msgpack.encode((errand.principal, origin)),
            provider="",
            endpoint=f"{_ENDPOINT}/{asked.operation}",
            body=asked.body,
        ),
        cache_control=errand.cache_control,
    )


async def _hit(asked: Asked, errand: Errand, stored: Stored, first: Target) -> Reply:
    headers = dict(stored.answer.headers)
    target = Target(
        provider=headers.get(_PROVIDER, first.provider.encode()).decode(),
        kind=first.kind,
        model=headers.get(_MODEL, first.model.encode()).decode(),
    )
    opening = CallOpening(
        caller=errand.caller,
        provider=target.provider,
        operation=asked.operation,
        model=target.model,
        streamed=asked.streamed,
        input_bytes=len(asked.body),
        output_tokens_max=None,
        request_id=errand.request_id,
    )
    call = await errand.meter.answered_from_cache(
        opening, stored.answer.facts, http_status=200, began_ns=errand.began_ns
    )
    return _Hit(target, stored, call)


async def _conclude(
    turn: DoorTurn, attempt: Attempt, operation: Operation, body: bytes, *, streamed: bool
) -> None:
    facts: ResponseFacts = attempt.facts
    if not attempt.succeeded:
        await turn.end()
    elif not facts.ended or not is_whole(operation, body):
        await turn.keep_nothing()
    else:
        target = attempt.target
        headers = [(_PROVIDER, target.provider.encode()), (_MODEL, target.model.encode())]
        await turn.keep(CachedAnswer(body, facts, headers=headers, streamed=streamed))


class _Hit:
    """A stored answer, entered already."""

    def __init__(self, target: Target, stored: Stored, call: Call) -> None:
        self.target = target
        self.body = stored.answer.body
        self.age_seconds: float | None = stored.age_seconds
        self._call = call

    @property
    def call_id(self) -> str:
        return self._call.intent.id

    @property
    def outcome(self) -> Call | None:
        return self._call

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        yield self.body

    def caller_left(self) -> None:
        """The call has ended."""

    async def abandon(self) -> None:
        """The call has ended."""


class _KeptStream:
    """A streamed answer that is collected on its way, and kept if it is whole and good."""

    def __init__(self, attempt: Attempt, turn: DoorTurn, operation: Operation) -> None:
        self.target = attempt.target
        self.body = b""
        self.age_seconds: float | None = None
        self._attempt = attempt
        self._turn = turn
        self._operation = operation

    @property
    def call_id(self) -> str:
        return self._attempt.call_id

    @property
    def outcome(self) -> Call | None:
        return self._attempt.outcome

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        parts: list[bytes] = []
        room = self._turn.bytes_max
        inner = self._attempt.chunks()
        try:
            async for chunk in inner:
                room -= len(chunk)
                if room >= 0:
                    parts.append(chunk)
                yield chunk
        finally:
            await inner.aclose()
            # What is too long to be kept is not whole, and so it is not kept.
            body = b"".join(parts) if room >= 0 else b""
            await _conclude(self._turn, self._attempt, self._operation, body, streamed=True)

    def caller_left(self) -> None:
        self._attempt.caller_left()

    async def abandon(self) -> None:
        await self._attempt.abandon()
        await self._turn.end()
