"""Agents, their live traffic, and their past."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Literal

import pytest
from genai_prices import Usage, calc_price

from modelmeter.record import ErrorType, Operation, Status, TokenCounts
from modelmeter.simulator.agents import SimulatedAgent, demo_agents
from modelmeter.simulator.history import PastCall, past_calls
from modelmeter.simulator.server import SimulatorServer
from modelmeter.simulator.traffic import TrafficGenerator

DAY_NS = 86_400 * 10**9
NOW_NS = 20_780 * DAY_NS
"""A midnight in November 2026."""
CATALOGUE_PROVIDERS = {"bedrock": "aws", "genai": "google"}


def test_demo_has_a_dozen_agents_of_four_teams_and_two_tenants() -> None:
    agents = demo_agents()

    assert len({agent.agent_id for agent in agents}) == 12
    assert {agent.team for agent in agents} == {"meetmind", "finpilot", "supportbot", "research"}
    assert {agent.tenant_id for agent in agents} == {"acme", "globex"}
    assert {agent.provider for agent in agents} == {"openai", "anthropic", "bedrock", "genai"}
    assert all(agent.agent_id.startswith(f"{agent.team}.") for agent in agents)


@pytest.mark.parametrize("agent", demo_agents(), ids=lambda agent: agent.agent_id)
def test_every_agents_model_has_a_price(agent: SimulatedAgent) -> None:
    price = calc_price(
        Usage(input_tokens=1000),
        agent.model,
        provider_id=CATALOGUE_PROVIDERS.get(agent.provider, agent.provider),
    )

    assert price.total_price > 0


async def run_until(generator: TrafficGenerator, calls: int) -> None:
    class Enough(asyncio.Event):
        """Set once so many calls were sent."""

        async def wait(self) -> Literal[True]:
            if generator.sent >= calls:
                self.set()
            return await super().wait()

    await generator.run(Enough())


async def test_traffic_reaches_every_operation_and_is_counted() -> None:
    async with SimulatorServer() as simulator:
        generator = TrafficGenerator(simulator.url, seed=4, rate=200)
        await run_until(generator, 300)

        served = list(simulator.served)
    assert generator.sent >= 300
    assert generator.ok + generator.failed + generator.cancelled == generator.sent
    assert generator.ok > 250
    assert generator.failed > 0
    assert len(served) == generator.sent
    assert {call.operation for call in served} == {agent.operation for agent in demo_agents()}
    assert {call.model for call in served} == {agent.model for agent in demo_agents()}


async def test_traffic_names_its_agents_and_sends_its_key() -> None:
    async with SimulatorServer() as simulator:
        await run_until(TrafficGenerator(simulator.url, seed=5, rate=200, key="sk-own"), 40)

        requests = [call.request for call in simulator.served]
    names = {agent.agent_id: agent for agent in demo_agents()}
    for request in requests:
        assert request is not None
        agent = names[request.headers["x-agent-id"]]
        assert request.headers["x-team"] == agent.team
        assert request.headers["x-tenant-id"] == agent.tenant_id
        assert any("sk-own" in value for value in request.headers.values())


async def test_traffic_against_nobody_fails_and_goes_on() -> None:
    async with SimulatorServer() as simulator:
        url = simulator.url
    generator = TrafficGenerator(url, seed=4, rate=200)

    await run_until(generator, 20)

    assert generator.failed == generator.sent


async def test_traffic_stops_at_once_when_told_so_before() -> None:
    stop = asyncio.Event()
    stop.set()
    generator = TrafficGenerator("http://127.0.0.1:9", seed=4)

    await generator.run(stop)

    assert generator.sent == 0


def test_traffic_without_a_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="rate"):
        TrafficGenerator("http://127.0.0.1:9", rate=0)


@pytest.fixture(scope="module")
def month() -> Sequence[PastCall]:
    return tuple(past_calls(28, NOW_NS, 7))


def test_past_is_in_order_within_its_days_and_repeatable(month: Sequence[PastCall]) -> None:
    moments = [call.started_at_ns for call in month]

    assert moments == sorted(moments)
    assert moments[0] >= NOW_NS - 28 * DAY_NS
    assert moments[-1] < NOW_NS
    assert list(past_calls(2, NOW_NS, 7)) == list(past_calls(2, NOW_NS, 7))
    assert list(past_calls(2, NOW_NS, 7)) != list(past_calls(2, NOW_NS, 8))


def test_past_has_days_nights_weekends_and_growth(month: Sequence[PastCall]) -> None:
    days = Counter(call.started_at_ns // DAY_NS for call in month)
    hours = Counter(call.started_at_ns % DAY_NS // (DAY_NS // 24) for call in month)
    weekend = [count for day, count in days.items() if (day + 3) % 7 >= 5]
    weekdays = [count for day, count in sorted(days.items()) if (day + 3) % 7 < 5]

    assert all(1_400 <= count <= 4_000 for count in days.values())
    assert len(weekend) == 8
    assert sum(weekend) / 8 < 0.8 * sum(weekdays) / 20
    assert hours[13] > 3 * hours[1]
    assert sum(weekdays[-5:]) > 1.15 * sum(weekdays[:5])


def test_past_has_mostly_good_calls_and_a_bad_hour(month: Sequence[PastCall]) -> None:
    statuses = Counter(call.status for call in month)
    errors = Counter(call.started_at_ns // (DAY_NS // 24) for call in month if call.error_type)
    usual = sum(errors.values()) / (28 * 24)

    assert statuses[Status.SUCCESS] > 0.95 * len(month)
    assert statuses[Status.ERROR] > 0
    assert statuses[Status.CANCELLED] > 0
    assert max(errors.values()) > 8 * usual


def test_past_calls_are_plausible_one_by_one(month: Sequence[PastCall]) -> None:
    assert {call.caller.agent_id for call in month} == {a.agent_id for a in demo_agents()}
    for call in month[::7]:
        assert (call.error_type is None) == (call.status is Status.SUCCESS)
        assert call.duration_ns > 0
        assert call.time_to_first_token_ns is None or (
            call.time_to_first_token_ns <= call.duration_ns
        )
        if call.status is Status.SUCCESS:
            assert call.tokens.input > 0
            assert (call.tokens.output > 0) == (call.operation is not Operation.EMBEDDINGS)
        elif call.error_type is not ErrorType.CANCELLED:
            assert call.tokens == TokenCounts()
    assert sum(call.tokens.cache_read for call in month) > 0
    assert sum(call.tokens.cache_write_5m for call in month) > 0
    assert sum(call.tokens.reasoning for call in month) > 0


@pytest.mark.parametrize("days", [-1.0, 4_000.0, float("nan")])
def test_impossible_past_is_refused(days: float) -> None:
    with pytest.raises(ValueError, match="days"):
        past_calls(days, NOW_NS, 1)


def test_no_past_is_empty() -> None:
    assert list(past_calls(0, NOW_NS, 1)) == []
