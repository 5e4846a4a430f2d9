"""A Redis that is down, slow, full, wiped or guarded: calls go on, and no answer is wrong."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest
import trustme
from cache_cases import PARTS, HandClock, answer_of, request_of
from cached_gateway import CachedGateway, cached_on_redis, prompt_of
from ledger_file import query
from prometheus_server import free_port
from redis_server import RedisServer
from stores_under_test import STORE_SECONDS_MAX, clock
from test_cache_turns import SETTINGS, hit, miss_and_keep, turn_of

from modelmeter.cache import Claim, ResponseCache, Stored
from modelmeter.cache.guarded_store import PAUSE_SECONDS
from modelmeter.cache.redis_store import RedisStore
from modelmeter.errors import CacheUnavailableError
from modelmeter.record import CacheMiss

_FIXTURES = (cached_on_redis, clock)
SECONDS_MAX = 60
MEBIBYTE = 2**20


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis that a test may do with as it likes."""
    made = RedisServer(tmp_path)
    made.start()
    yield made
    made.stop()


@pytest.fixture
async def redis_store(server: RedisServer) -> AsyncIterator[RedisStore]:
    """The store on it."""
    made = RedisStore(server.url, timeout_seconds=STORE_SECONDS_MAX)
    yield made
    await made.close()


def key_of(number: int) -> bytes:
    """A key of its own."""
    return number.to_bytes(32, "big")


async def test_while_it_is_down_calls_go_on_and_nobody_asks_it(
    server: RedisServer, redis_store: RedisStore, clock: HandClock
) -> None:
    cache = ResponseCache(SETTINGS, redis_store, clock)
    server.stop()

    assert await miss_and_keep(cache, request_of(), "one") is CacheMiss.UNAVAILABLE
    failures = cache.failures
    for _ in range(5):
        assert await miss_and_keep(cache, request_of(), "one") is CacheMiss.UNAVAILABLE
    assert cache.failures == failures
    assert await cache.usage() == {}

    server.start()
    assert await hit(cache, request_of()) is CacheMiss.UNAVAILABLE
    clock.pass_seconds(PAUSE_SECONDS)
    assert await miss_and_keep(cache, request_of(), "two") is CacheMiss.FIRST_SEEN
    assert await hit(cache, request_of()) == answer_of("two")


async def test_one_that_does_not_answer_in_time_counts_as_down(
    server: RedisServer, clock: HandClock
) -> None:
    store = RedisStore(server.url, timeout_seconds=0.2)
    cache = ResponseCache(SETTINGS, store, clock)
    await miss_and_keep(cache, request_of(), "one")
    server.pause()

    async with asyncio.timeout(SECONDS_MAX):
        assert await hit(cache, request_of()) is CacheMiss.UNAVAILABLE
    assert cache.failures == 1

    server.resume()
    clock.pass_seconds(PAUSE_SECONDS)
    assert await hit(cache, request_of()) == answer_of("one")
    await store.close()


async def test_simultaneous_calls_are_made_once_even_while_it_is_down(
    server: RedisServer, redis_store: RedisStore, clock: HandClock
) -> None:
    cache = ResponseCache(SETTINGS, redis_store, clock)
    server.stop()
    leader = await turn_of(cache, request_of())
    followers = [asyncio.create_task(turn_of(cache, request_of())) for _ in range(8)]
    await asyncio.sleep(0)

    await leader.keep(answer_of("one"))

    for turn in await asyncio.gather(*followers):
        assert turn.stored is not None
        assert turn.stored.answer == answer_of("one")


async def test_one_that_was_wiped_is_filled_anew(
    server: RedisServer, redis_store: RedisStore, clock: HandClock
) -> None:
    cache = ResponseCache(SETTINGS, redis_store, clock)
    await miss_and_keep(cache, request_of(), "one")
    server.command("flushall")
    server.command("script", "flush")

    assert await miss_and_keep(cache, request_of(), "two") is CacheMiss.FIRST_SEEN
    assert await hit(cache, request_of()) == answer_of("two")


async def test_an_answer_ends_by_the_servers_own_clock(redis_store: RedisStore) -> None:
    await redis_store.put("acme", key_of(1), answer_of("1"), ttl_seconds=0.3)
    found = await redis_store.get("acme", key_of(1))
    assert isinstance(found, Stored)
    assert 0 <= found.age_seconds <= 0.3

    async with asyncio.timeout(SECONDS_MAX):
        while isinstance(found := await redis_store.get("acme", key_of(1)), Stored):  # noqa: ASYNC110 - a server's clock
            await asyncio.sleep(0.02)

    assert found is CacheMiss.EXPIRED
    assert await redis_store.usage() == {}


