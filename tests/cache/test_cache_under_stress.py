"""Many calls at once that fail, are cancelled, or keep nothing: answers stay right."""

import asyncio
import random

import msgspec
import pytest
from cache_cases import PARTS, HandClock, answer_of, request_of
from stores_under_test import clock, cluster, redis, store
from test_cache_turns import SETTINGS

from modelmeter.cache import CacheRequest, CacheStore, ResponseCache

_FIXTURES = (clock, cluster, redis, store)

CALLS = 400
NODES = 3
SECONDS_MAX = 60


def request_for(tenant: str, number: int) -> CacheRequest:
    """A request of a tenant."""
    body = b'{"n":%d}' % number
    return request_of(msgspec.structs.replace(PARTS, tenant_id=tenant, body=body))


class Load:
    """Calls at random, and what is wrong with their answers."""

    def __init__(self, nodes: list[ResponseCache], seed: int) -> None:
        self._nodes = nodes
        self._chance = random.Random(seed)
        self.hits = 0

    async def call(self) -> None:
        """One call; a hit must be an answer to the same tenant's same request."""
        chance = self._chance
        tenant, number = chance.choice(["acme", "globex"]), chance.randrange(8)
        node, ending = chance.choice(self._nodes), chance.random()
        turn = await node.begin(request_for(tenant, number))
        assert turn is not None
        if turn.stored is not None:
            self.hits += 1
            assert turn.stored.answer == answer_of(f"{tenant} {number}")
            return
        try:
            await asyncio.sleep(chance.random() * 0.005)
            if ending < 0.3:
                raise ConnectionError
            if ending < 0.5:
                await turn.keep_nothing()
            elif ending < 0.95:
                await turn.keep(answer_of(f"{tenant} {number}"))
        finally:
            await turn.end()

    async def call_or_leave(self) -> None:
        """A caller who may leave at any moment."""
        patience = self._chance.random() * 0.05
        try:
            async with asyncio.timeout(patience if self._chance.random() < 0.3 else None):
                await self.call()
        except (ConnectionError, TimeoutError):
            return


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_no_answer_is_wrong_and_nobody_waits_for_ever(
    store: CacheStore, clock: HandClock, seed: int
) -> None:
    nodes = [ResponseCache(SETTINGS, store, clock) for _ in range(NODES if store.shared else 1)]
    load = Load(nodes, seed)

    async with asyncio.timeout(SECONDS_MAX):
        await asyncio.gather(*(load.call_or_leave() for _ in range(CALLS)))

    assert [node.failures for node in nodes] == [0] * len(nodes)
    assert load.hits > 0
    for node in nodes:
        assert not node._flights._under_way
        await asyncio.gather(*node._tasks, return_exceptions=True)
        assert not node._tasks
