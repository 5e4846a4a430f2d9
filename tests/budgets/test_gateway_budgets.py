"""A gateway with budgets: exactly as many calls as fit, refusals that SDKs understand."""

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import anthropic
import boto3
import botocore.exceptions
import google.genai.errors
import openai
import pytest
from botocore.config import Config
from budget_cases import check_windows, standings
from google import genai
from ledger_file import check_ledger, query
from prometheus_client.parser import text_string_to_metric_families
from running import GatewayProcess, SimulatorProcess, gateway_config
from typer.testing import CliRunner

from modelmeter.cli import app
from modelmeter.record import PICO_PER_USD

CALLS = 200
FITTING = 7
WAIT_SECONDS_MAX = 120.0
HEADERS = {"authorization": "Bearer sk-test", "x-tenant-id": "acme"}
BUDGETS = """
scrape_interval_seconds = 0.1

[[budgets]]
name = "nothing"
team = "nothing"
window = "day"
limit_usd = "0.000000000001"

[[budgets]]
name = "cheaper"
team = "cheaper"
window = "day"
limit_usd = "0.000000000001"
at_limit = "downgrade"
downgrade = { "gpt-4o" = "gpt-4o-mini", "gemini-2.5-pro" = "gemini-2.5-flash" }

[[budgets]]
name = "money"
team = "money"
window = "day"
limit_usd = "0.005"

[[budgets]]
name = "waiting"
team = "waiting"
window = "day"
limit_usd = "0.0002"
"""
SEVEN = """
[[budgets]]
name = "seven-{kind}"
agent = "seven.{kind}"
window = "day"
limit_calls = 7
"""
KINDS = ("whole", "streamed", "left")
LIMITS = """
[limits]
budget_retry_after_seconds = 1
"""
TABLES = BUDGETS + "".join(SEVEN.format(kind=kind) for kind in KINDS) + LIMITS


class Gateways:
    """Two gateways on one ledger in front of one simulator."""

    def __init__(self, urls: list[str], simulator: str, ledger: Path) -> None:
        self.urls = urls
        self.simulator = simulator
        self.ledger = ledger