async def test_no_time_to_live_means_not_kept(redis_store: RedisStore) -> None:
    await redis_store.put("acme", key_of(1), answer_of("1"), ttl_seconds=60)
    await redis_store.put("acme", key_of(1), answer_of("2"), ttl_seconds=0)

    assert await redis_store.get("acme", key_of(1)) is CacheMiss.FIRST_SEEN


async def test_a_full_one_gives_right_answers_or_none(
    server: RedisServer, redis_store: RedisStore
) -> None:
    server.command("config", "set", "maxmemory", str(6 * MEBIBYTE))
    server.command("config", "set", "maxmemory-policy", "allkeys-lru")
    tenants = ("acme", "globex")
    for number in range(200):
        for tenant in tenants:
            text = f"{tenant} {number}"
            await redis_store.put(
                tenant, key_of(number), answer_of(text, size=50_000), ttl_seconds=600
            )

    found = 0
    for number in range(200):
        for tenant in tenants:
            stored = await redis_store.get(tenant, key_of(number))
            if isinstance(stored, Stored):
                found += 1
                assert stored.answer == answer_of(f"{tenant} {number}", size=50_000)
    assert 0 < found < 200
    assert sum(redis_store.take_evictions().values()) > 0


@pytest.mark.parametrize("witness", ["remark", "index"])
async def test_an_answer_that_made_room_is_known_though_one_witness_did_too(
    server: RedisServer, redis_store: RedisStore, witness: str
) -> None:
    await redis_store.put("acme", key_of(1), answer_of("1"), ttl_seconds=60)
    keys = server.command("keys", "*").split()
    gone = [key for key in keys if ":answer:" in key or f":{witness}" in key]
    assert len(gone) == 2
    server.command("del", *gone)

    for _ in range(2):
        assert await redis_store.get("acme", key_of(1)) is CacheMiss.EVICTED
    assert redis_store.take_evictions() == {"acme": 1}
    assert await redis_store.usage() == {}


async def test_one_that_takes_no_more_is_a_failure_that_is_told(
    server: RedisServer, redis_store: RedisStore, clock: HandClock
) -> None:
    server.command("config", "set", "maxmemory", str(2 * MEBIBYTE))
    cache = ResponseCache(SETTINGS, redis_store, clock)

    for number in range(60):
        clock.pass_seconds(PAUSE_SECONDS)
        body = b'{"n":%d}' % number
        turn = await turn_of(cache, request_of(msgspec.structs.replace(PARTS, body=body)))
        await turn.keep(answer_of(str(number), size=90_000))

    assert cache.failures > 0


async def test_what_is_no_answer_of_ours_is_a_miss(
    server: RedisServer, redis_store: RedisStore
) -> None:
    await redis_store.put("acme", key_of(1), answer_of("1"), ttl_seconds=60)
    (name,) = [key for key in server.command("keys", "*").split() if ":answer:" in key]
    server.command("set", name, "12345678 no answer")

    assert await redis_store.get("acme", key_of(1)) is CacheMiss.FIRST_SEEN


async def test_no_tenants_name_and_no_prompt_stands_in_a_key(
    server: RedisServer, redis_store: RedisStore, clock: HandClock
) -> None:
    await miss_and_keep(ResponseCache(SETTINGS, redis_store, clock), request_of(), "one")

    keys = server.command("keys", "*")
    assert ":answer:" in keys
    assert "acme" not in keys
    assert "sk-1" not in keys


