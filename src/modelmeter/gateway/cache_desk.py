"""Where a request meets the response cache: its turn there, and the answer to a hit."""

import asyncio

from modelmeter.cache import CacheRequest, CacheTurn, KeyParts, ResponseCache, Stored
from modelmeter.gateway.admission import Asked
from modelmeter.gateway.answer_keeper import CACHE_HEADER
from modelmeter.gateway.asgi import header
from modelmeter.gateway.client_side import ClientGoneError, ClientSide
from modelmeter.gateway.outbound import Outbound
from modelmeter.gateway.refusals import CALL_ID_HEADER
from modelmeter.meter import CallOpening, Meter
from modelmeter.wire.header_rules import forwardable_request_headers

__all__ = ["CacheDesk"]

_HIT = (CACHE_HEADER, b"hit")


class CacheDesk:
    """Asks the cache on behalf of callers, and answers them from it."""

    def __init__(
        self,
        cache: ResponseCache,
        meter: Meter,
        outbound: Outbound,
        *,
        answer_timeout_seconds: float,
    ) -> None:
        """``answer_timeout_seconds``: how long a caller may take to fetch a stored answer."""
        self._cache = cache
        self._meter = meter
        self._outbound = outbound
        self._answer_timeout_seconds = answer_timeout_seconds

    async def turn(self, client: ClientSide, asked: Asked) -> CacheTurn | None:
        """
        The request's turn; None: no caching is configured for it.

        Raises:
            ClientGoneError: the caller left while an equal call was waited for.
        """
        caller = asked.opening.caller
        request = CacheRequest(
            agent_id=caller.agent_id,
            model=asked.facts.model,
            operation=asked.facts.operation,
            parts=KeyParts(
                tenant_id=caller.tenant_id,
                credential=self._outbound.principal(client, asked.door),
                provider=asked.door.provider,
                endpoint=self._outbound.endpoint(client, asked.door, asked.path),
                body=asked.body,
                headers=tuple(forwardable_request_headers(client.headers)),
            ),
            cache_control=header(client.headers, b"cache-control"),
        )
        return await self._begin(client, request)

    async def _begin(self, client: ClientSide, request: CacheRequest) -> CacheTurn | None:
        """Wait for the turn while the caller does."""
        task = asyncio.current_task()
        waiting = False

        def leave() -> None:
            if waiting and task is not None:
                task.cancel()

        client.watch(leave)
        try:
            if client.gone:
                raise ClientGoneError
            waiting = True
            return await self._cache.begin(request)
        except asyncio.CancelledError:
            if client.gone and task is not None and not task.uncancel():
                raise ClientGoneError from None
            raise
        finally:
            client.unwatch()

    async def answer(
        self, client: ClientSide, opening: CallOpening, stored: Stored, *, began_ns: int
    ) -> None:
        """
        Enter a hit, then give its answer.

        Raises:
            LedgerUnavailableError: the hit is not entered, and nothing was answered.
        """
        answer = stored.answer
        call = await self._meter.answered_from_cache(
            opening, answer.facts, http_status=answer.http_status, began_ns=began_ns
        )
        headers = [
            *answer.headers,
            (CALL_ID_HEADER, call.intent.id.encode()),
            (b"age", b"%d" % stored.age_seconds),
            _HIT,
        ]
        if not answer.streamed and client.answer_at_once(answer.http_status, headers, answer.body):
            return
        late = asyncio.get_running_loop().call_later(self._answer_timeout_seconds, client.abort)
        try:
            if answer.streamed:
                await client.start(answer.http_status, headers)
                await client.finish(answer.body)
            else:
                await client.answer(answer.http_status, headers, answer.body)
        finally:
            late.cancel()