@pytest.fixture(scope="module", name="gateways")
def two_gateways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateways]:
    """Two processes with the same budgets."""
    folder = tmp_path_factory.mktemp("budgets")
    simulator = SimulatorProcess(folder)
    simulator.start()
    processes = [
        GatewayProcess(gateway_config(folder, simulator.url, extra=TABLES, name=name), name=name)
        for name in ("first", "second")
    ]
    try:
        for process in processes:
            process.start()
        yield Gateways([one.url for one in processes], simulator.url, folder / "ledger.db")
        assert [process.stop() for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
        simulator.kill()
    assert query(folder / "ledger.db", "SELECT count(*) FROM open_call") == [(0,)]
    assert query(folder / "ledger.db", "SELECT count(*) FROM budget_hold") == [(0,)]
    check_ledger(folder / "ledger.db")
    check_windows(folder / "ledger.db")
    for process in processes:
        assert b"Traceback" not in process.log.read_bytes()


async def call(
    session: aiohttp.ClientSession,
    url: str,
    agent: str,
    request_id: str,
    *,
    streamed: bool = False,
    leaves: bool = False,
) -> int:
    """The status of a call; one that ``leaves`` drops its connection half-way."""
    async with session.post(
        f"{url}/openai/v1/chat/completions",
        json={
            "model": "gpt-4o-mini",
            "stream": streamed,
            "max_tokens": 50,
            "messages": [{"role": "user", "content": "[[simulate output=20 token_ms=5]]"}],
        },
        headers={**HEADERS, "x-agent-id": agent, "x-request-id": request_id},
    ) as answer:
        if leaves and answer.status == 200:
            await answer.content.readany()
        else:
            await answer.read()
        return answer.status


@pytest.mark.parametrize("kind", KINDS)
async def test_of_two_hundred_calls_at_once_exactly_as_many_pass_as_fit(
    gateways: Gateways, kind: str
) -> None:
    """Over two processes, the first calls ever of an agent; whole, streamed, left half-way."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        statuses = await asyncio.gather(
            *(
                call(
                    session,
                    gateways.urls[number % 2],
                    f"seven.{kind}",
                    f"{kind}-{number}",
                    streamed=kind != "whole",
                    leaves=kind == "left",
                )
                for number in range(CALLS)
            )
        )

    assert sorted(statuses) == [200] * FITTING + [429] * (CALLS - FITTING)
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while True:
            await asyncio.sleep(0.05)
            if standings(gateways.ledger)[f"seven-{kind}"] == (FITTING * PICO_PER_USD, 0):
                break
    entries = query(
        gateways.ledger,
        "SELECT status = 'blocked', count(*), sum(cost_pico_usd > 0) FROM entry"
        f" WHERE agent_id = 'seven.{kind}' GROUP BY 1",
    )
    assert entries == [(0, FITTING, FITTING), (1, CALLS - FITTING, 0)]


async def test_what_is_held_and_spent_never_passes_the_limit(gateways: Gateways) -> None:
    """Seen by a third process, at every commit it can see."""
    ends = asyncio.Event()
    seen = 0

    async def watch() -> None:
        nonlocal seen
        while not ends.is_set():
            settled, held = standings(gateways.ledger).get("money", (0, 0))
            assert settled + held <= PICO_PER_USD // 200
            seen += 1
            await asyncio.sleep(0)

    watching = asyncio.create_task(watch())
    async with aiohttp.ClientSession() as session:
        for _ in range(5):
            await asyncio.gather(
                *(
                    call(session, url, "money.agent", f"money-{number}")
                    for number in range(40)
                    for url in gateways.urls
                )
            )
    ends.set()
    await watching
    settled, held = standings(gateways.ledger)["money"]
    assert seen > 5
    assert held == 0
    assert 0 < settled <= PICO_PER_USD // 200
    blocked = "SELECT count(*) FROM entry WHERE team = 'money' AND status = 'blocked'"
    assert query(gateways.ledger, blocked) != [(0,)]


def test_sdks_raise_what_they_should(gateways: Gateways) -> None:
    url = gateways.urls[0]
    told = {"x-agent-id": "nothing.agent"}
    with pytest.raises(openai.RateLimitError) as of_openai:
        openai.OpenAI(
            base_url=f"{url}/openai/v1", api_key="sk-test", default_headers=told
        ).chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hi"}])
    with pytest.raises(anthropic.RateLimitError):
        anthropic.Anthropic(
            base_url=f"{url}/anthropic", api_key="sk-test", default_headers=told
        ).messages.create(
            model="claude-haiku-4-5", max_tokens=9, messages=[{"role": "user", "content": "hi"}]
        )
    google_client = genai.Client(
        api_key="sk-test", http_options={"base_url": f"{url}/genai", "headers": told}
    )
    with pytest.raises(google.genai.errors.ClientError) as of_google:
        google_client.models.generate_content(model="gemini-2.5-flash", contents="hi")
    google_client.close()
    bedrock = boto3.client(
        "bedrock-runtime",
        endpoint_url=f"{url}/bedrock",
        region_name="us-east-1",
        aws_access_key_id="AKIDTEST",
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1}),
    )
    bedrock.meta.events.register("before-send.*", lambda request, **_: request.headers.update(told))
    with pytest.raises(botocore.exceptions.ClientError) as of_aws:
        bedrock.converse(
            modelId="amazon.nova-lite-v1:0",
            messages=[{"role": "user", "content": [{"text": "hi"}]}],
        )

    error = of_openai.value
    assert error.code == "budget_exceeded"
    assert "budget 'nothing' has no room for this call: limit 0.000000000001 USD" in str(error)
    assert 0 < int(error.response.headers["retry-after"]) <= 86_400
    assert error.response.headers["x-modelmeter-budget"] == "nothing"
    assert (
        "unit=usd;limit=0.000000000001;spent=0;reserved=0"
        in (error.response.headers["x-modelmeter-budget-stands"])
    )
    assert of_google.value.code == 429
    assert of_aws.value.response["Error"]["Code"] == "ThrottlingException"
    # Told not to, the SDKs have not tried again.
    refused = "SELECT provider, count(*), sum(cost_pico_usd) FROM entry WHERE team = 'nothing'"
    assert query(gateways.ledger, f"{refused} AND status = 'blocked' GROUP BY 1 ORDER BY 1") == [
        (provider, 1, 0) for provider in ("anthropic", "bedrock", "genai", "openai")
    ]


async def test_a_call_whose_room_is_held_for_another_is_tried_again_and_made(
    gateways: Gateways,
) -> None:
    """By the SDK itself, told to; the other call is over by then."""
    asked: dict[str, object] = {
        "model": "gpt-4o-mini",
        "max_tokens": 50,
        "messages": [{"role": "user", "content": "[[simulate output=20 token_ms=25]]"}],
    }
    headers = {**HEADERS, "x-agent-id": "waiting.agent"}
    client = openai.AsyncOpenAI(
        base_url=f"{gateways.urls[0]}/openai/v1", api_key="sk-test", default_headers=headers
    )
    async with aiohttp.ClientSession() as session:
        url = f"{gateways.urls[1]}/openai/v1/chat/completions"
        async with session.post(url, json={**asked, "stream": True}, headers=headers) as first:
            assert first.status == 200, await first.text()
            await first.content.readany()
            async with session.post(url, json=asked, headers=headers) as refused:
                assert refused.status == 429
                assert refused.headers["x-should-retry"] == "true"
                assert refused.headers["retry-after"] == "1"
            waiting = asyncio.create_task(
                client.chat.completions.create(
                    model="gpt-4o-mini",
                    max_tokens=50,
                    messages=[{"role": "user", "content": "hi"}],
                )
            )
            await first.read()
            answer = await waiting
    await client.close()

    assert answer.choices
    statuses = "SELECT status, count(*) FROM entry WHERE team = 'waiting' GROUP BY 1 ORDER BY 1"
    assert query(gateways.ledger, statuses) == [("blocked", 2), ("success", 2)]


async def test_a_downgraded_call_says_so_everywhere(gateways: Gateways) -> None:
    bodies = {
        "/openai/v1/chat/completions": {
            "model": "gpt-4o",
            "messages": [{"role": "user", "content": "hi"}],
            "user": "kept",
        },
        "/genai/v1beta/models/gemini-2.5-pro:generateContent": {
            "contents": [{"role": "user", "parts": [{"text": "hi"}]}]
        },
    }
    async with aiohttp.ClientSession() as session:
        for path, body in bodies.items():
            async with session.post(
                gateways.urls[0] + path,
                json=body,
                headers={**HEADERS, "x-agent-id": "cheaper.agent", "x-goog-api-key": "sk-test"},
            ) as answer:
                text = await answer.text()
                assert answer.status == 200, text
                headers = answer.headers
            assert headers["x-modelmeter-downgraded-by"] == "cheaper"
            requested = headers["x-modelmeter-model-requested"]
            used = headers["x-modelmeter-model-used"]
            assert (requested, used) in (
                ("gpt-4o", "gpt-4o-mini"),
                ("gemini-2.5-pro", "gemini-2.5-flash"),
            )
            assert used in text

    entries = query(
        gateways.ledger,
        "SELECT model_requested, model, cost_pico_usd > 0 FROM entry WHERE team = 'cheaper'"
        " ORDER BY seq",
    )
    assert entries == [("gpt-4o", "gpt-4o-mini", 1), ("gemini-2.5-pro", "gemini-2.5-flash", 1)]


async def test_the_gauges_and_counters_are_those_of_the_ledger(gateways: Gateways) -> None:
    wanted = {
        ("llm_budget_limit_usd", "money"): 0.005,
        ("llm_budget_spent_usd", "nothing"): 0.0,
        ("llm_budget_reserved_usd", "money"): 0.0,
        ("llm_budget_blocked_total", "nothing"): 4.0,
        ("llm_budget_downgraded_total", "cheaper"): 2.0,
        ("modelmeter_budget_drift", "money"): 0.0,
        ("modelmeter_budget_drift", "seven-left"): 0.0,
    }
    shown: dict[tuple[str, str], float] = {}
    async with asyncio.timeout(WAIT_SECONDS_MAX), aiohttp.ClientSession() as session:
        while not wanted.items() <= shown.items():
            await asyncio.sleep(0.1)
            async with session.get(f"{gateways.urls[1]}/metrics") as answer:
                families = text_string_to_metric_families(await answer.text())
            shown = {
                (sample.name, sample.labels["budget"]): sample.value
                for family in families
                for sample in family.samples
                if "budget" in sample.labels
            }
    assert ("llm_budget_limit_usd", "seven-whole") not in shown


async def test_a_budget_set_by_command_holds_from_a_gateways_next_call_on(
    gateways: Gateways,
) -> None:
    async with aiohttp.ClientSession() as session:
        assert await call(session, gateways.urls[0], "late.agent", "late-1") == 200
        await _command(gateways, "set", "late", "--team", "late", "--limit-calls", "2")
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            statuses = [
                await call(session, url, "late.agent", f"late-{number}")
                for number, url in enumerate(gateways.urls * 2)
            ]

    assert statuses == [200, 429, 429, 429]
    assert json.loads(_list(gateways))[0]["name"] == "cheaper"


async def test_each_change_by_command_is_seen_by_the_very_next_call_of_both_gateways(
    gateways: Gateways,
) -> None:
    """Set, raised, lowered, removed: neither gateway lets a call by, nor refuses one, in vain."""

    async def next_calls() -> list[int]:
        return [await call(session, url, "often.agent", "often") for url in gateways.urls]

    async with aiohttp.ClientSession() as session, asyncio.timeout(WAIT_SECONDS_MAX):
        await _command(gateways, "set", "often", "--team", "often", "--limit", "0.000000001")
        assert await next_calls() == [429, 429]
        await _command(gateways, "set", "often", "--team", "often", "--limit", "1")
        assert await next_calls() == [200, 200]
        await _command(gateways, "set", "often", "--team", "often", "--limit-calls", "2")
        assert await next_calls() == [429, 429]
        await _command(gateways, "remove", "often")
        assert await next_calls() == [200, 200]


async def _command(gateways: Gateways, *words: str) -> None:
    """`modelmeter budget …`, in a process of its own."""
    done = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "modelmeter", "budget", *words, "--ledger", str(gateways.ledger),
        stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert await done.wait() == 0


def _list(gateways: Gateways) -> str:
    words = ["budget", "list", "--json", "--ledger", str(gateways.ledger)]
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    return result.output