async def test_tls_and_a_password_come_by_the_url(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    for number, pem in enumerate(certificate.cert_chain_pems):
        pem.write_to_path(tmp_path / "cert.pem", append=number > 0)
    port = free_port()
    server = RedisServer(
        tmp_path,
        *("--tls-port", str(port), "--tls-auth-clients", "no", "--requirepass", "canary-93"),
        *("--tls-cert-file", str(tmp_path / "cert.pem")),
        *("--tls-key-file", str(tmp_path / "key.pem")),
    )
    server.start()
    place = f"127.0.0.1:{port}/0?ssl_ca_certs={tmp_path / 'ca.pem'}"
    try:
        store = RedisStore(f"valkeys://:canary-93@{place}", timeout_seconds=STORE_SECONDS_MAX)
        await store.put("acme", key_of(1), answer_of("1"), ttl_seconds=60)
        assert isinstance(await store.get("acme", key_of(1)), Stored)
        await store.close()

        wrong = RedisStore(f"rediss://:canary-94@{place}", timeout_seconds=STORE_SECONDS_MAX)
        with pytest.raises(CacheUnavailableError) as raised:
            await wrong.get("acme", key_of(1))
        assert "canary" not in str(raised.value)
        await wrong.close()
    finally:
        server.stop()


async def test_equal_calls_on_two_nodes_are_made_once(
    server: RedisServer, clock: HandClock
) -> None:
    stores = [RedisStore(server.url, timeout_seconds=STORE_SECONDS_MAX) for _ in range(2)]
    nodes = [ResponseCache(SETTINGS, store, clock) for store in stores]
    made = 0

    async def call(number: int) -> bytes:
        nonlocal made
        turn = await turn_of(nodes[number % 2], request_of())
        if turn.stored is not None:
            return turn.stored.answer.body
        made += 1
        await asyncio.sleep(0.1)
        await turn.keep(answer_of("one"))
        return answer_of("one").body

    async with asyncio.timeout(SECONDS_MAX):
        answers = await asyncio.gather(*(call(number) for number in range(64)))

    assert made == 1
    assert set(answers) == {answer_of("one").body}
    for node in nodes:
        await node.close()


async def test_another_node_goes_on_when_the_first_ones_answer_is_not_to_be_shared(
    server: RedisServer, clock: HandClock
) -> None:
    nodes = [
        ResponseCache(SETTINGS, RedisStore(server.url, timeout_seconds=STORE_SECONDS_MAX), clock)
        for _ in range(2)
    ]
    leader = await turn_of(nodes[0], request_of())
    waiting = asyncio.create_task(turn_of(nodes[1], request_of()))
    await asyncio.sleep(0.05)
    assert not waiting.done()

    await leader.keep_nothing()

    async with asyncio.timeout(SECONDS_MAX):
        turn = await waiting
    assert turn.miss is not None
    await turn.end()
    for node in nodes:
        await node.close()


async def test_a_node_that_died_holds_nobody_up_beyond_its_claim(
    server: RedisServer, redis_store: RedisStore, clock: HandClock
) -> None:
    cache = ResponseCache(SETTINGS, redis_store, clock)
    dead = RedisStore(server.url, timeout_seconds=STORE_SECONDS_MAX)
    turn = await turn_of(ResponseCache(SETTINGS, dead, clock), request_of())
    waiting = asyncio.create_task(turn_of(cache, request_of()))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    (claim,) = [key for key in server.command("keys", "*").split() if ":claim:" in key]
    assert 0 < int(server.command("pttl", claim)) <= 12_000

    # As if its time were over: the dead node renews it no more.
    server.command("pexpire", claim, "1")

    async with asyncio.timeout(SECONDS_MAX):
        second = await waiting
    assert second.miss is CacheMiss.FIRST_SEEN
    await second.end()
    await turn.end()
    await dead.close()


async def test_a_claim_is_its_holders_until_it_is_given_up(redis_store: RedisStore) -> None:
    async def claim(holder: str) -> Claim:
        return await redis_store.claim("acme", key_of(1), holder)

    assert await claim("one") is Claim.LEAD
    assert await claim("one") is Claim.LEAD
    assert await claim("two") is Claim.WAIT
    await redis_store.release("acme", key_of(1), "two", alone=False)
    assert await claim("two") is Claim.WAIT
    await redis_store.release("acme", key_of(1), "one", alone=False)
    assert await claim("two") is Claim.LEAD
    await redis_store.release("acme", key_of(1), "two", alone=True)
    assert await claim("one") is Claim.ALONE


async def test_it_may_stop_and_start_under_load(cached_on_redis: CachedGateway) -> None:
    cached = cached_on_redis
    assert cached.redis is not None
    stop = asyncio.Event()
    statuses: list[int] = []

    async def caller(number: int) -> None:
        body = prompt_of()
        while not stop.is_set():
            answer = await cached.call(body, {"x-agent-id": f"load.a{number}"})
            statuses.append(answer.status)

    async def until_reason(condition: str) -> None:
        async with asyncio.timeout(SECONDS_MAX):
            since = query(cached.ledger, "SELECT max(seq) FROM entry")[0][0] or 0
            statement = f"SELECT 1 FROM entry WHERE seq > {since} AND {condition} LIMIT 1"
            while not await asyncio.to_thread(query, cached.ledger, statement):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)

    callers = [asyncio.create_task(caller(number)) for number in range(8)]
    try:
        await until_reason("cached")
        await asyncio.to_thread(cached.redis.stop)
        await until_reason("cache_miss = 'unavailable'")
        await asyncio.to_thread(cached.redis.start)
        await until_reason("cached")
        await until_reason("cached")
    finally:
        stop.set()
        await asyncio.gather(*callers)

    assert set(statuses) == {200}
    assert query(cached.ledger, "SELECT count(*) FROM entry WHERE status <> 'success'") == [(0,)]
