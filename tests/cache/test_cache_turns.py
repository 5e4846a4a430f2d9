"""Hits, misses and their reasons, on every store."""

import asyncio

import msgspec
import pytest
from cache_cases import GLOBEX, PARTS, HandClock, answer_of, request_of
from stores_under_test import clock, cluster, redis, store

from modelmeter.cache import (
    CachedAnswer,
    CacheRequest,
    CacheStore,
    CacheTurn,
    MemoryStore,
    ResponseCache,
)
from modelmeter.record import CacheMiss
from modelmeter.settings.cache import CacheRule, CacheSettings

_FIXTURES = (clock, cluster, redis, store)

SETTINGS = CacheSettings(enabled=True, ttl_seconds=60, answer_bytes_max=100_000)
WAIT_SECONDS_MAX = 20


async def turn_of(cache: ResponseCache, request: CacheRequest) -> CacheTurn:
    """The turn of a call for which caching is configured."""
    turn = await cache.begin(request)
    assert turn is not None
    return turn


async def miss_and_keep(cache: ResponseCache, request: CacheRequest, text: str) -> CacheMiss | None:
    """Make a call that must be a miss, and keep its answer; why it was one."""
    turn = await turn_of(cache, request)
    assert turn.stored is None
    await turn.keep(answer_of(text))
    await turn.end()
    return turn.miss


async def hit(cache: ResponseCache, request: CacheRequest) -> CachedAnswer | CacheMiss | None:
    """The stored answer, or why there is none; the turn is given up."""
    turn = await turn_of(cache, request)
    await turn.end()
    return turn.miss if turn.stored is None else turn.stored.answer


async def test_the_second_equal_call_is_a_hit(store: CacheStore, clock: HandClock) -> None:
    cache = ResponseCache(SETTINGS, store, clock)

    assert await miss_and_keep(cache, request_of(), "one") is CacheMiss.FIRST_SEEN
    assert await hit(cache, request_of()) == answer_of("one")
    assert await hit(cache, request_of(agent_id="sales.other")) == answer_of("one")


@pytest.mark.parametrize(
    "changes",
    [
        {"tenant_id": "globex"},
        {"tenant_id": ""},
        {"credential": b"authorization: Bearer sk-2"},
        {"body": PARTS.body.replace(b"0.3", b"0.31")},
        {"body": PARTS.body.replace(b'"name":"f"', b'"name":"g"')},
        {"body": PARTS.body.replace(b'"user"', b'"system"')},
        {"headers": ((b"anthropic-beta", b"x"),)},
    ],
    ids=lambda changes: str(changes)[:40],
)
async def test_another_tenant_or_request_is_a_miss(
    store: CacheStore, clock: HandClock, changes: dict[str, object]
) -> None:
    cache = ResponseCache(SETTINGS, store, clock)
    changed = msgspec.structs.replace(PARTS, **changes)
    await miss_and_keep(cache, request_of(), "one")

    assert await hit(cache, request_of(changed)) is CacheMiss.FIRST_SEEN


async def test_a_call_that_failed_leaves_nothing(store: CacheStore, clock: HandClock) -> None:
    cache = ResponseCache(SETTINGS, store, clock)
    turn = await turn_of(cache, request_of())
    await turn.end()

    assert await hit(cache, request_of()) is CacheMiss.FIRST_SEEN


async def test_an_answer_that_is_not_for_others_is_remembered_as_such(
    store: CacheStore, clock: HandClock
) -> None:
    cache = ResponseCache(SETTINGS, store, clock)
    turn = await turn_of(cache, request_of())
    await turn.keep_nothing()

    assert await hit(cache, request_of()) is CacheMiss.NOT_STORED
    assert await miss_and_keep(cache, request_of(), "whole now") is CacheMiss.NOT_STORED
    assert await hit(cache, request_of()) == answer_of("whole now")


async def test_an_answer_that_is_too_large_is_not_kept(store: CacheStore, clock: HandClock) -> None:
    cache = ResponseCache(SETTINGS, store, clock)
    turn = await turn_of(cache, request_of())
    await turn.keep(answer_of("large", size=100_000))

    assert await hit(cache, request_of()) is CacheMiss.NOT_STORED


