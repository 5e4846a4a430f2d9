"""Hostile requests: a clear error, nothing lost, no upstream called, and the gateway lives on."""

import hashlib
import json
import socket
import urllib.request
from urllib.parse import urlsplit

import pytest
from gateway_under_test import UnderTest, under_test
from ledger_file import query

_FIXTURES = under_test

CHAT = b"POST /openai/v1/chat/completions HTTP/1.1\r\n"
HOST = b"host: gateway\r\n"
JSON = b"content-type: application/json\r\n"
GOOD_BODY = b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"hi"}]}'
ANSWER_SECONDS_MAX = 6.0


def exchange(url: str, request: bytes) -> bytes:
    """What the gateway answers to raw bytes until it closes or falls silent."""
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port), ANSWER_SECONDS_MAX) as connection:
        connection.sendall(request)
        answer = b""
        while b"\r\n\r\n" not in answer or not _whole(answer):
            chunk = connection.recv(65536)
            if not chunk:
                break
            answer += chunk
        return answer


def _whole(answer: bytes) -> bool:
    head, _, body = answer.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.partition(b":")[2])
    return body.endswith(b"0\r\n\r\n")


def status_of(answer: bytes) -> int:
    """The status of a raw answer."""
    return int(answer.split(b" ", 2)[1])


def served(under_test: UnderTest) -> int:
    """How many calls reached the upstream."""
    with urllib.request.urlopen(f"{under_test.simulator}/simulator/served") as response:
        count: int = json.load(response)["served"]
        return count


def post(body: bytes, *headers: bytes, path: bytes = b"/openai/v1/chat/completions") -> bytes:
    """A raw POST with a length."""
    extra = b"".join(header + b"\r\n" for header in headers)
    length = b"content-length: %d\r\n" % len(body)
    return b"POST " + path + b" HTTP/1.1\r\n" + HOST + JSON + length + extra + b"\r\n" + body


BROKEN_HTTP = {
    "length and chunks": (
        CHAT + HOST + JSON + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "two lengths": CHAT + HOST + JSON + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}",
    "two equal lengths": CHAT + HOST + JSON + b"content-length: 2\r\ncontent-length: 2\r\n\r\n{}",
    "odd encoding": CHAT + HOST + JSON + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    "tab before colon": CHAT + HOST + JSON + b"transfer-encoding\t: chunked\r\n\r\n0\r\n\r\n",
    "chunk 0x10": CHAT + HOST + JSON + b"transfer-encoding: chunked\r\n\r\n0x10\r\n{}\r\n0\r\n\r\n",
    "chunk -1": CHAT + HOST + JSON + b"transfer-encoding: chunked\r\n\r\n-1\r\n{}\r\n0\r\n\r\n",
    "chunk of 17 digits": (
        CHAT + HOST + JSON + b"transfer-encoding: chunked\r\n\r\n" + b"f" * 17 + b"\r\n{}\r\n"
    ),
    "nul in header": CHAT + HOST + b"x-agent-id: a\x00b\r\n\r\n",
    "folded header": CHAT + HOST + b"x-agent-id: a\r\n b\r\ncontent-length: 0\r\n\r\n",
    "bare carriage return": CHAT + HOST + b"x-agent-id: a\rb\r\ncontent-length: 0\r\n\r\n",
    "no host": CHAT + JSON + b"content-length: 0\r\n\r\n",
    "two hosts": CHAT + HOST + HOST + JSON + b"content-length: 0\r\n\r\n",
    "underscore": CHAT + HOST + b"x_agent: a\r\ncontent-length: 0\r\n\r\n",
    "HTTP/0.9": b"GET /metrics\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(60) + b"\r\n\r\n",
    "noise": bytes(range(256)) * 8,
}


