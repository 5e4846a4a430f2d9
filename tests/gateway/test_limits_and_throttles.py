"""Throttles, and limits of output under budgets, as callers and their SDKs see them."""

import base64
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anthropic
import msgspec
import openai
import pytest
from ledger_file import check_ledger, query
from running import GatewayProcess, SimulatorProcess, gateway_config
from simulator_client import Client, Reply

MESSAGES = [{"role": "user", "content": "Say hello."}]
CHAT = "/openai/v1/chat/completions"
AT_ONCE = 12
SECONDS_MAX = 60.0

TABLES = """
[budgeting]
output_tokens_default = 300
clamp_output = true
clamped_output_tokens_min = 20

[[budgets]]
name = "tight"
agent = "tight.*"
window = "month"
limit_usd = "0.0002"

[[budgets]]
name = "wide"
agent = "wide.*"
window = "month"
limit_usd = "1000000"

[[budgets]]
name = "watched"
agent = "watched.*"
window = "month"
limit_usd = "0.000001"
at_limit = "alert"

[[throttles]]
name = "one-at-once"
agent = "lone.*"
concurrent_calls = 1

[[throttles]]
name = "two-a-minute"
agent = "slow.*"
calls_per_minute = 2

[[throttles]]
name = "in-turn"
agent = "patient.*"
concurrent_calls = 1
queue_seconds = 30
queue_max = 100

[[throttles]]
name = "short-patience"
agent = "hasty.*"
concurrent_calls = 1
queue_seconds = 0.3
"""


class Place(msgspec.Struct):
    """A gateway, the simulator behind it, and the ledger."""

    url: str
    gateway: Client
    simulator: Client
    ledger: Path

    def chat(self, agent: str, directive: str = "", **fields: object) -> Reply:
        """One chat completion."""
        content = f"Say hello. [[simulate {directive}]]" if directive else "Say hello."
        message = {"role": "user", "content": content}
        return self.post(agent, {"model": "gpt-4o-mini", "messages": [message], **fields})

    def post(self, agent: str, body: object, path: str = CHAT) -> Reply:
        """One request of any body."""
        headers = {
            "content-type": "application/json",
            "x-agent-id": agent,
            "authorization": "Bearer sk-simulated",
            "anthropic-version": "2023-06-01",
        }
        return self.gateway.post(path, body, headers, timeout=60)

    def served(self) -> int:
        """How many calls came upstream."""
        calls = self.simulator.get("/simulator/served").json()["calls"]
        assert isinstance(calls, list)
        return len(calls)

    def entries(self, agent: str) -> list[tuple[object, ...]]:
        """Status, error and cost of an agent's calls."""
        return query(
            self.ledger,
            "SELECT status, error_type, cost_pico_usd FROM entry"
            f" WHERE agent_id = '{agent}' ORDER BY seq",
        )


