"""A cluster of several masters: slots that move, masters that go, and what lies on all of them."""

import asyncio
from collections.abc import AsyncIterator
from itertools import count

import msgspec
import pytest
from cache_cases import PARTS, HandClock, answer_of, request_of
from redis_server import RedisCluster, RedisServer
from stores_under_test import STORE_SECONDS_MAX, clock, cluster
from test_cache_turns import SETTINGS, hit, miss_and_keep

from modelmeter.cache import ResponseCache, Stored
from modelmeter.cache.guarded_store import PAUSE_SECONDS
from modelmeter.cache.redis_store import RedisStore, _TenantKeys
from modelmeter.errors import CacheUnavailableError
from modelmeter.record import CacheMiss

_FIXTURES = (clock, cluster)

KEY = bytes(32)
MEBIBYTE = 2**20


@pytest.fixture
async def store(cluster: RedisCluster) -> AsyncIterator[RedisStore]:
    """A store on the empty cluster, which knows no master but the first."""
    cluster.command("flushall")
    made = RedisStore(cluster.url, timeout_seconds=STORE_SECONDS_MAX)
    yield made
    await made.close()


def slot_of(cluster: RedisCluster, tenant: str) -> int:
    """Where all that a tenant has lies."""
    return int(cluster.masters[0].command("cluster", "keyslot", _TenantKeys(tenant).index))


def tenant_on(cluster: RedisCluster, master: RedisServer) -> str:
    """A tenant whose answers lie there."""
    names = (f"tenant-{number}" for number in count())
    return next(name for name in names if cluster.owner(slot_of(cluster, name)) is master)


def node_id(master: RedisServer) -> str:
    """What the other masters call it."""
    return master.command("cluster", "myid").strip()


async def test_requests_at_once_find_the_right_master_from_the_first_on(store: RedisStore) -> None:
    """A client that knows no slots yet must not ask any master, nor close what others use."""
    tenants = [f"tenant-{number}" for number in range(64)]

    await asyncio.gather(
        *(store.put(tenant, KEY, answer_of(tenant), ttl_seconds=60) for tenant in tenants)
    )
    found = await asyncio.gather(*(store.get(tenant, KEY) for tenant in tenants))

    assert [stored.answer for stored in found if isinstance(stored, Stored)] == [
        answer_of(tenant) for tenant in tenants
    ]


async def test_what_all_tenants_have_is_counted_and_cleared_on_all_masters(
    cluster: RedisCluster, store: RedisStore
) -> None:
    """Wherever a tenant's slot lies; the answers of one lie together."""
    tenants = [tenant_on(cluster, master) for master in cluster.masters]
    for tenant in tenants:
        for number in range(3):
            await store.put(tenant, bytes([number]) * 32, answer_of(tenant), ttl_seconds=60)

    assert all(":answer:" in master.command("keys", "*") for master in cluster.masters)
    usage = await store.usage()
    assert {tenant: used.answers for tenant, used in usage.items()} == dict.fromkeys(tenants, 3)
    assert all(used.bytes > 0 for used in usage.values())

    assert await store.clear(tenants[0]) == 3
    assert set(await store.usage()) == set(tenants[1:])
    assert await store.clear(None) == 6
    assert await store.usage() == {}
    assert ":answer:" not in cluster.command("keys", "*")


async def test_a_tenants_slot_may_move_to_another_master(
    cluster: RedisCluster, store: RedisStore
) -> None:
    """Amid the move an answer may be out of reach, but never wrong; after it, it is there."""
    old, new = cluster.masters[:2]
    tenant = tenant_on(cluster, old)
    slot = str(slot_of(cluster, tenant))
    await store.put(tenant, KEY, answer_of("one"), ttl_seconds=600)

    new.command("cluster", "setslot", slot, "importing", node_id(old))
    old.command("cluster", "setslot", slot, "migrating", node_id(new))
    keys = old.command("cluster", "getkeysinslot", slot, "100").split()
    old.command("migrate", "127.0.0.1", str(new.port), "", "0", "5000", "keys", *keys)
    try:
        found = await store.get(tenant, KEY)
    except CacheUnavailableError:
        pass
    else:
        assert isinstance(found, Stored)
    for master in (new, old, cluster.masters[2]):
        master.command("cluster", "setslot", slot, "node", node_id(new))

    moved = await store.get(tenant, KEY)
    assert isinstance(moved, Stored)
    assert moved.answer == answer_of("one")
    await store.put(tenant, KEY, answer_of("two"), ttl_seconds=600)
    assert (await store.usage())[tenant].answers == 1
    assert await store.clear(tenant) == 1