@pytest.mark.parametrize("name", BROKEN_HTTP)
def test_broken_http_is_refused_and_the_connection_closed(under_test: UnderTest, name: str) -> None:
    before = served(under_test)

    answer = exchange(under_test.gateway, BROKEN_HTTP[name])

    assert status_of(answer) == 400
    assert b"connection: close" in answer.lower()
    assert served(under_test) == before


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (CHAT + HOST + b"".join(b"x-h%d: 1\r\n" % n for n in range(101)) + b"\r\n", 431),
        (CHAT + HOST + b"x-long: " + b"a" * 70_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
        (post(b"x" * 100_001), 413),
        (CHAT + HOST + JSON + b"transfer-encoding: chunked\r\n\r\n" + b"186a1\r\n" + b"x" * 100_001
         + b"\r\n0\r\n\r\n", 413),
        (post(GOOD_BODY, b"content-encoding: gzip"), 415),
        (post(GOOD_BODY).replace(JSON, b"content-type: multipart/form-data; boundary=-\r\n"), 415),
        (CHAT + HOST + JSON + b"content-length: 50\r\n\r\n{", 408),
        (CHAT + HOST + b"x-slow: ", 408),
    ],
)  # fmt: skip
def test_what_is_too_much_or_too_slow_is_refused(
    under_test: UnderTest, request_bytes: bytes, status: int
) -> None:
    before = served(under_test)

    assert status_of(exchange(under_test.gateway, request_bytes)) == status
    assert served(under_test) == before


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{", b"nonsense", b'{"model": NaN}', b'{"messages": []}', b'{"model": 7}',
        b'{"model": null}', b'{"model": ""}', b'{"model": "a\\nb"}', b'{"model": "\xff"}',
        b'{"model": "' + b"m" * 2100 + b'"}', b"\xef\xbb\xbf" + GOOD_BODY,
        b'{"model": "\\ud800"}', b"[" * 90_000, b'{"a":' * 15_000 + b"1" + b"}" * 15_000,
        b'{"model": "m", "max_tokens": -1}', b'{"model": "m", "max_tokens": 0}',
        b'{"model": "m", "max_tokens": "10"}', b'{"model": "m", "max_tokens": 1e999}',
        b'{"model": "m", "max_tokens": 9223372036854775808}', b'{"model": "m", "stream": "yes"}',
    ],
)  # fmt: skip
def test_a_body_that_asks_nothing_sensible_is_refused(under_test: UnderTest, body: bytes) -> None:
    before = served(under_test)

    answer = exchange(under_test.gateway, post(body))

    assert status_of(answer) == 400
    error = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
    assert error["type"] == "invalid_request_error"
    assert served(under_test) == before


TWO_MEANINGS = {
    "no-utf-8": (b'"user":"\xff"', b"not UTF-8"),
    "infinite": (b'"temperature":1e999', b"out of range"),
    "half-a-character": (b'"user":"\\ud800"', b"half a surrogate pair"),
    "two-models": (b'"model":"gpt-4o","model":"gpt-4o-mini"', b"'model' twice"),
    "two-limits": (b'"max_tokens":1,"max_tokens":9000', b"'max_tokens' twice"),
    "two-streams": (b'"stream":false,"stream":true', b"'stream' twice"),
    "twice-anything": (b'"user":"a","user":"b"', b"'user' twice"),
}


@pytest.mark.parametrize("name", TWO_MEANINGS)
@pytest.mark.parametrize(
    ("path", "shape"),
    [
        (b"/openai/v1/chat/completions", b'"type":"invalid_request_error"'),
        (b"/v1/chat/completions", b'"type":"invalid_request_error"'),
        (b"/anthropic/v1/messages", b'"type":"invalid_request_error"'),
        (b"/genai/v1beta/models/gemini-2.5-flash:generateContent", b'"INVALID_ARGUMENT"'),
        (b"/bedrock/model/amazon.nova-lite-v1%3A0/converse", b"ValidationException"),
    ],
)
def test_a_body_that_others_may_read_differently_is_refused(
    under_test: UnderTest, path: bytes, shape: bytes, name: str
) -> None:
    field, why = TWO_MEANINGS[name]
    model = b"" if name == "two-models" else b',"model":"openai/gpt-4o-mini"'
    body = b'{"messages":[],%b%b}' % (field, model)
    before = served(under_test)

    answer = exchange(under_test.gateway, post(body, path=path))

    assert status_of(answer) == 400
    assert shape in answer
    assert why in answer
    assert served(under_test) == before


@pytest.mark.parametrize(
    "path",
    [
        b"/openai/v1/../admin", b"/openai/v1/%2e%2e/admin", b"/openai/v1//chat/completions",
        b"/openai/v1/chat%00", b"/openai/v1/%zz", b"/openai/v1/a%5c..%5cb", b"/openai/v1/..",
        b"/openai/v1/a%2f..%2fb",
    ],
)  # fmt: skip
def test_a_path_that_leaves_the_upstreams_base_is_refused(
    under_test: UnderTest, path: bytes
) -> None:
    before = served(under_test)

    assert status_of(exchange(under_test.gateway, post(GOOD_BODY, path=path))) == 400
    assert served(under_test) == before


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        (b"/openai/v1/chat/completions/", b'"code":"inexact_path"'),
        (b"/openai/v1/chat/completions;x", b'"code":"inexact_path"'),
        (b"/openai/v1/chat%2fcompletions", b'"code":"inexact_path"'),
        (b"/openai/v1/Chat/Completions", b'"code":"inexact_path"'),
        (b"/anthropic/v1/messages/", b'"type":"not_found_error"'),
        (b"/anthropic/v1/%6dessages", b'"type":"not_found_error"'),
        (b"/genai/v1beta/models/m:generateContent/", b'"status":"NOT_FOUND"'),
        (b"/genai/v1beta/models/m%3AgenerateContent", b'"status":"NOT_FOUND"'),
        (b"/bedrock/model/m/Converse", b"x-amzn-errortype: ResourceNotFoundException"),
        (b"/bedrock/model/m/converse;x", b"x-amzn-errortype: ResourceNotFoundException"),
    ],
)
def test_another_spelling_of_a_metered_path_is_not_found(
    under_test: UnderTest, path: bytes, shape: bytes
) -> None:
    before = served(under_test)

    answer = exchange(under_test.gateway, post(GOOD_BODY, path=path))

    assert status_of(answer) == 404
    assert shape in answer
    assert b"not exactly" in answer
    assert served(under_test) == before