@pytest.fixture(scope="module", name="place")
def place_fixture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Everything that is tested here, in one gateway."""
    folder = tmp_path_factory.mktemp("limits")
    simulator = SimulatorProcess(folder)
    simulator.start()
    config = gateway_config(folder, simulator.url)
    config.write_text(config.read_text() + TABLES)
    gateway = GatewayProcess(config)
    try:
        gateway.start()
        yield Place(gateway.url, Client(gateway.url), Client(simulator.url), folder / "ledger.db")
        assert gateway.stop() == 0
    finally:
        gateway.kill()
        simulator.kill()
    check_ledger(folder / "ledger.db")
    assert query(folder / "ledger.db", "SELECT count(*) FROM throttle_hold") == [(0,)]
    assert b"Traceback" not in gateway.log.read_bytes()


def sent(place: Place, reply: Reply) -> bytes:
    """The body that came upstream for an answer."""
    page = place.simulator.get(f"/simulator/headers/{reply.json()['id']}").json()
    return base64.b64decode(str(page["body_base64"]))


def wait_for_a_call(place: Place, agent: str) -> None:
    """Until a call of an agent is open."""
    deadline = time.monotonic() + SECONDS_MAX
    while time.monotonic() < deadline:
        if query(place.ledger, f"SELECT 1 FROM open_call WHERE agent_id = '{agent}'"):
            return
    raise AssertionError("no call was opened")


@pytest.mark.parametrize("agent", ["free.agent", "watched.agent"])
def test_calls_that_nothing_can_stop_pass_unchanged(place: Place, agent: str) -> None:
    body = b'{"model": "gpt-4o-mini", "n": 1, "messages": [{"role":"user","content":"h\\u0069"}]}'

    reply = place.post(agent, body)

    assert sent(place, reply) == body
    assert "x-modelmeter-output-limit" not in reply.headers


def test_a_request_without_a_limit_gets_one_and_is_told(place: Place) -> None:
    reply = place.chat("wide.agent")

    assert json.loads(sent(place, reply))["max_completion_tokens"] == 300
    assert reply.headers["x-modelmeter-output-limit"] == "300"


def test_a_request_with_a_limit_of_its_own_keeps_it(place: Place) -> None:
    body = msgspec.json.encode({"model": "gpt-4o", "messages": MESSAGES, "max_tokens": 7})

    reply = place.post("wide.agent", body)

    assert sent(place, reply) == body
    assert "x-modelmeter-output-limit" not in reply.headers


@pytest.mark.parametrize("value", [10**6, -1, 0, "10", 2**63])
def test_a_number_of_answers_that_nobody_gives_is_refused(place: Place, value: object) -> None:
    before = place.served()

    reply = place.chat("wide.agent", n=value)

    assert reply.status == 400
    assert b"n must be a whole number from 1 to 128" in reply.body
    assert place.served() == before


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/openai/v1/embeddings", {"model": "text-embedding-3-small", "input": "hello"}),
        ("/openai/v1/responses", {"model": "gpt-5-mini", "input": "hello"}),
        ("/anthropic/v1/messages", {"model": "claude-haiku-4-5", "max_tokens": 50}),
        ("/genai/v1beta/models/gemini-2.5-flash:generateContent", {}),
        ("/bedrock/model/amazon.nova-lite-v1%3A0/converse", {}),
    ],
)
def test_every_dialect_takes_the_limit_that_it_gets(
    place: Place, path: str, body: dict[str, object]
) -> None:
    asks: dict[str, object] = {"messages": MESSAGES} if "messages" in path else {}
    if "genai" in path:
        asks = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}
    if "bedrock" in path:
        asks = {"messages": [{"role": "user", "content": [{"text": "hello"}]}]}

    reply = place.post("wide.agent", {**body, **asks}, path)

    assert reply.status == 200
    limited = "embeddings" not in path and "max_tokens" not in body
    assert ("x-modelmeter-output-limit" in reply.headers) == limited


def test_a_limit_is_lowered_to_what_is_left_and_then_calls_are_refused(place: Place) -> None:
    limits = []
    while (reply := place.chat("tight.agent", max_completion_tokens=5000)).status == 200:
        assert reply.headers["x-modelmeter-output-limit-for"] == "tight"
        limits.append(int(reply.headers["x-modelmeter-output-limit"]))
        assert json.loads(sent(place, reply))["max_completion_tokens"] == limits[-1]

    assert limits == sorted(limits, reverse=True)
    assert 20 <= limits[-1] < limits[0] < 5000
    assert (reply.status, b"budget 'tight' has no room" in reply.body) == (429, True)
    entries = place.entries("tight.agent")
    # One entry a request, however often its limit was tried.
    assert [entry[0] for entry in entries] == ["success"] * len(limits) + ["blocked"]
    assert sum(int(str(entry[2])) for entry in entries) <= 200_000_000


def test_calls_that_come_too_fast_are_refused_in_the_providers_own_shape(place: Place) -> None:
    assert [place.chat("slow.agent").status for _ in range(2)] == [200, 200]
    before = place.served()
    agent = {"x-agent-id": "slow.agent"}

    with pytest.raises(openai.RateLimitError, match="two-a-minute") as of_openai:
        openai.OpenAI(
            api_key="sk", base_url=f"{place.url}/openai/v1", max_retries=0, default_headers=agent
        ).chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "Say hello."}]
        )
    with pytest.raises(anthropic.RateLimitError, match="two-a-minute"):
        anthropic.Anthropic(
            api_key="sk", base_url=f"{place.url}/anthropic", max_retries=0, default_headers=agent
        ).messages.create(
            model="claude-haiku-4-5",
            max_tokens=9,
            messages=[{"role": "user", "content": "Say hello."}],
        )

    assert of_openai.value.code == "throttled"
    assert 1 <= int(of_openai.value.response.headers["retry-after"]) <= 61
    assert of_openai.value.response.headers["x-modelmeter-throttle"] == "two-a-minute"
    assert place.served() == before
    assert place.entries("slow.agent")[2:] == [("blocked", "throttled", 0)] * 2
    metrics = place.gateway.get("/metrics").body
    assert b'llm_throttled_total{agent_id="slow.agent"}' in metrics


def test_of_calls_at_once_the_second_is_refused_until_the_first_ends(place: Place) -> None:
    with ThreadPoolExecutor() as pool:
        first = pool.submit(place.chat, "lone.agent", "first_token_ms=4000")
        wait_for_a_call(place, "lone.agent")
        assert place.chat("lone.agent").status == 429
        assert first.result().status == 200

    assert place.chat("lone.agent").status == 200


def test_calls_that_wait_for_their_turn_are_all_made(place: Place) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        replies = [pool.submit(place.chat, "patient.agent") for _ in range(AT_ONCE)]

    assert {reply.result().status for reply in replies} == {200}
    # Nothing is kept of the refusals in between.
    assert [entry[0] for entry in place.entries("patient.agent")] == ["success"] * AT_ONCE


def test_a_call_whose_patience_ends_is_refused_and_entered_once(place: Place) -> None:
    with ThreadPoolExecutor() as pool:
        first = pool.submit(place.chat, "hasty.agent", "first_token_ms=4000")
        wait_for_a_call(place, "hasty.agent")
        assert place.chat("hasty.agent").status == 429
        assert first.result().status == 200

    assert sorted(str(entry[0]) for entry in place.entries("hasty.agent")) == ["blocked", "success"]


def test_a_caller_that_leaves_while_it_waits_has_no_call_made(place: Place) -> None:
    before = place.served()
    with ThreadPoolExecutor() as pool:
        first = pool.submit(place.chat, "patient.other", "first_token_ms=4000")
        wait_for_a_call(place, "patient.other")
        with pytest.raises(TimeoutError):
            place.gateway.post(
                CHAT,
                {"model": "gpt-4o-mini", "messages": MESSAGES},
                {"content-type": "application/json", "x-agent-id": "patient.other"},
                timeout=0.3,
            )
        assert first.result().status == 200

    assert place.chat("patient.other").status == 200
    assert place.served() == before + 2


def test_the_unified_api_is_under_the_same_limits_and_throttles(place: Place) -> None:
    body = {"model": "openai/gpt-4o-mini", "messages": MESSAGES}

    told = place.post("wide.agent", body, "/v1/chat/completions")
    slowed = [place.post("slow.other", body, "/v1/chat/completions").status for _ in range(3)]

    assert (told.status, told.headers["x-modelmeter-output-limit"]) == (200, "300")
    assert slowed[-1] == 429