async def test_the_client_decides_for_itself(store: CacheStore, clock: HandClock) -> None:
    cache = ResponseCache(SETTINGS, store, clock)
    await miss_and_keep(cache, request_of(), "one")

    assert await hit(cache, request_of(cache_control=b"no-store")) is CacheMiss.NO_STORE
    assert await hit(cache, request_of(cache_control=b"max-age=60")) == answer_of("one")
    fresh = request_of(cache_control=b"no-cache")
    assert await miss_and_keep(cache, fresh, "two") is CacheMiss.NO_CACHE
    assert await hit(cache, request_of()) == answer_of("two")


async def test_nothing_is_kept_of_a_client_that_wants_no_store(
    store: CacheStore, clock: HandClock
) -> None:
    cache = ResponseCache(SETTINGS, store, clock)

    await miss_and_keep(cache, request_of(cache_control=b"no-store"), "secret")

    assert await hit(cache, request_of()) is CacheMiss.FIRST_SEEN


async def test_a_temperature_above_the_ceiling_is_a_miss_that_is_not_kept(
    store: CacheStore, clock: HandClock
) -> None:
    settings = CacheSettings(enabled=True, rules=(CacheRule(temperature_max=0.2),))
    cache = ResponseCache(settings, store, clock)

    assert await miss_and_keep(cache, request_of(), "warm") is CacheMiss.TEMPERATURE
    assert await hit(cache, request_of()) is CacheMiss.TEMPERATURE
    assert await store.usage() == {}


async def test_an_agents_own_time_to_live_holds_for_answers_that_others_kept(
    store: CacheStore, clock: HandClock
) -> None:
    brief = CacheRule(agent="clock.*", ttl_seconds=0.05)
    cache = ResponseCache(SETTINGS.model_copy(update={"rules": (brief,)}), store, clock)
    await miss_and_keep(cache, request_of(), "one")
    hasty = request_of(agent_id="clock.now")

    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while not isinstance(found := await hit(cache, hasty), CacheMiss):
            clock.pass_seconds(0.01)
            await asyncio.sleep(0.01)

    assert found is CacheMiss.EXPIRED
    assert await hit(cache, request_of()) == answer_of("one")


async def test_what_no_caching_is_configured_for_has_no_turn(
    store: CacheStore, clock: HandClock
) -> None:
    for settings in (
        CacheSettings(),
        CacheSettings(enabled=True, ttl_seconds=0),
        CacheSettings(enabled=True, rules=(CacheRule(enabled=False),)),
    ):
        assert await ResponseCache(settings, store, clock).begin(request_of()) is None


async def test_a_cleared_tenant_has_nothing_and_others_keep_theirs(
    store: CacheStore, clock: HandClock
) -> None:
    cache = ResponseCache(SETTINGS, store, clock)
    other = request_of(GLOBEX)
    await miss_and_keep(cache, request_of(), "one")
    await miss_and_keep(cache, other, "two")
    assert {tenant: used.answers for tenant, used in (await cache.usage()).items()} == {
        "acme": 1,
        "globex": 1,
    }

    assert await cache.clear("acme") == 1

    assert await hit(cache, request_of()) is CacheMiss.FIRST_SEEN
    assert await hit(cache, other) == answer_of("two")
    assert list(await cache.usage()) == ["globex"]
    assert await cache.clear(None) == 1
    assert await cache.usage() == {}


async def test_64_equal_calls_at_once_are_made_once(store: CacheStore, clock: HandClock) -> None:
    cache = ResponseCache(SETTINGS, store, clock)
    made = 0

    async def call() -> CachedAnswer:
        nonlocal made
        turn = await turn_of(cache, request_of())
        if turn.stored is not None:
            return turn.stored.answer
        made += 1
        await asyncio.sleep(0)
        answer = answer_of(f"call {made}")
        await turn.keep(answer)
        await turn.end()
        return answer

    async with asyncio.timeout(WAIT_SECONDS_MAX):
        answers = await asyncio.gather(*(call() for _ in range(64)))

    assert made == 1
    assert answers == [answer_of("call 1")] * 64