@pytest.mark.parametrize(
    "path",
    [
        b"/bedrock/model/us.anthropic.claude-3-haiku-20240307-v1:0/converse",
        b"/bedrock/model/us.anthropic.claude-3-haiku-20240307-v1%3A0/converse",
        b"/bedrock/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fx/converse",
        b"/genai/v1beta/models/gemini-2.5-flash:generateContent",
    ],
)
def test_a_model_in_a_path_may_hold_colons_and_escapes(under_test: UnderTest, path: bytes) -> None:
    request_id = f"model-{hashlib.sha256(path).hexdigest()[:16]}"
    body = b'{"contents":[{"parts":[{"text":"hi"}]}]}'
    if b"bedrock" in path:
        body = b'{"messages":[{"role":"user","content":[{"text":"hi"}]}]}'

    request = post(body, b"x-request-id: " + request_id.encode(), path=path)

    assert status_of(exchange(under_test.gateway, request)) == 200
    assert [entry[0] for entry in under_test.entries(request_id)] == ["success"]


@pytest.mark.parametrize(
    "path",
    [b"/nothing", b"/OPENAI/v1/chat/completions", b"/openai", b"//metrics", b"/up/nobody/v1/x"],
)
def test_an_unknown_path_is_not_found(under_test: UnderTest, path: bytes) -> None:
    assert status_of(exchange(under_test.gateway, post(GOOD_BODY, path=path))) == 404


def test_a_request_after_a_shorter_body_is_not_read_from_the_rest(under_test: UnderTest) -> None:
    request = post(GOOD_BODY) + b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"

    answer = exchange(under_test.gateway, request)

    assert status_of(answer) == 200


def test_the_caller_chooses_neither_host_nor_tenant_by_body(under_test: UnderTest) -> None:
    body = json.dumps(
        {
            "model": "gpt-4o-mini",
            "messages": [{"role": "user", "content": "hi"}],
            "api_base": "http://169.254.169.254/",
            "base_url": "http://169.254.169.254/",
            "custom_llm_provider": "evil",
            "metadata": {"tenant": "globex"},
        }
    ).encode()
    headers = (b"x-request-id: egress-1", b"x-tenant-id: acme", b"x-forwarded-host: evil")

    answer = exchange(under_test.gateway, post(body, *headers))

    assert status_of(answer) == 200
    assert query(
        under_test.ledger, "SELECT tenant_id, provider FROM entry WHERE request_id = 'egress-1'"
    ) == [("acme", "openai")]


def test_what_is_no_metered_operation_is_relayed_and_counted(under_test: UnderTest) -> None:
    ((before,),) = query(under_test.ledger, "SELECT count(*) FROM entry")
    request = b"GET /openai/v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-test\r\n\r\n"

    answer = exchange(under_test.gateway, request)

    assert status_of(answer) == 200
    assert b'"object"' in answer
    assert query(under_test.ledger, "SELECT count(*) FROM entry") == [(before,)]
    with urllib.request.urlopen(f"{under_test.gateway}/readyz") as response:
        assert response.status == 200
    relayed = query(
        under_test.ledger, "SELECT labels, whole FROM series WHERE kind = 'relayed' AND whole > 0"
    )
    assert ('["openai","2xx"]', 1) in relayed


def test_slow_callers_do_not_hold_up_others(under_test: UnderTest) -> None:
    place = urlsplit(under_test.gateway)
    slow = [socket.create_connection((place.hostname, place.port)) for _ in range(200)]
    try:
        for connection in slow:
            connection.sendall(b"POST /openai/v1/chat/completions HTTP/1.1\r\nhost: ")

        assert status_of(exchange(under_test.gateway, post(GOOD_BODY))) == 200
        for connection in slow:
            connection.settimeout(ANSWER_SECONDS_MAX)
            assert b" 408 " in connection.recv(1024)
    finally:
        for connection in slow:
            connection.close()
