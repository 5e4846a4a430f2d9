"""One list of calls of every status: the metric, the reports, the API and a panel count alike."""

import asyncio
import json
import time
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from dashboard_checks import run
from dashboard_queries import targets
from ledger_file import check_ledger, query
from prometheus_server import PrometheusServer, free_port
from running import GatewayProcess, SimulatorProcess, gateway_config
from typer.testing import CliRunner

from modelmeter.cli import app
from modelmeter.dashboards.dashboard import dashboard_json

INTERVAL_SECONDS = 0.5
SAMPLED_SECONDS = 20
WAIT_SECONDS_MAX = 60.0
WINDOW_SECONDS = 600

LIMITS = """
[limits]
upstream_first_byte_timeout_seconds = 1.5
drain_after_disconnect_seconds = 0.2

[[budgets]]
name = "spent"
agent = "refused.*"
window = "month"
limit_usd = "0.0000000001"

[[throttles]]
name = "one-a-minute"
agent = "throttled.*"
calls_per_minute = 1
"""

CALLS = (
    ("team.good", ""),
    ("team.good", ""),
    ("team.bad", "status=500"),
    ("team.bad", "status=429 retry_after=1"),
    ("team.slow", "first_token_ms=5000"),
    ("refused.a", ""),
    ("throttled.a", ""),
    ("throttled.a", ""),
)
ERRORS = {
    ("error", "server_error"): 1,
    ("error", "rate_limit"): 1,
    ("timeout", "timeout"): 1,
    ("cancelled", "cancelled"): 1,
    ("blocked", "budget_exceeded"): 1,
    ("blocked", "throttled"): 1,
    ("unknown", None): 2,
}
"""Those of the calls above that did not succeed; one was left, two were lost in a crash."""


async def call(session: aiohttp.ClientSession, url: str, agent: str, directive: str) -> None:
    """One call of an agent, its answer read to the end."""
    async with session.post(
        f"{url}/openai/v1/chat/completions",
        json={
            "model": "gpt-4o",
            "messages": [{"role": "user", "content": f"[[simulate {directive}]] hello"}],
        },
        headers={"authorization": "Bearer sk-test", "x-agent-id": agent},
    ) as response:
        await response.read()


async def wait_for(condition: Callable[[], bool]) -> None:
    """Poll until it holds; a bound instead of luck."""
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < deadline, "it did not come to hold"
        await asyncio.sleep(0.05)


async def all_calls(gateway: GatewayProcess, ledger: Path) -> None:
    """Calls of every status; the last of them are under way when the gateway is killed."""
    async with aiohttp.ClientSession() as session:
        for agent, directive in CALLS:
            await call(session, gateway.url, agent, directive)
        leaving = asyncio.create_task(call(session, gateway.url, "team.left", "first_token_ms=900"))
        await wait_for(lambda: query(ledger, "SELECT count(*) FROM open_call") == [(1,)])
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        await wait_for(lambda: query(ledger, "SELECT count(*) FROM open_call") == [(0,)])
        lost = [
            asyncio.create_task(call(session, gateway.url, "team.lost", "first_token_ms=60000"))
            for _ in range(2)
        ]
        await wait_for(lambda: query(ledger, "SELECT count(*) FROM open_call") == [(2,)])
        gateway.kill()
        await asyncio.gather(*lost, return_exceptions=True)
    gateway.start()


def answer(url: str, path: str, **parameters: str) -> Any:
    """What the gateway's API says of all calls."""
    asked = urllib.parse.urlencode({"window": "24h", **parameters})
    with urllib.request.urlopen(f"{url}/api/v1/{path}?{asked}") as response:
        return json.load(response)


def by_panel(prometheus: PrometheusServer) -> dict[tuple[str, ...], float]:
    """The lines of the panel of errors, as the calls that their rates stand for."""
    (target,) = [
        target
        for target in targets(json.loads(json.dumps(dashboard_json())))
        if target.panel == "Error Rate by Provider"
    ]
    rates = run(prometheus, target, {}, rate_seconds=WINDOW_SECONDS)
    return {key: rate * WINDOW_SECONDS for key, rate in rates.items()}


@pytest.mark.timeout(240)
async def test_errors_are_the_same_wherever_they_are_counted(tmp_path: Path) -> None:
    simulator = SimulatorProcess(tmp_path)
    simulator.start()
    port = free_port()
    config = gateway_config(
        tmp_path, simulator.url, extra=f"scrape_interval_seconds = {INTERVAL_SECONDS}"
    )
    text = config.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}", 1)
    config.write_text(text + LIMITS)
    ledger = tmp_path / "ledger.db"
    gateway = GatewayProcess(config)
    gateway.start()
    prometheus = PrometheusServer(tmp_path, {"modelmeter": f"127.0.0.1:{port}"}, interval="500ms")
    try:
        await wait_for(lambda: prometheus.value("sum(up)") == 1)
        await all_calls(gateway, ledger)
        ended = query(ledger, "SELECT status, error_type FROM entry WHERE status <> 'success'")
        assert Counter(ended) == ERRORS

        errors = len(ended)
        await wait_for(lambda: prometheus.value("sum(llm_errors_total)") == errors)
        sampled = f"sum(count_over_time(up[5m])) >= {SAMPLED_SECONDS / INTERVAL_SECONDS:.0f}"
        await wait_for(lambda: prometheus.value(sampled) is not None)
        by_type = {("openai", why or status): n for (status, why), n in ERRORS.items()}
        assert by_panel(prometheus) == pytest.approx(by_type, rel=0.03)
        assert counted_by_the_gateway(gateway.url) == {errors}
        assert reported(ledger) == errors
        assert gateway.stop() == 0
        check_ledger(ledger)
    finally:
        prometheus.stop()
        gateway.kill()
        simulator.kill()


def counted_by_the_gateway(url: str) -> set[int]:
    """Every count of errors that its API has."""
    summary = answer(url, "summary")["total"]
    rows = answer(url, "breakdown", by="agent")["rows"]
    assert summary["error_rate"] == pytest.approx(5 / 8)
    found = [{"status": "any_error"}, *({"error_type": why} for why in types_of(url))]
    calls = [answer(url, "calls", **asked)["calls"] for asked in found]
    return {
        summary["errors"],
        sum(row["errors"] for row in rows),
        len(calls[0]),
        sum(len(page) for page in calls[1:]),
    }


def types_of(url: str) -> list[str]:
    """Why calls did not succeed, by the names of a chart's lines."""
    lines = answer(url, "series", metric="errors", by="error_type")["series"]
    return [line["name"] for line in lines]


def reported(ledger: Path) -> int:
    """The errors of `modelmeter report`."""
    arguments = ["report", "--ledger", str(ledger), "--window", "24h", "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    errors = json.loads(result.stdout)["total"]["errors"]
    assert isinstance(errors, int)
    return errors
