"""The web side of a running gateway: loaded late, never behind, and no hindrance to its end."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest
from running import GatewayProcess, SimulatorProcess, gateway_config

CALLS = 3
WAIT_SECONDS_MAX = 60.0


def test_the_framework_is_not_loaded_until_somebody_looks() -> None:
    program = "import sys, modelmeter.wiring; print('fastapi' in sys.modules)"

    shown = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)

    assert shown.stdout.strip() == b"False"


async def call(session: aiohttp.ClientSession, url: str) -> None:
    """One metered call, answered."""
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "[[simulate]]"}]}
    headers = {"authorization": "Bearer sk-test", "x-agent-id": "meetmind.notes"}
    path = f"{url}/openai/v1/chat/completions"
    async with session.post(path, json=body, headers=headers) as answer:
        assert answer.status == 200
        await answer.read()


async def seen_calls(stream: aiohttp.StreamReader, wanted: int) -> int:
    """Read figures as they come until so many calls are in them; how many there are then."""
    while True:
        line = await stream.readline()
        assert line, "the stream ended"
        if line.startswith(b"data: "):
            calls = int(json.loads(line[6:])["total"]["calls"])
            if calls >= wanted:
                return calls


@pytest.mark.timeout(120)
async def test_a_call_answered_is_in_the_next_figures_and_the_stream_ends_with_the_gateway(
    tmp_path: Path,
) -> None:
    simulator = SimulatorProcess(tmp_path)
    await asyncio.to_thread(simulator.start)
    gateway = GatewayProcess(gateway_config(tmp_path, simulator.url))
    try:
        await asyncio.to_thread(gateway.start)
        async with (
            aiohttp.ClientSession(read_bufsize=2**20) as session,
            asyncio.timeout(WAIT_SECONDS_MAX),
            session.get(f"{gateway.url}/api/v1/stream") as stream,
        ):
            assert stream.headers["content-type"].startswith("text/event-stream")
            assert await seen_calls(stream.content, 0) == 0
            for made in range(1, CALLS + 1):
                await call(session, gateway.url)
                # What is answered is committed, so no more can be missing than one tick's worth.
                assert await seen_calls(stream.content, made) == made
            async with session.get(f"{gateway.url}/api/v1/calls") as listed:
                calls = (await listed.json())["calls"]
            stopping = asyncio.create_task(asyncio.to_thread(gateway.stop))
            while await stream.content.readline():
                pass
            status = await stopping
    finally:
        gateway.kill()
        simulator.kill()

    assert status == 0
    assert [one["agent"] for one in calls] == ["meetmind.notes"] * CALLS
    assert b"Traceback" not in gateway.log.read_bytes()


@pytest.mark.timeout(120)
async def test_a_stopped_gateway_does_not_wait_for_viewers(tmp_path: Path) -> None:
    extra = "[limits]\nshutdown_drain_seconds = 3600\n"
    config = gateway_config(tmp_path, "http://127.0.0.1:9")
    config.write_text(config.read_text() + extra)
    gateway = GatewayProcess(config)
    try:
        await asyncio.to_thread(gateway.start)
        async with aiohttp.ClientSession(read_bufsize=2**20) as session:
            streams = [await session.get(f"{gateway.url}/api/v1/stream") for _ in range(5)]
            for stream in streams:
                await seen_calls(stream.content, 0)
            status = await asyncio.to_thread(gateway.stop)
    finally:
        gateway.kill()

    assert status == 0
