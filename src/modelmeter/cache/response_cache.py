"""The response cache: looks answers up, keeps them, and lets equal calls be made once."""

import asyncio
import logging
import uuid
from collections.abc import Coroutine

import msgspec

from modelmeter.cache.answer import CachedAnswer
from modelmeter.cache.client_wish import ClientWish, client_wish
from modelmeter.cache.flights import Flight, FlightEnd, Flights
from modelmeter.cache.guarded_store import GuardedStore
from modelmeter.cache.key import CacheKey, KeyParts, cache_key
from modelmeter.cache.policy import CachePlan, CachePolicy
from modelmeter.cache.store import CacheStore, Claim, Stored, TenantUsage
from modelmeter.cache.turn import CacheTurn
from modelmeter.errors import CacheUnavailableError
from modelmeter.providers.temperature import request_temperature
from modelmeter.record import CacheMiss, Clock, Operation
from modelmeter.settings.cache import CacheSettings

__all__ = ["CacheRequest", "ResponseCache"]

logger = logging.getLogger(__name__)

CLAIM_RENEWAL_SECONDS = 4.0
"""How often a claim in a shared store is renewed; it lapses after `LEASE_SECONDS` of the store."""

_FIRST_LOOK_SECONDS = 0.02
_LAST_LOOK_SECONDS = 0.25
"""Between two looks at what another node is making: from the first doubled up to the last."""
_WITHOUT_TEMPERATURE = frozenset({Operation.EMBEDDINGS, Operation.EMBED_CONTENT})

Place = tuple[str, CacheKey]


class CacheRequest(msgspec.Struct, frozen=True):
    """A call that is about to be made."""

    agent_id: str
    model: str
    operation: Operation
    parts: KeyParts
    cache_control: bytes | None = None
    """The client's header."""


