"""Every panel of the dashboard, run in a real Prometheus over known traffic, against the ledger."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import aiohttp
import pytest
from dashboard_checks import (
    TARGETS,
    VERSION,
    check_deployments,
    check_every_target_answers,
    check_no_traffic_is_said,
    check_panels,
    check_the_readmes_queries,
    check_variables,
    run,
)
from dashboard_truth import entries
from prometheus_server import PrometheusServer, free_port
from refusal_checks import (
    check_budget_alerts,
    check_budgets,
    check_no_budgets_is_said,
    check_refusals,
    check_rules,
)
from running import GatewayProcess, SimulatorProcess, gateway_config

from modelmeter.record import Operation
from modelmeter.simulator.agents import SimulatedAgent, demo_agents
from modelmeter.simulator.sdk_requests import sdk_request

HELD_SECONDS = 2
"""The gateway is told a longer interval than the real one, so that a late scrape does no harm."""
SETTLED_SECONDS = 22
"""Sampled time after the last call: Prometheus extrapolates by up to one interval of it."""
WAIT_SECONDS_MAX = 60.0

LIMITS = {"everything": 0.001, "only-research.coder": 0.036}
"""Budgets in USD: one that is overspent at once and only tells, one that soon blocks an agent."""
REFUSING = f"""
[[budgets]]
name = "everything"
window = "rolling"
seconds = 86400
limit_usd = "{LIMITS["everything"]}"
at_limit = "alert"

[[budgets]]
name = "only-research.coder"
agent = "research.coder"
window = "rolling"
seconds = 86400
limit_usd = "{LIMITS["only-research.coder"]}"
at_limit = "block"

[[throttles]]
name = "translations"
agent = "supportbot.translate"
calls_per_minute = 3
"""

MYSTERY = SimulatedAgent(
    tenant_id="acme",
    team="lab",
    agent_id="lab.explorer",
    provider="openai",
    operation=Operation.CHAT,
    model="gpt-mystery-1",
    streamed=False,
    calls_per_minute=1,
    style="conversation",
)
"""Calls a model that nobody has a price for."""


def directives(number: int) -> Iterator[str]:
    """What an agent's calls ask the simulator for; of two equal ones the second is cached."""
    yield from ["input=600 output=60"] * (1 + number % 2)
    for call in range(4 + number % 3):
        yield f"input={700 + 50 * number} output={90 + call} first_token_ms={40 * (call + number)}"
    if number % 3 == 0:
        yield "status=500"
    if number % 4 == 1:
        yield "status=429 retry_after=1"


async def send(session: aiohttp.ClientSession, url: str, agent: SimulatedAgent, ask: str) -> None:
    """One call, its answer read to the end."""
    request = sdk_request(agent, f"[[simulate {ask}]] hello", "sk-simulated")
    async with session.post(
        url + request.path, data=request.body, headers=request.headers
    ) as response:
        await response.read()


async def send_all(url: str, agents: Sequence[SimulatedAgent]) -> None:
    """All calls of some agents, each agent's one after another."""

    async def one_agent(session: aiohttp.ClientSession, number: int) -> None:
        for ask in directives(number):
            await send(session, url, agents[number], ask)

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(one_agent(session, number) for number in range(len(agents))))


async def wait_for_value(prometheus: PrometheusServer, expr: str, value: float) -> None:
    """Poll until an expression has a value; a bound instead of luck."""
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while (found := await asyncio.to_thread(prometheus.value, expr)) != value:
        assert time.monotonic() < deadline, f"{expr} is {found}, not {value}"
        await asyncio.sleep(0.1)


async def check_active(prometheus: PrometheusServer, url: str) -> None:
    """Calls under way are shown by provider while they are, and not after."""
    (target,) = [target for target in TARGETS if target.panel == "Active Requests"]
    agents = [agent for agent in demo_agents() if agent.operation is Operation.CHAT][:2]

    async with aiohttp.ClientSession() as session:
        waiting = [
            asyncio.create_task(send(session, url, agent, "first_token_ms=4000"))
            for agent in agents
        ]
        await wait_for_value(prometheus, "sum(llm_active_requests)", len(agents))
        all_of_them = run(prometheus, target, {})
        of_one = run(prometheus, target, {"agent_id": [agents[0].agent_id]})
        await asyncio.gather(*waiting)

    assert all_of_them["openai",] == len(agents)
    assert sum(all_of_them.values()) == len(agents)
    assert of_one == {("openai",): 1.0}
    await wait_for_value(prometheus, "sum(llm_active_requests)", 0)


@pytest.mark.timeout(240)
async def test_every_panel_says_what_the_ledger_says(tmp_path: Path) -> None:
    """Fresh, busy and idle; for All, one and several values; with a restart, with two workers."""
    async with asyncio.TaskGroup() as both:
        for workers in (1, 2):
            folder = tmp_path / str(workers)
            folder.mkdir()
            both.create_task(one_installation(folder, workers))


async def one_installation(tmp_path: Path, workers: int) -> None:
    """
    Traffic through one gateway, and all checks.

    One worker is started anew in the middle; two have budgets and a throttle that refuse.
    """
    simulator = SimulatorProcess(tmp_path)
    simulator.start()
    port = free_port()
    config = gateway_config(
        tmp_path,
        simulator.url,
        extra=f"scrape_interval_seconds = {HELD_SECONDS}\n"
        f'workers = {workers}\nversion = "{VERSION}"\n[cache]\nenabled = true\n'
        + (REFUSING if workers > 1 else ""),
    )
    config.write_text(config.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}", 1))
    gateway = GatewayProcess(config)
    gateway.start()
    prometheus = PrometheusServer(
        tmp_path, {"modelmeter": f"127.0.0.1:{port}"}, interval="500ms", rules=workers > 1
    )
    ledger = tmp_path / "ledger.db"
    agents = (*demo_agents(), MYSTERY)
    try:
        await wait_for_value(prometheus, "count(up == 1)", 1)
        await wait_for_value(prometheus, "count_over_time(up[1m]) >= bool 4", 1)
        await asyncio.to_thread(check_every_target_answers, prometheus, traffic=False)
        await asyncio.to_thread(check_no_traffic_is_said, prometheus)

        await send_all(gateway.url, agents[:7])
        await check_active(prometheus, gateway.url)
        if workers == 1:
            assert gateway.stop() == 0
            gateway.start()
        await send_all(gateway.url, agents[7:])
        found = entries(ledger)
        assert workers > 1 or any(entry.cached for entry in found)
        await wait_for_value(prometheus, "sum(llm_requests_total)", len(found))
        await asyncio.to_thread(check_every_target_answers, prometheus, traffic=True)
        await asyncio.sleep(SETTLED_SECONDS)

        await asyncio.to_thread(check_panels, prometheus, found)
        await asyncio.to_thread(check_the_readmes_queries, prometheus, found)
        await asyncio.to_thread(check_variables, prometheus, found)
        await asyncio.to_thread(check_deployments, prometheus, ledger)
        if workers > 1:
            await asyncio.to_thread(check_budgets, prometheus, found, LIMITS)
            await asyncio.to_thread(check_refusals, prometheus, found)
            await asyncio.to_thread(check_rules, prometheus, found)
            await asyncio.to_thread(check_budget_alerts, prometheus, "everything")
        else:
            await asyncio.to_thread(check_no_budgets_is_said, prometheus)
        await asyncio.to_thread(check_every_target_answers, prometheus, traffic=False)
        await asyncio.to_thread(check_no_traffic_is_said, prometheus)
    finally:
        prometheus.stop()
        gateway.kill()
        simulator.kill()