async def test_one_who_takes_a_cluster_for_a_single_server_is_told_its_name(
    cluster: RedisCluster, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Once; calls go on."""
    alone = RedisStore(cluster.masters[0].url, timeout_seconds=STORE_SECONDS_MAX)
    cache = ResponseCache(SETTINGS, alone, clock)
    parts = msgspec.structs.replace(PARTS, tenant_id=tenant_on(cluster, cluster.masters[1]))

    for _ in range(3):
        assert await hit(cache, request_of(parts)) is CacheMiss.UNAVAILABLE
        clock.pass_seconds(PAUSE_SECONDS)
    await cache.close()

    (told,) = [message for message in caplog.messages if "without the cache" in message]
    assert "redis+cluster://" in told


async def test_a_full_master_gives_right_answers_or_none_and_counts_what_made_room(
    cluster: RedisCluster, store: RedisStore
) -> None:
    """By tenant, on its own master; the others keep theirs."""
    full, roomy = (tenant_on(cluster, master) for master in cluster.masters[1:])
    cluster.masters[1].command("config", "set", "maxmemory", str(6 * MEBIBYTE))
    # Answers live shorter than what is known of them; by the least use, whole seconds would decide.
    cluster.masters[1].command("config", "set", "maxmemory-policy", "volatile-ttl")
    for number in range(100):
        for tenant in (full, roomy):
            answer = answer_of(f"{tenant} {number}", size=100_000)
            await store.put(tenant, bytes([number]) * 32, answer, ttl_seconds=600)

    kept = dict.fromkeys((full, roomy), 0)
    for tenant in kept:
        for number in range(100):
            stored = await store.get(tenant, bytes([number]) * 32)
            if isinstance(stored, Stored):
                kept[tenant] += 1
                assert stored.answer == answer_of(f"{tenant} {number}", size=100_000)
    cluster.masters[1].command("config", "set", "maxmemory", "0")

    assert kept[roomy] == 100
    assert 0 < kept[full] < 100
    assert store.take_evictions() == {full: 100 - kept[full]}


async def test_a_master_that_is_gone_takes_only_its_own_tenants_with_it(
    cluster: RedisCluster, store: RedisStore
) -> None:
    """And serves them again when it is back."""
    gone = cluster.masters[2]
    theirs, others = tenant_on(cluster, gone), tenant_on(cluster, cluster.masters[0])
    for tenant in (theirs, others):
        await store.put(tenant, KEY, answer_of(tenant), ttl_seconds=600)

    gone.stop()
    with pytest.raises(CacheUnavailableError):
        await store.get(theirs, KEY)
    assert isinstance(await store.get(others, KEY), Stored)

    gone.start()
    cluster.wait_until_whole()
    assert await store.get(theirs, KEY) is CacheMiss.FIRST_SEEN
    await store.put(theirs, KEY, answer_of(theirs), ttl_seconds=600)
    assert isinstance(await store.get(theirs, KEY), Stored)


async def test_while_the_whole_cluster_is_down_calls_go_on(
    cluster: RedisCluster, clock: HandClock
) -> None:
    """Also those of a process that starts meanwhile. The last test here: it stays down."""
    known = RedisStore(cluster.url, timeout_seconds=STORE_SECONDS_MAX)
    await miss_and_keep(ResponseCache(SETTINGS, known, clock), request_of(), "one")
    cluster.stop()

    for store in (known, RedisStore(cluster.url, timeout_seconds=STORE_SECONDS_MAX)):
        cache = ResponseCache(SETTINGS, store, clock)
        assert await miss_and_keep(cache, request_of(), "one") is CacheMiss.UNAVAILABLE
        assert await hit(cache, request_of()) is CacheMiss.UNAVAILABLE
        await cache.close()
