"""Answers in memory: bounded by bytes, the least recently used one leaves first, none is stale."""

import random

from cache_cases import HandClock, answer_of
from hypothesis import given, settings
from hypothesis import strategies as st

from modelmeter.cache import MemoryStore, Stored
from modelmeter.cache.memory_store import REMARKS_MAX
from modelmeter.record import CacheMiss

SIZE = answer_of("0").size


def key_of(number: int) -> bytes:
    """A key of its own."""
    return number.to_bytes(32, "big")


async def test_the_least_recently_used_answer_makes_room() -> None:
    store = MemoryStore(bytes_max=3 * SIZE, clock=HandClock())
    for number in range(3):
        await store.put("acme", key_of(number), answer_of(str(number)), ttl_seconds=60)
    await store.get("acme", key_of(0))

    await store.put("globex", key_of(3), answer_of("3"), ttl_seconds=60)

    assert await store.get("acme", key_of(1)) is CacheMiss.EVICTED
    for tenant, number in (("acme", 0), ("acme", 2), ("globex", 3)):
        assert isinstance(await store.get(tenant, key_of(number)), Stored)
    assert store.take_evictions() == {"acme": 1}
    assert store.take_evictions() == {}


async def test_an_answer_larger_than_the_store_displaces_nothing() -> None:
    store = MemoryStore(bytes_max=3 * SIZE, clock=HandClock())
    await store.put("acme", key_of(0), answer_of("0"), ttl_seconds=60)

    await store.put("acme", key_of(1), answer_of("1", size=4 * SIZE), ttl_seconds=60)

    assert isinstance(await store.get("acme", key_of(0)), Stored)
    assert await store.get("acme", key_of(1)) is CacheMiss.NOT_STORED


async def test_a_jump_of_the_wall_clock_makes_no_answer_younger() -> None:
    clock = HandClock()
    store = MemoryStore(bytes_max=3 * SIZE, clock=clock)
    await store.put("acme", key_of(0), answer_of("0"), ttl_seconds=60)

    clock.pass_seconds(61)
    clock.wall_ns -= 86_400 * 10**9

    assert await store.get("acme", key_of(0)) is CacheMiss.EXPIRED


async def test_what_is_remembered_of_keys_without_an_answer_is_bounded() -> None:
    store = MemoryStore(bytes_max=3 * SIZE, clock=HandClock())
    for number in range(REMARKS_MAX + 1):
        await store.remark("acme", key_of(number), CacheMiss.NOT_STORED, ttl_seconds=60)

    assert await store.get("acme", key_of(0)) is CacheMiss.FIRST_SEEN
    assert await store.get("acme", key_of(1)) is CacheMiss.NOT_STORED


@given(seed=st.integers(0, 2**32))
@settings(max_examples=60)
async def test_no_sequence_brings_a_stale_or_foreign_answer_or_breaks_the_bound(seed: int) -> None:
    chance = random.Random(seed)
    clock = HandClock()
    store = MemoryStore(bytes_max=5 * SIZE, clock=clock)
    ends: dict[tuple[str, bytes], int] = {}
    for step in range(80):
        tenant, key = chance.choice(["acme", "globex"]), key_of(chance.randrange(6))
        if chance.random() < 0.5:
            ttl = chance.choice([0, 1, 5])
            text = f"{tenant} {key.hex()} {step}"
            size = chance.choice([0, SIZE])
            await store.put(tenant, key, answer_of(text, size=size), ttl_seconds=ttl)
            ends[tenant, key] = clock.now_ns + ttl * 10**9
        clock.pass_seconds(chance.choice([0, 0, 0.4, 2]))
        clock.wall_ns += chance.choice([0, 10**18, -(10**18)])
        found = await store.get(tenant, key)
        if isinstance(found, Stored):
            assert clock.now_ns < ends[tenant, key]
            assert f'"{tenant} {key.hex()} '.encode() in found.answer.body
        used = await store.usage()
        assert sum(usage.bytes for usage in used.values()) <= 5 * SIZE
        assert all(usage.answers > 0 for usage in used.values())
    await store.clear(None)
    assert await store.usage() == {}