class ResponseCache:
    """
    The cache of one event loop.

    Whatever the store does, calls go on: a store that does not answer means misses.
    """

    def __init__(self, settings: CacheSettings, store: CacheStore, clock: Clock) -> None:
        self._settings = settings
        self._policy = CachePolicy(settings)
        self._store = GuardedStore(store, clock)
        self._flights = Flights()
        self._tasks: set[asyncio.Task[None]] = set()
        """Claims that are being renewed or given up."""

    @property
    def shared(self) -> bool:
        """The store is that of all processes."""
        return self._store.shared

    @property
    def failures(self) -> int:
        """Requests that the store did not answer."""
        return self._store.failures

    async def begin(self, request: CacheRequest) -> CacheTurn | None:
        """
        A call's turn; None: no caching is configured for it.

        Waits for an equal call under way. The caller ends the turn, however the call ends.
        """
        plan = self._policy.plan(request.agent_id, request.model, request.operation)
        if plan is None:
            return None
        wish = client_wish(request.cache_control)
        if wish.no_store:
            return CacheTurn(miss=CacheMiss.NO_STORE)
        if _is_too_warm(request, plan):
            return CacheTurn(miss=CacheMiss.TEMPERATURE)
        place = (request.parts.tenant_id, cache_key(request.parts))
        if wish.no_cache:
            return self._alone(place, plan, CacheMiss.NO_CACHE)
        return await self._take_turn(place, plan, wish)

    async def clear(self, tenant_id: str | None) -> int:
        """
        Forget all answers of a tenant (None: of all); how many there were.

        Raises:
            CacheUnavailableError: the store does not answer.
        """
        return await self._store.clear(tenant_id)

    async def usage(self) -> dict[str, TenantUsage]:
        """What each tenant has in the store; nothing is known of one that does not answer."""
        try:
            return await self._store.usage()
        except CacheUnavailableError:
            return {}

    def take_evictions(self) -> dict[str, int]:
        """How many answers of each tenant made room since this was last asked."""
        return self._store.take_evictions()

    async def close(self) -> None:
        """Release the store."""
        for task in self._tasks:
            task.cancel()
        await self._store.close()

    async def _take_turn(self, place: Place, plan: CachePlan, wish: ClientWish) -> CacheTurn:
        loop = asyncio.get_running_loop()
        follow_seconds = self._settings.follow_seconds
        ends = loop.time() + follow_seconds
        failures = 0
        while True:
            flight = self._flights.under_way(place)
            if flight is None:
                flight = self._flights.lead(place, failures=failures)
                try:
                    return await self._lead(place, flight, plan, wish, ends)
                except BaseException:
                    self._flights.end(place, flight, FlightEnd.FAILED)
                    raise
            ended = await flight.wait(min(ends, flight.began + follow_seconds) - loop.time())
            if isinstance(ended, Stored):
                if _why_stale(ended, plan, wish) is None:
                    return CacheTurn(stored=ended)
            elif ended is not FlightEnd.FAILED:
                return self._alone(place, plan, flight.miss)
            failures = flight.failures + 1

    async def _lead(
        self, place: Place, flight: Flight, plan: CachePlan, wish: ClientWish, ends: float
    ) -> CacheTurn:
        """The turn of the only one in this process who looks for this answer now."""
        found = await self._look(place, plan, wish)
        if isinstance(found, Stored):
            self._flights.end(place, flight, found)
            return CacheTurn(stored=found)
        flight.miss = found
        if found is CacheMiss.NOT_STORED:
            return self._go_alone(place, flight, plan)
        if not self._store.shared or found is CacheMiss.UNAVAILABLE:
            return self._leader(place, flight, plan, holder=None)
        return await self._claim(place, flight, plan, wish, ends)

    async def _look(self, place: Place, plan: CachePlan, wish: ClientWish) -> Stored | CacheMiss:
        try:
            found = await self._store.get(*place)
        except CacheUnavailableError as error:
            logger.debug("the cache was not asked: %s", error)
            return CacheMiss.UNAVAILABLE
        if isinstance(found, Stored):
            return _why_stale(found, plan, wish) or found
        return found

    async def _claim(
        self, place: Place, flight: Flight, plan: CachePlan, wish: ClientWish, ends: float
    ) -> CacheTurn:
        """Lead among the nodes, or wait for the one that does."""
        holder = uuid.uuid4().hex
        pause = _FIRST_LOOK_SECONDS
        try:
            while (claim := await self._ask_claim(place, holder)) is Claim.WAIT:
                if asyncio.get_running_loop().time() >= ends:
                    return self._go_alone(place, flight, plan)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LAST_LOOK_SECONDS)
                if (turn := await self._found(place, flight, plan, wish)) is not None:
                    return turn
            if claim is Claim.ALONE:
                return self._go_alone(place, flight, plan)
            # The last holder may have kept its answer just before the claim was given.
            if (turn := await self._found(place, flight, plan, wish)) is not None:
                await self._release(place, holder, alone=False)
                return turn
        except CacheUnavailableError:
            flight.miss = CacheMiss.UNAVAILABLE
            return self._leader(place, flight, plan, holder=None)
        except BaseException:
            await self._release(place, holder, alone=False)
            raise
        return self._leader(place, flight, plan, holder=holder)

    async def _ask_claim(self, place: Place, holder: str) -> Claim:
        """Ask to the end: a caller that leaves meanwhile may be given the claim all the same."""
        asking = asyncio.ensure_future(self._store.claim(*place, holder))
        try:
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            await asyncio.wait({asking})
            raise

    async def _found(
        self, place: Place, flight: Flight, plan: CachePlan, wish: ClientWish
    ) -> CacheTurn | None:
        """The turn of a hit, and the end of its flight; None: there is no answer yet."""
        found = await self._look(place, plan, wish)
        if not isinstance(found, Stored):
            return None
        self._flights.end(place, flight, found)
        return CacheTurn(stored=found)

    def _leader(
        self, place: Place, flight: Flight, plan: CachePlan, *, holder: str | None
    ) -> CacheTurn:
        renewal = None if holder is None else self._start(self._renew(place, holder))

        async def conclude(answer: CachedAnswer | None, well: bool) -> None:
            if renewal is not None:
                renewal.cancel()
            end: Stored | FlightEnd = FlightEnd.ALONE if well else FlightEnd.FAILED
            try:
                if well and await self._keep(place, plan, answer) and answer is not None:
                    end = Stored(answer, 0.0)
                elif well:
                    flight.miss = CacheMiss.NOT_STORED
            finally:
                self._flights.end(place, flight, end)
                if holder is not None:
                    await self._release(place, holder, alone=end is FlightEnd.ALONE)

        def abandon() -> None:
            if renewal is not None:
                renewal.cancel()
            self._flights.end(place, flight, FlightEnd.FAILED)

        return CacheTurn(
            miss=flight.miss, conclude=conclude, abandon=abandon, bytes_max=plan.answer_bytes_max
        )

    def _go_alone(self, place: Place, flight: Flight, plan: CachePlan) -> CacheTurn:
        self._flights.end(place, flight, FlightEnd.ALONE)
        return self._alone(place, plan, flight.miss)

    def _alone(self, place: Place, plan: CachePlan, miss: CacheMiss) -> CacheTurn:
        async def conclude(answer: CachedAnswer | None, well: bool) -> None:
            if well:
                await self._keep(place, plan, answer)

        return CacheTurn(miss=miss, conclude=conclude, bytes_max=plan.answer_bytes_max)

    async def _keep(self, place: Place, plan: CachePlan, answer: CachedAnswer | None) -> bool:
        """Store an answer, or that there is none to store; False: it is not for others."""
        fits = answer is not None and answer.size <= plan.answer_bytes_max
        ttl_seconds = plan.ttl_seconds
        try:
            if answer is not None and fits:
                await self._store.put(*place, answer, ttl_seconds=ttl_seconds)
            else:
                await self._store.remark(*place, CacheMiss.NOT_STORED, ttl_seconds=ttl_seconds)
        except CacheUnavailableError as error:
            logger.debug("an answer was not kept: %s", error)
        return fits

    async def _release(self, place: Place, holder: str, *, alone: bool) -> None:
        """Give a claim up, also if the caller is cancelled meanwhile."""
        await asyncio.shield(self._start(self._give_up(place, holder, alone=alone)))

    async def _give_up(self, place: Place, holder: str, *, alone: bool) -> None:
        try:
            await self._store.release(*place, holder, alone=alone)
        except CacheUnavailableError as error:
            logger.debug("a claim was left to lapse: %s", error)

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _renew(self, place: Place, holder: str) -> None:
        while True:
            await asyncio.sleep(CLAIM_RENEWAL_SECONDS)
            try:
                await self._store.claim(*place, holder)
            except CacheUnavailableError as error:
                logger.debug("a claim was not renewed: %s", error)


def _why_stale(stored: Stored, plan: CachePlan, wish: ClientWish) -> CacheMiss | None:
    """Why an answer is too old for a call; None: it is not. Agents may have rules of their own."""
    if wish.max_age_seconds is not None and stored.age_seconds > wish.max_age_seconds:
        return CacheMiss.MAX_AGE
    return CacheMiss.EXPIRED if stored.age_seconds >= plan.ttl_seconds else None


def _is_too_warm(request: CacheRequest, plan: CachePlan) -> bool:
    if plan.temperature_max is None or request.operation in _WITHOUT_TEMPERATURE:
        return False
    return request_temperature(request.parts.body) > plan.temperature_max
