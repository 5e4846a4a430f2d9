"""With gateway keys: callers are who their key says, and no secret goes where it must not."""

import base64
import hashlib
import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from ledger_file import query
from running import GatewayProcess, SimulatorProcess, gateway_config

GATEWAY_KEY = "mm-c0ffee-canary-gateway-secret"
READER_KEY = "mm-readers-canary-reader-secret"
PROVIDER_KEY = "sk-canary-provider-secret"
PROMPT = "canary-prompt-text"
VERSION = {"anthropic-version": "2023-06-01"}
"""Anthropic answers 400 without it; the others let it pass."""

CALLS = {
    "openai": ("/openai/v1/chat/completions", {"model": "gpt-4o"}, "authorization"),
    "anthropic": ("/anthropic/v1/messages", {"model": "claude-haiku-4-5"}, "x-api-key"),
    "genai": ("/genai/v1beta/models/gemini-2.5-flash:generateContent", {}, "x-goog-api-key"),
    "bedrock": ("/bedrock/model/amazon.nova-lite-v1%3A0/converse", {}, "authorization"),
}


def configuration(folder: Path, simulator: str) -> Path:
    """A gateway with two keys, and the operator's own key for each provider."""
    path = gateway_config(folder, simulator)
    text = path.read_text()
    for name in ("openai", "anthropic", "genai", "bedrock", "local"):
        text = text.replace(
            f"[providers.{name}]\n", f'[providers.{name}]\napi_key = "env:PROVIDER_KEY"\n'
        )
    digest = hashlib.sha256(GATEWAY_KEY.encode()).hexdigest()
    path.write_text(
        f'{text}\n[[keys]]\nid = "c0ffee"\nsha256 = "{digest}"\ntenant_id = "acme"\n'
        'agents = ["meetmind.*"]\n'
        f'[[keys]]\nid = "readers"\nsha256 = "{hashlib.sha256(READER_KEY.encode()).hexdigest()}"\n'
        'scopes = ["read"]\n'
    )
    return path


def post(url: str, body: dict[str, object], headers: dict[str, str]) -> tuple[int, bytes]:
    """Status and body of a POST."""
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"content-type": "application/json", **headers}
    )
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def get(url: str, key: str) -> tuple[int, bytes]:
    """Status and body of a GET with a gateway key."""
    request = urllib.request.Request(url, headers={"authorization": f"Bearer {key}"} if key else {})
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def body_of(name: str) -> dict[str, object]:
    """A request in each dialect."""
    body: dict[str, object] = dict(CALLS[name][1])
    if name == "genai":
        return {**body, "contents": [{"role": "user", "parts": [{"text": PROMPT}]}]}
    if name == "bedrock":
        return {**body, "messages": [{"role": "user", "content": [{"text": PROMPT}]}]}
    if name == "anthropic":
        body["max_tokens"] = 50
    return {**body, "messages": [{"role": "user", "content": PROMPT}]}


def answer_id(answer: bytes) -> str:
    """The simulator's id of an answer, from its body."""
    decoded = json.loads(answer)
    return str(decoded.get("responseId") or decoded["id"])


@pytest.mark.timeout(120)
def test_keys_name_the_caller_and_secrets_stay_where_they_belong(tmp_path: Path) -> None:
    simulator = SimulatorProcess(tmp_path)
    simulator.start()
    gateway = GatewayProcess(configuration(tmp_path, simulator.url), {"PROVIDER_KEY": PROVIDER_KEY})
    try:
        gateway.start()
        for name, (path, _, header) in CALLS.items():
            value = f"Bearer {GATEWAY_KEY}" if header == "authorization" else GATEWAY_KEY
            caller = {header: value, "x-agent-id": "meetmind.notes", **VERSION}
            status, answer = post(gateway.url + path, body_of(name), caller)
            assert (name, status) == (name, 200)
            if name != "bedrock":
                check_upstream_headers(simulator.url, answer_id(answer))
            status, answer = post(gateway.url + path, body_of(name), {header: "mm-c0ffee-wrong"})
            assert (name, status) == (name, 401)
            assert GATEWAY_KEY.encode() not in answer
        shown = {
            name: get(f"{gateway.url}/metrics", key)
            for name, key in (("none", ""), ("caller", GATEWAY_KEY), ("reader", READER_KEY))
        }
        assert gateway.stop() == 0
    finally:
        gateway.kill()
        simulator.kill()

    entries = query(tmp_path / "ledger.db", "SELECT tenant_id, agent_id, key_id FROM entry")
    assert entries == [("acme", "meetmind.notes", "c0ffee")] * 4
    kept = [path.read_bytes() for path in tmp_path.glob("ledger.db*") if path.is_file()]
    assert {name: status for name, (status, _) in shown.items()} == {
        "none": 401,
        "caller": 403,
        "reader": 200,
    }
    assert b"llm_requests_total" in shown["reader"][1]
    kept += [gateway.log.read_bytes(), *(content for _, content in shown.values())]
    for secret in (GATEWAY_KEY, READER_KEY, PROVIDER_KEY, PROMPT):
        for form in forms_of(secret):
            assert not any(form in content for content in kept)


