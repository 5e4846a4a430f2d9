"""SIGTERM under load: what can end ends, the rest is cut and settled, the exit is clean."""

import asyncio
import contextlib
import signal
import time
from pathlib import Path

import aiohttp
import pytest
from ledger_file import check_ledger, query
from running import GatewayProcess, SimulatorProcess, gateway_config

CHAT = "/openai/v1/chat/completions"
LIVE_STREAMS = 100
DRAIN = "[limits]\nshutdown_drain_seconds = {}\n"
WAIT_SECONDS_MAX = 20.0


class Setting:
    """A simulator, and a gateway before it that is about to be stopped."""

    def __init__(self, folder: Path, *, drain_seconds: int, extra: str = "") -> None:
        self.ledger = folder / "ledger.db"
        self.simulator = SimulatorProcess(folder)
        self.simulator.start()
        config = gateway_config(folder, self.simulator.url, extra=extra)
        config.write_text(config.read_text() + DRAIN.format(drain_seconds))
        self.gateway = GatewayProcess(config)
        self.gateway.start()

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send the gateway a signal."""
        assert self.gateway.process is not None
        self.gateway.process.send_signal(number)

    async def ended(self) -> int:
        """The gateway's exit status."""
        assert self.gateway.process is not None
        return await asyncio.to_thread(self.gateway.process.wait, WAIT_SECONDS_MAX)

    def entries(self, columns: str) -> list[tuple[object, ...]]:
        """Columns of all entries, with how often they come."""
        return query(
            self.ledger, f"SELECT {columns}, count(*) FROM entry GROUP BY {columns} ORDER BY 1"
        )

    def close(self) -> None:
        """End whatever still runs."""
        self.gateway.kill()
        self.simulator.kill()


async def stream(session: aiohttp.ClientSession, url: str, directive: str) -> bytes:
    """What a caller gets of a stream until it ends or is cut; marked if it was cut."""
    body = {
        "model": "gpt-4o-mini",
        "stream": True,
        "messages": [{"role": "user", "content": f"[[simulate input=50 {directive}]]"}],
    }
    seen = b""
    try:
        async with session.post(
            url + CHAT, json=body, headers={"authorization": "Bearer sk-test"}
        ) as response:
            async for chunk in response.content.iter_any():
                seen += chunk
    except aiohttp.ClientError:
        return seen + b"CUT"
    return seen


async def refused_to_new_callers(session: aiohttp.ClientSession, url: str) -> None:
    """Call until nobody listens any more."""
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while True:
            if await stream(session, url, "output=1") == b"CUT":
                return
            await asyncio.sleep(0.01)


async def all_live(url: str, count: int) -> None:
    """Wait until so many calls are under way."""
    async with asyncio.timeout(WAIT_SECONDS_MAX), aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"{url}/metrics") as response:
                lines = (await response.text()).splitlines()
            active = [line for line in lines if line.startswith("llm_active_requests{")]
            if sum(float(line.rpartition(" ")[2]) for line in active) >= count:
                return
            await asyncio.sleep(0.05)


@pytest.mark.timeout(120)
async def test_a_hundred_live_streams_are_settled_when_the_grace_is_over(tmp_path: Path) -> None:
    setting = Setting(tmp_path, drain_seconds=1)
    connector = aiohttp.TCPConnector(limit=0)
    try:
        async with aiohttp.ClientSession(connector=connector) as session:
            streams = [
                asyncio.create_task(stream(session, setting.gateway.url, "output=5000 token_ms=20"))
                for _ in range(LIVE_STREAMS)
            ]
            await all_live(setting.gateway.url, LIVE_STREAMS)
            setting.signal()
            assert await setting.ended() == 0
            seen = await asyncio.gather(*streams)
    finally:
        setting.close()

    assert not any(b"[DONE]" in body for body in seen)
    assert all(body.endswith(b"CUT") or b'"code":"stopping"' in body for body in seen)
    assert setting.entries("status, error_type, cost_state, cost_pico_usd > 0") == [
        ("cancelled", "cancelled", "estimated", 1, LIVE_STREAMS)
    ]
    assert query(setting.ledger, "SELECT count(*) FROM open_call") == [(0,)]
    check_ledger(setting.ledger)
    assert b"Traceback" not in setting.gateway.log.read_bytes()


