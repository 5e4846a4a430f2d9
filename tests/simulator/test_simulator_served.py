"""What the simulator remembers of its calls, and whom it lets in."""

import base64
import hashlib

import pytest
from simulator_client import Client, client_fixture, run_simulator, simulator_fixture

from modelmeter.simulator import served as served_module
from modelmeter.simulator.exchange import HttpRequest
from modelmeter.simulator.served import ServedCall, ServedLog
from modelmeter.simulator.server import SimulatorServer
from modelmeter.simulator.settings import SimulatorSettings

_FIXTURES = (
    client_fixture,
    simulator_fixture,
)


def test_sent_bytes_are_told_exactly(client: Client) -> None:
    for streamed in (False, True):
        reply = client.chat("output=30 slice=7", stream=streamed)
        told = client.get(f"/simulator/sent/{reply.headers['x-request-id']}").json()

        assert told["sha256"] == hashlib.sha256(reply.body).hexdigest()
        assert told["length"] == len(reply.body)
        assert base64.b64decode(str(told["body_base64"])) == reply.body


def test_a_call_is_found_by_the_id_in_its_body(client: Client) -> None:
    reply = client.chat("output=3", {"x-client-request-id": "mine", "x-agent-id": "a.b"})
    identity = reply.json()["id"]

    came = client.get(f"/simulator/headers/{identity}").json()
    headers = came["headers"]
    assert isinstance(headers, dict)
    assert headers["x-agent-id"] == "a.b"
    assert came["path"] == "/openai/v1/chat/completions"
    assert b"simulate" in base64.b64decode(str(came["body_base64"]))

    listed = client.get("/simulator/served").json()["calls"]
    assert isinstance(listed, list)
    (call,) = [each for each in listed if each["response_id"] == identity]
    assert call["id"] == "mine"
    assert (call["provider"], call["model"], call["http_status"]) == ("openai", "gpt-4o", 200)
    assert call["completed"] is True


def test_calls_that_broke_off_are_not_completed(simulator: SimulatorServer, client: Client) -> None:
    before = simulator.served.count
    client.chat("output=9 cut_after_chunks=2", stream=True)
    client.chat("status=500")

    assert simulator.served.count == before + 2
    assert [call.completed for call in simulator.served][-2:] == [False, True]


def test_client_that_leaves_is_noticed(simulator: SimulatorServer, client: Client) -> None:
    with pytest.raises(TimeoutError):
        client.post(
            "/openai/v1/chat/completions",
            {
                "model": "gpt-4o",
                "messages": [{"role": "user", "content": "[[simulate first_token_ms=60000]]"}],
            },
            timeout=0.1,
        )
    client.chat("output=1")

    *_, left, _ = simulator.served
    assert left.http_status is None
    assert not left.completed


def test_unknown_ids_and_pages_are_not_found(client: Client) -> None:
    for path in ("/simulator/sent/nonesuch", "/simulator/headers/nonesuch", "/simulator/other"):
        assert client.get(path).status == 404
    assert client.get("/nobody/v1/models").status == 404
    assert client.get("/openai/v1/nothing").status == 404


GOOD = "sk-good"
DOORS = [
    ("/openai/v1/models", "authorization", "Bearer {}", 401),
    ("/up/v1/models", "api-key", "{}", 401),
    ("/anthropic/v1/models", "x-api-key", "{}", 401),
    ("/anthropic/v1/models", "authorization", "Bearer {}", 401),
    ("/genai/v1beta/models", "x-goog-api-key", "{}", 400),
]


@pytest.fixture(scope="module")
def guarded() -> object:
    with run_simulator(SimulatorSettings(required_keys=(GOOD, "mm-listed"))) as server:
        yield server


@pytest.mark.parametrize(("path", "header", "form", "refused"), DOORS)
def test_only_required_keys_are_let_in(
    guarded: SimulatorServer, path: str, header: str, form: str, refused: int
) -> None:
    client = Client(guarded.url)

    def status(key: str | None) -> int:
        headers = {} if key is None else {header: form.format(key)}
        return client.send("GET", path, b"", headers, 10.0).status

    assert status(GOOD) == 200
    assert status("sk-bad") == refused
    assert status(None) == refused
    assert status("mm-listed") == refused


@pytest.mark.parametrize(("path", "header", "form", "refused"), DOORS)
def test_gateway_keys_are_never_let_in(
    client: Client, path: str, header: str, form: str, refused: int
) -> None:
    def status(key: str) -> int:
        return client.send("GET", path, b"", {header: form.format(key)}, 10.0).status

    assert status("mm-secret") == refused
    assert status("anything") == 200


def test_bedrock_access_keys_are_checked(guarded: SimulatorServer) -> None:
    client = Client(guarded.url)
    body = {"messages": [{"role": "user", "content": [{"text": "a"}]}]}

    def status(key: str) -> int:
        signed = f"AWS4-HMAC-SHA256 Credential={key}/20261101/us-east-1/bedrock/aws4_request"
        path = "/bedrock/model/amazon.nova-lite-v1%3A0/converse"
        return client.post(path, body, {"authorization": signed}).status

    assert status(GOOD) == 200
    assert status("AKIAOTHER") == 403


def made_call(log: ServedLog, number: int, size: int) -> ServedCall:
    request = HttpRequest("POST", (), b"/", b"", {}, b"q" * size)
    call = ServedCall("openai", request, f"req_{number}")
    log.open(call)
    log.name(call, f"id_{number}")
    call.add_sent(b"a" * size)
    log.close(call)
    return call


def test_memory_of_calls_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served_module, "CALLS_MAX", 10)
    monkeypatch.setattr(served_module, "KEPT_BYTES_MAX", 1_000)
    log = ServedLog()
    calls = [made_call(log, number, 100) for number in range(25)]

    assert log.count == 25
    assert list(log) == calls[15:]
    assert log.find("id_14") is None
    assert log.find("req_14") is None
    assert log.find("id_24") is calls[24]
    assert [call.sent is not None for call in calls] == [False] * 20 + [True] * 5
    assert sum(call.kept_bytes for call in calls) == 1_000


def test_longest_bodies_are_only_digested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served_module, "BODY_BYTES_MAX", 10)
    at_limit, beyond = (made_call(ServedLog(), 1, size) for size in (10, 11))

    assert at_limit.sent == bytearray(b"a" * 10)
    assert beyond.sent is None
    assert beyond.sent_report()["length"] == 11
    assert beyond.sent_sha256 == hashlib.sha256(b"a" * 11).hexdigest()
