"""Which methods go to a provider: never one whose answer shows what the gateway added."""

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from odd_upstream import OddUpstream
from running import GatewayProcess, gateway_config
from test_early_refusals import COUNTED

PROVIDER_KEY = "sk-canary-provider-secret"
LISTS = {
    "openai": "/openai/v1/files",
    "anthropic": "/anthropic/v1/files",
    "genai": "/genai/v1beta/files",
    "bedrock": "/bedrock/guardrails",
    "named": "/up/local/v1/files",
}
METERED = {
    "openai-chat": "/openai/v1/chat/completions",
    "anthropic-messages": "/anthropic/v1/messages",
    "genai-content": "/genai/v1beta/models/gemini-2.5-flash:generateContent",
    "bedrock-converse": "/bedrock/model/amazon.nova-lite-v1%3A0/converse",
}
SHAPES = {
    "openai": b'"code":"method_not_allowed"',
    "anthropic": b'{"type":"error","error":',
    "genai": b'"reason":"method_not_allowed"',
    "bedrock": b'{"message":',
    "named": b'"code":"method_not_allowed"',
}


class Echo(msgspec.Struct):
    """A gateway in front of an upstream that answers with the head of its request."""

    gateway: str
    upstream: OddUpstream

    def ask(self, method: str, path: str) -> tuple[http.client.HTTPResponse, bytes]:
        """An answer and its body."""
        connection = http.client.HTTPConnection(self.gateway.removeprefix("http://"), timeout=30)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()

    def counted(self) -> int:
        """How often the gateway refused a method."""
        _, shown = self.ask("GET", "/metrics")
        found = {code: int(count) for code, count in COUNTED.findall(shown)}
        return found.get(b"method_not_allowed", 0)


@pytest.fixture(scope="module", name="echo")
def gateway_before_an_echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Echo]:
    folder: Path = tmp_path_factory.mktemp("echo")

    def shows_its_request(connection: socket.socket) -> bool:
        head = upstream.heads["usual"]
        length = b"content-length: %d\r\n\r\n" % len(head)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: message/http\r\n" + length + head)
        return True

    upstream = OddUpstream({"usual": shows_its_request})
    config = gateway_config(folder, upstream.url)
    text = config.read_text()
    for name in ("openai", "anthropic", "genai", "bedrock", "local"):
        table = f"[providers.{name}]\n"
        assert table in text
        text = text.replace(table, f'{table}api_key = "env:PROVIDER_KEY"\n')
    config.write_text(text)
    gateway = GatewayProcess(config, {"PROVIDER_KEY": PROVIDER_KEY})
    try:
        gateway.start()
        yield Echo(gateway.url, upstream)
        assert gateway.stop() == 0
    finally:
        gateway.kill()
        upstream.close()


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "LINK", "PURGE"])
@pytest.mark.parametrize("name", [*LISTS, *METERED])
def test_a_method_that_no_provider_needs_stays_here(echo: Echo, name: str, method: str) -> None:
    echo.upstream.heads.clear()
    before = echo.counted()

    answer, body = echo.ask(method, (LISTS | METERED)[name])

    assert answer.status == 405
    assert SHAPES[name.partition("-")[0]] in body
    assert b"relays GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS" in body
    assert answer.headers["allow"] == "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
    assert echo.upstream.heads == {}
    assert echo.counted() == before + 1


def test_track_is_no_method_at_all(echo: Echo) -> None:
    """The parser of HTTP knows it not."""
    echo.upstream.heads.clear()

    answer, body = echo.ask("TRACK", LISTS["openai"])

    assert (answer.status, json.loads(body)["error"]["code"]) == (400, "http_invalid")
    assert echo.upstream.heads == {}


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("name", LISTS)
def test_what_a_providers_api_uses_is_relayed(echo: Echo, name: str, method: str) -> None:
    echo.upstream.heads.clear()

    answer, _ = echo.ask(method, LISTS[name])

    assert answer.status == 200
    assert echo.upstream.heads["usual"].startswith(method.encode() + b" /")
    assert PROVIDER_KEY.encode() in echo.upstream.heads["usual"]