@pytest.mark.timeout(120)
async def test_what_can_end_within_the_grace_ends_and_nobody_new_is_let_in(
    tmp_path: Path,
) -> None:
    setting = Setting(tmp_path, drain_seconds=20)
    try:
        async with aiohttp.ClientSession() as session, aiohttp.ClientSession() as late:
            streams = [
                asyncio.create_task(stream(session, setting.gateway.url, "output=60 token_ms=25"))
                for _ in range(10)
            ]
            await all_live(setting.gateway.url, 10)
            setting.signal()
            await refused_to_new_callers(late, setting.gateway.url)
            seen = await asyncio.gather(*streams)
            assert await setting.ended() == 0
    finally:
        setting.close()

    assert all(b"data: [DONE]" in body and not body.endswith(b"CUT") for body in seen)
    ended = query(setting.ledger, "SELECT status, cost_state, count(*) FROM entry GROUP BY 1, 2")
    assert [row[:2] for row in ended] == [("success", "priced")]
    check_ledger(setting.ledger)


@pytest.mark.timeout(120)
async def test_a_second_signal_ends_at_once_and_loses_nothing(tmp_path: Path) -> None:
    setting = Setting(tmp_path, drain_seconds=600)
    try:
        async with aiohttp.ClientSession() as session:
            streams = [
                asyncio.create_task(stream(session, setting.gateway.url, "output=5000 token_ms=20"))
                for _ in range(10)
            ]
            await all_live(setting.gateway.url, 10)
            setting.signal()
            await asyncio.sleep(0.2)
            setting.signal(signal.SIGINT)
            assert await setting.ended() == 0
            await asyncio.gather(*streams)
    finally:
        setting.close()

    assert setting.entries("status, cost_pico_usd > 0") == [("cancelled", 1, 10)]
    assert query(setting.ledger, "SELECT count(*) FROM open_call") == [(0,)]
    check_ledger(setting.ledger)


@pytest.mark.timeout(120)
async def test_two_workers_share_a_ledger_and_end_together(tmp_path: Path) -> None:
    """Each connection goes to one of them; what either shows is what both have done."""
    extra = "workers = 2\nscrape_interval_seconds = 0.1"
    setting = Setting(tmp_path, drain_seconds=1, extra=extra)
    calls = 60
    try:
        for _ in range(calls):
            async with aiohttp.ClientSession() as session:
                assert b"[DONE]" in await stream(session, setting.gateway.url, "output=5")
        workers = await asyncio.to_thread(worker_processes, setting)
        shown = await shown_by_new_connections(setting.gateway.url, calls)
        async with aiohttp.ClientSession() as session:
            live = [
                asyncio.create_task(stream(session, setting.gateway.url, "output=5000 token_ms=20"))
                for _ in range(8)
            ]
            await all_live(setting.gateway.url, 8)
            setting.signal()
            assert await setting.ended() == 0
            await asyncio.gather(*live)
    finally:
        setting.close()

    assert len(workers) == 2
    assert shown == {float(calls)}
    assert setting.entries("status") == [("cancelled", 8), ("success", calls)]
    assert query(setting.ledger, "SELECT count(*) FROM open_call") == [(0,)]
    check_ledger(setting.ledger)
    assert not any(process_lives(pid) for pid in workers)


async def test_workers_end_with_their_parent_however_it_ends(tmp_path: Path) -> None:
    setting = Setting(tmp_path, drain_seconds=1, extra="workers = 2")
    try:
        workers = await asyncio.to_thread(worker_processes, setting)
        setting.gateway.kill()
        await asyncio.to_thread(wait_until_ended, workers)
    finally:
        setting.close()

    assert len(workers) == 2


async def shown_by_new_connections(url: str, calls: int) -> set[float]:
    """What many scrapes show, each over a connection of its own, once the first shows all."""
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while True:
            if await requests_shown(url) == calls:
                break
            await asyncio.sleep(0.1)
    return {await requests_shown(url) for _ in range(20)}


async def requests_shown(url: str) -> float:
    """``sum(llm_requests_total)`` of one scrape."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/metrics") as response:
        lines = (await response.text()).splitlines()
    return sum(
        float(line.rpartition(" ")[2]) for line in lines if line.startswith("llm_requests_total{")
    )


def worker_processes(setting: Setting) -> set[int]:
    """The children of the process that was started."""
    assert setting.gateway.process is not None
    parent = str(setting.gateway.process.pid)
    found = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if status.read_text().rpartition(")")[2].split()[1] == parent:
                found.add(int(status.parent.name))
    return found


def process_lives(pid: int) -> bool:
    """Whether a process with this id exists."""
    return Path(f"/proc/{pid}").exists()


def wait_until_ended(pids: set[int]) -> None:
    """Poll until none of the processes does anything, within a bound."""
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while any(process_runs(pid) for pid in pids):
        assert time.monotonic() < deadline, "a process goes on"
        time.sleep(0.05)


def process_runs(pid: int) -> bool:
    """Whether a process does something yet, and is not only unburied."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
