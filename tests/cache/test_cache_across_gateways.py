"""Two gateways on one Redis: what one has, the other gives; equal calls at once are made once."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from cached_gateway import CachedGateway, prompt_of, run_cached
from redis_server import RedisServer
from running import GatewayProcess

SECONDS_MAX = 60

Nodes = list[CachedGateway]


@pytest.fixture(scope="module", name="nodes")
def nodes_fixture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Two gateways with ledgers of their own, one Redis, one simulator."""
    folder = tmp_path_factory.mktemp("nodes")
    redis = RedisServer(folder)
    redis.start()
    try:
        for first in run_cached(folder, redis.url, redis):
            other = GatewayProcess(_second_config(folder), name="second")
            other.start()
            second = CachedGateway(
                other.url, first.simulator, folder / "second" / "ledger.db", redis
            )
            yield [first, second]
            assert other.stop() == 0
    finally:
        redis.stop()


def _second_config(folder: Path) -> Path:
    place = folder / "second"
    place.mkdir()
    config = place / "gateway.toml"
    text = (folder / "gateway.toml").read_text()
    config.write_text(text.replace(str(folder / "ledger.db"), str(place / "ledger.db")))
    return config


async def test_what_one_gateway_has_the_other_gives(nodes: Nodes) -> None:
    body = prompt_of()

    first, second = [await node.call(body) for node in nodes]

    assert (first.cache, second.cache) == ("miss", "hit")
    assert second.body == first.body
    assert nodes[1].entries(second.request_id) == [("success", 1, None)]


async def test_equal_calls_at_once_on_both_are_made_once(nodes: Nodes) -> None:
    body = prompt_of("output=30 first_token_ms=300")
    before = await nodes[0].served()

    async with asyncio.timeout(SECONDS_MAX):
        answers = await asyncio.gather(*(nodes[number % 2].call(body) for number in range(64)))

    assert await nodes[0].served() == before + 1
    assert len({answer.body for answer in answers}) == 1
    assert sorted(str(answer.cache) for answer in answers) == ["hit"] * 63 + ["miss"]


async def test_a_call_that_fails_on_one_is_made_by_the_next(nodes: Nodes) -> None:
    body = prompt_of("status=500 first_token_ms=200")
    before = await nodes[0].served()

    async with asyncio.timeout(SECONDS_MAX):
        answers = await asyncio.gather(*(node.call(body) for node in nodes))

    assert [answer.status for answer in answers] == [500, 500]
    assert await nodes[0].served() == before + 2