def test_a_call_without_a_key_for_its_provider_leaves_nothing_open(tmp_path: Path) -> None:
    simulator = SimulatorProcess(tmp_path)
    simulator.start()
    config = configuration(tmp_path, simulator.url)
    own = '[providers.openai]\napi_key = "env:PROVIDER_KEY"\n'
    assert own in config.read_text()
    config.write_text(config.read_text().replace(own, "[providers.openai]\n"))
    gateway = GatewayProcess(config, {"PROVIDER_KEY": PROVIDER_KEY})
    path, _, header = CALLS["openai"]
    caller = {header: f"Bearer {GATEWAY_KEY}", "x-agent-id": "meetmind.notes"}
    try:
        gateway.start()
        answers = [post(gateway.url + path, body_of("openai"), caller) for _ in range(3)]
        served = post(gateway.url + "/up/local/v1/chat/completions", body_of("openai"), caller)
        assert gateway.stop() == 0
    finally:
        gateway.kill()
        simulator.kill()

    assert [status for status, _ in answers] == [503] * 3
    assert served[0] == 200
    assert all(b"provider_key_missing" in answer for _, answer in answers)
    ledger = tmp_path / "ledger.db"
    assert query(ledger, "SELECT count(*) FROM open_call") == [(0,)]
    assert query(ledger, "SELECT count(*) FROM entry") == [(1,)]


def test_many_wrong_keys_from_one_address_are_told_to_wait(tmp_path: Path) -> None:
    simulator = SimulatorProcess(tmp_path)
    simulator.start()
    config = configuration(tmp_path, simulator.url)
    config.write_text(config.read_text() + "\n[limits]\nwrong_keys_per_minute_max = 5\n")
    gateway = GatewayProcess(config, {"PROVIDER_KEY": PROVIDER_KEY})
    path, _, header = CALLS["openai"]
    try:
        gateway.start()
        found = [
            post(gateway.url + path, body_of("openai"), {header: f"Bearer mm-{number}-wrong"})
            for number in range(8)
        ]
        right = {header: f"Bearer {GATEWAY_KEY}", "x-agent-id": "meetmind.notes"}
        status, _ = post(gateway.url + path, body_of("openai"), right)
        assert gateway.stop() == 0
    finally:
        gateway.kill()
        simulator.kill()

    assert [status for status, _ in found] == [401] * 5 + [429] * 3
    assert json.loads(found[-1][1])["error"]["code"] == "too_many_wrong_keys"
    assert json.loads(found[-1][1])["error"]["type"] == "rate_limit_error"
    assert status == 200
    assert query(tmp_path / "ledger.db", "SELECT count(*) FROM entry") == [(1,)]


def test_every_door_counts_wrong_keys_by_one_clock(tmp_path: Path) -> None:
    """A door that asks another one would start the minute anew, or make it last for years."""
    config = configuration(tmp_path, "http://127.0.0.1:9")
    config.write_text(config.read_text() + "\n[limits]\nwrong_keys_per_minute_max = 5\n")
    gateway = GatewayProcess(config, {"PROVIDER_KEY": PROVIDER_KEY})
    paths = [*["/openai/v1/models"] * 4, "/metrics", "/api/v1/summary", "/v1/models"]
    paths += ["/metrics", "/openai/v1/models", "/api/v1/summary"]
    found = []
    try:
        gateway.start()
        for path in paths:
            request = urllib.request.Request(
                gateway.url + path, headers={"authorization": "Bearer mm-c0ffee-wrong"}
            )
            with pytest.raises(urllib.error.HTTPError) as raised:
                urllib.request.urlopen(request)
            with raised.value as answer:
                found.append((path, answer.code, answer.headers["retry-after"]))
        assert gateway.stop() == 0
    finally:
        gateway.kill()

    assert [status for _, status, _ in found] == [401] * 5 + [429] * 5
    assert all(wait is None for _, _, wait in found[:5])
    assert all(1 <= int(wait or 0) <= 60 for _, _, wait in found[5:])


def check_upstream_headers(simulator: str, call_id: str) -> None:
    """The provider got the operator's key and nothing of the gateway's."""
    with urllib.request.urlopen(f"{simulator}/simulator/headers/{call_id}") as response:
        seen = response.read()
    assert PROVIDER_KEY.encode() in seen
    assert b"canary-gateway" not in seen
    assert b"meetmind.notes" not in seen


def forms_of(secret: str) -> list[bytes]:
    """A secret as it is, and as it might be written in disguise."""
    plain = secret.encode()
    return [plain, plain[-8:], base64.b64encode(plain)[:12], plain.hex().encode()[:16]]