async def test_after_a_leader_that_fails_the_next_one_leads(
    store: CacheStore, clock: HandClock
) -> None:
    cache = ResponseCache(SETTINGS, store, clock)
    made = 0

    async def call() -> bytes:
        nonlocal made
        turn = await turn_of(cache, request_of())
        if turn.stored is not None:
            return turn.stored.answer.body
        try:
            made += 1
            await asyncio.sleep(0)
            if made == 1:
                raise ConnectionError
            await turn.keep(answer_of("second"))
            return answer_of("second").body
        finally:
            await turn.end()

    async with asyncio.timeout(WAIT_SECONDS_MAX):
        results = await asyncio.gather(*(call() for _ in range(8)), return_exceptions=True)

    assert made == 2
    assert [type(result) for result in results].count(ConnectionError) == 1
    assert results.count(answer_of("second").body) == 7


async def test_leaders_that_keep_failing_do_not_hold_up_the_others_for_ever(
    store: CacheStore, clock: HandClock
) -> None:
    cache = ResponseCache(SETTINGS, store, clock)
    at_once = most_at_once = 0

    async def call() -> None:
        nonlocal at_once, most_at_once
        turn = await turn_of(cache, request_of())
        at_once += 1
        most_at_once = max(most_at_once, at_once)
        await asyncio.sleep(0)
        at_once -= 1
        await turn.end()

    async with asyncio.timeout(WAIT_SECONDS_MAX):
        await asyncio.gather(*(call() for _ in range(16)))

    assert most_at_once > 1


async def test_those_who_wait_for_an_answer_that_is_not_for_others_go_on_at_once(
    store: CacheStore, clock: HandClock
) -> None:
    cache = ResponseCache(SETTINGS, store, clock)
    leader = await turn_of(cache, request_of())
    waiting = [asyncio.create_task(turn_of(cache, request_of())) for _ in range(5)]
    await asyncio.sleep(0)

    await leader.keep_nothing()

    async with asyncio.timeout(WAIT_SECONDS_MAX):
        turns = await asyncio.gather(*waiting)
    assert [turn.stored for turn in turns] == [None] * 5
    for turn in turns:
        await turn.end()


async def test_a_call_does_not_wait_longer_than_it_may(store: CacheStore, clock: HandClock) -> None:
    impatient = SETTINGS.model_copy(update={"follow_seconds": 0.01})
    cache = ResponseCache(impatient, store, clock)
    leader = await turn_of(cache, request_of())

    async with asyncio.timeout(WAIT_SECONDS_MAX):
        second = await turn_of(cache, request_of())
        await asyncio.sleep(impatient.follow_seconds)
        late = await turn_of(cache, request_of())

    assert second.stored is None
    assert late.stored is None
    await second.keep(answer_of("second"))
    await leader.end()
    assert await hit(cache, request_of()) == answer_of("second")


async def test_a_cancelled_leader_lets_the_next_one_lead(
    store: CacheStore, clock: HandClock
) -> None:
    cache = ResponseCache(SETTINGS, store, clock)
    leads = asyncio.Event()

    async def lead() -> None:
        turn = await turn_of(cache, request_of())
        try:
            leads.set()
            await asyncio.Event().wait()
        finally:
            await turn.end()

    leader = asyncio.create_task(lead())
    await leads.wait()
    follower = asyncio.create_task(turn_of(cache, request_of()))
    await asyncio.sleep(0)
    leader.cancel()

    async with asyncio.timeout(WAIT_SECONDS_MAX):
        turn = await follower

    assert turn.miss is CacheMiss.FIRST_SEEN
    await turn.end()


async def test_a_turn_that_nobody_ended_holds_nobody_up(clock: HandClock) -> None:
    cache = ResponseCache(SETTINGS, MemoryStore(bytes_max=10**6, clock=clock), clock)
    lost = await turn_of(cache, request_of())
    follower = asyncio.create_task(turn_of(cache, request_of()))
    await asyncio.sleep(0)
    assert not follower.done()

    del lost

    async with asyncio.timeout(WAIT_SECONDS_MAX):
        second = await follower
    assert second.miss is CacheMiss.FIRST_SEEN
    await second.end()
