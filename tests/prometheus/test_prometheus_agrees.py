"""What a real Prometheus says of a sparse workload with a crash in it is what the ledger says."""

import asyncio
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import aiohttp
import prometheus_client
import pytest
from ledger_file import query
from prometheus_server import PrometheusServer, free_port
from running import GatewayProcess, SimulatorProcess, gateway_config

INTERVAL_SECONDS = 0.5
AGENTS = 50
DOWN_SECONDS = 2.5
"""Longer than a new series stands at 0: what was born just before the crash was seen by nobody."""
SETTLED_SECONDS = 20
"""Sampled time after the last call: Prometheus extrapolates by up to one interval of it."""
WINDOW = "10m"
WAIT_SECONDS_MAX = 60.0

PICO = 10**12


class NaiveCounter:
    """What most programs do: count in memory, show each series from its first call on."""

    def __init__(self) -> None:
        self.registry = prometheus_client.CollectorRegistry()
        self.cost = self._counter()
        self._server, self._thread = prometheus_client.start_http_server(
            0, "127.0.0.1", registry=self.registry
        )
        self.port = self._server.server_port

    def _counter(self) -> prometheus_client.Counter:
        return prometheus_client.Counter(
            "naive_cost", "USD", ["agent_id", "model"], registry=self.registry
        )

    def restart(self) -> None:
        """A crash: what was in memory is gone."""
        self.registry.unregister(self.cost)
        self.cost = self._counter()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def naive() -> Iterator[NaiveCounter]:
    counter = NaiveCounter()
    yield counter
    counter.close()


async def call(session: aiohttp.ClientSession, url: str, agent: str, directive: str) -> None:
    """One call of an agent."""
    async with session.post(
        f"{url}/openai/v1/chat/completions",
        json={
            "model": "gpt-4o",
            "messages": [{"role": "user", "content": f"[[simulate {directive}]] {agent}"}],
        },
        headers={"authorization": "Bearer sk-test", "x-agent-id": agent},
    ) as response:
        await response.read()


def newest_cost(ledger: Path) -> int:
    """The cost of the entry that was committed last, in pico-dollars."""
    ((cost,),) = query(ledger, "SELECT cost_pico_usd FROM entry ORDER BY seq DESC LIMIT 1")
    assert isinstance(cost, int)
    return cost


async def sparse_calls(url: str, agents: range, naive: NaiveCounter, ledger: Path) -> None:
    """One to three calls for each agent, counted by the naive counter too."""
    async with aiohttp.ClientSession() as session:
        for number in agents:
            agent = f"team{number % 4}.agent{number}"
            for repeat in range(1 + number % 3):
                await call(session, url, agent, f"input={1000 + number} output={200 + repeat}")
                naive.cost.labels(agent, "gpt-4o").inc(newest_cost(ledger) / PICO)
            await asyncio.sleep(0.05)


async def wait_for(condition: Callable[[], bool]) -> None:
    """Poll until it holds; a bound instead of luck."""
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < deadline, "it did not come to hold"
        await asyncio.sleep(0.1)


async def crash_with_open_calls(gateway: GatewayProcess, ledger: Path) -> None:
    """Kill the gateway while calls wait for their upstream."""
    async with aiohttp.ClientSession() as session:
        waiting = [
            asyncio.create_task(call(session, gateway.url, "team0.stalled", "first_token_ms=60000"))
            for _ in range(5)
        ]
        await wait_for(lambda: query(ledger, "SELECT count(*) FROM open_call") == [(5,)])
        gateway.kill()
        results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(result, aiohttp.ClientError) for result in results)


@pytest.mark.timeout(240)
async def test_prometheus_says_what_the_ledger_says(tmp_path: Path, naive: NaiveCounter) -> None:
    """Totals are equal, increase() is within 3 %, and nothing stays active after a crash."""
    simulator = SimulatorProcess(tmp_path)
    simulator.start()
    port = free_port()
    config = gateway_config(
        tmp_path, simulator.url, extra=f"scrape_interval_seconds = {INTERVAL_SECONDS}"
    )
    config.write_text(config.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}", 1))
    ledger = tmp_path / "ledger.db"
    gateway = GatewayProcess(config)
    gateway.start()
    prometheus = PrometheusServer(
        tmp_path,
        {"modelmeter": f"127.0.0.1:{port}", "naive": f"127.0.0.1:{naive.port}"},
        interval="500ms",
    )
    try:
        await wait_for(lambda: prometheus.value("sum(up)") == 2)
        await sparse_calls(gateway.url, range(AGENTS // 2), naive, ledger)
        await crash_with_open_calls(gateway, ledger)
        naive.restart()
        await asyncio.sleep(DOWN_SECONDS)
        gateway.start()
        await sparse_calls(gateway.url, range(AGENTS // 2, AGENTS), naive, ledger)
        await compare(prometheus, ledger)
        check_format(gateway.url)
        assert gateway.stop() == 0
    finally:
        prometheus.stop()
        gateway.kill()
        simulator.kill()


async def compare(prometheus: PrometheusServer, ledger: Path) -> None:
    """Hold Prometheus' numbers against the ledger's."""
    ((calls, pico),) = query(ledger, "SELECT count(*), sum(cost_pico_usd) FROM entry")
    assert isinstance(calls, int)
    assert isinstance(pico, int)
    cost = pico / PICO

    await wait_for(lambda: prometheus.value("sum(llm_requests_total)") == calls)
    await asyncio.sleep(SETTLED_SECONDS)

    assert prometheus.value("sum(llm_requests_total)") == calls
    assert prometheus.value("sum(llm_cost_total)") == pytest.approx(cost, rel=1e-12)
    assert prometheus.value('sum(llm_requests_total{status="unknown"})') == 5
    assert prometheus.value("sum(llm_active_requests)") == 0
    increase = prometheus.value(f"sum(increase(llm_cost_total[{WINDOW}]))")
    shown_by_naive = prometheus.value(f"sum(increase(naive_cost_total[{WINDOW}]))")
    assert increase is not None
    assert shown_by_naive is not None
    print(
        f"ledger ${cost:.6f}; increase() of modelmeter {increase / cost:.1%}, "
        f"of a naive counter {shown_by_naive / cost:.1%}"
    )
    assert increase == pytest.approx(cost, rel=0.03)
    assert shown_by_naive < 0.8 * cost


def check_format(url: str) -> None:
    """promtool finds nothing to say about the exposition."""
    with urllib.request.urlopen(f"{url}/metrics") as response:
        exposition = response.read()
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=exposition, capture_output=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
