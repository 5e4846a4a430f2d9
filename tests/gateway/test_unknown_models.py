"""Calls of models without a known price, where the operator wants them refused."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from ledger_file import query
from running import GatewayProcess, SimulatorProcess, gateway_config

REFUSE = '\n[prices]\nunknown_models = "refuse"\n'


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("unknown")
    simulator = SimulatorProcess(folder)
    simulator.start()
    config = gateway_config(folder, simulator.url)
    config.write_text(config.read_text() + REFUSE)
    process = GatewayProcess(config)
    try:
        process.start()
        yield process
    finally:
        process.kill()
        simulator.kill()


def post(url: str, body: dict[str, object]) -> tuple[int, dict[str, object]]:
    headers = {"content-type": "application/json", "authorization": "Bearer x", "x-api-key": "x"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


MESSAGES = [{"role": "user", "content": "hello"}]


def test_a_model_without_a_price_is_refused_in_the_provider_s_shape(
    gateway: GatewayProcess,
) -> None:
    openai = post(
        f"{gateway.url}/openai/v1/chat/completions", {"model": "gpt-99", "messages": MESSAGES}
    )
    anthropic = post(
        f"{gateway.url}/anthropic/v1/messages",
        {"model": "claude-zeta-9", "messages": MESSAGES, "max_tokens": 5},
    )

    assert (openai[0], anthropic[0]) == (400, 400)
    error = openai[1]["error"]
    assert isinstance(error, dict)
    assert error["code"] == "unknown_model"
    assert "'gpt-99'" in error["message"]
    assert anthropic[1]["type"] == "error"


def test_a_model_with_a_price_is_called(gateway: GatewayProcess) -> None:
    status, _ = post(
        f"{gateway.url}/openai/v1/chat/completions", {"model": "gpt-4o", "messages": MESSAGES}
    )

    assert status == 200


def test_nothing_that_was_refused_went_upstream(gateway: GatewayProcess) -> None:
    ledger = gateway.log.parent / "ledger.db"

    models = {model for (model,) in query(ledger, "SELECT model FROM entry")}
    with urllib.request.urlopen(f"{gateway.url}/metrics", timeout=20) as answer:
        metrics = answer.read().decode()

    assert models <= {"gpt-4o"}
    assert 'modelmeter_refused_requests_total{code="unknown_model"' in metrics
