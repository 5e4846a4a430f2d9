"""What is refused before any route is found: the SDKs' own errors, and counted like the rest."""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest
from botocore.exceptions import ClientError
from gateway_under_test import UnderTest, under_test
from google import genai
from google.genai import errors, types
from sdk_clients import ask_anthropic, ask_bedrock, ask_genai, ask_openai, bedrock_client
from test_bad_requests import BROKEN_HTTP, CHAT, HOST, exchange, post, served

_FIXTURES = under_test

WITH_UNDERSCORE = {"x_agent_id": "meetmind.notes"}
TOO_LARGE = {"x-trace": "a" * 70_000}
TOO_MANY = {f"x-h{number}": "1" for number in range(101)}
HEADERS = {
    "header_name_invalid": (400, WITH_UNDERSCORE),
    "headers_too_large": (431, TOO_LARGE),
    "headers_too_many": (431, TOO_MANY),
}
COUNTED = re.compile(
    rb'^modelmeter_refused_requests_total\{code="(\w+)",pid="\d+"\} (\d+)', re.MULTILINE
)


def told_by_openai(url: str, headers: dict[str, str]) -> tuple[int, str, str]:
    """Status, message and code of the error that OpenAI's SDK raises."""
    client = openai.OpenAI(
        base_url=f"{url}/openai/v1", api_key="sk-1", max_retries=0, default_headers=headers
    )
    with pytest.raises(openai.APIStatusError) as raised:
        ask_openai(client, "hi")
    return raised.value.status_code, str(raised.value), str(raised.value.code)


def told_by_anthropic(url: str, headers: dict[str, str]) -> tuple[int, str, str]:
    """The same of Anthropic's SDK."""
    client = anthropic.Anthropic(
        base_url=f"{url}/anthropic", api_key="sk-2", max_retries=0, default_headers=headers
    )
    with pytest.raises(anthropic.APIStatusError) as raised:
        ask_anthropic(client, "hi")
    body: Any = raised.value.body
    assert body["type"] == "error"
    return raised.value.status_code, body["error"]["message"], body["error"]["code"]


def told_by_genai(url: str, headers: dict[str, str]) -> tuple[int, str, str]:
    """The same of Google's SDK."""
    options = types.HttpOptions(base_url=f"{url}/genai", headers=headers)
    with pytest.raises(errors.ClientError) as raised:
        ask_genai(genai.Client(api_key="k", http_options=options), "hi")
    details: Any = raised.value.details
    return raised.value.code, str(raised.value.message), details["error"]["details"][0]["reason"]


def told_by_boto3(url: str, headers: dict[str, str]) -> tuple[int, str, str]:
    """The same of boto3, whose errors have the name of an exception of AWS instead of a code."""
    client = bedrock_client(url)

    def add(request: Any, **_: object) -> None:
        for name, value in headers.items():
            request.headers[name] = value

    client.meta.events.register("before-send.bedrock-runtime.Converse", add)
    with pytest.raises(ClientError) as raised:
        ask_bedrock(client, "hi")
    assert raised.value.response["Error"]["Code"] == "ValidationException"
    status = raised.value.response["ResponseMetadata"]["HTTPStatusCode"]
    return status, raised.value.response["Error"]["Message"], ""


SDKS: dict[str, Callable[[str, dict[str, str]], tuple[int, str, str]]] = {
    "openai": told_by_openai,
    "anthropic": told_by_anthropic,
    "genai": told_by_genai,
    "bedrock": told_by_boto3,
}


def counted(under_test: UnderTest) -> dict[str, int]:
    """How often each code was answered, as the metrics say."""
    with urllib.request.urlopen(f"{under_test.gateway}/metrics") as answer:
        return {code.decode(): int(count) for code, count in COUNTED.findall(answer.read())}


@pytest.mark.parametrize("code", HEADERS)
@pytest.mark.parametrize("sdk", SDKS)
def test_an_sdk_raises_its_own_error_for_headers_that_are_refused(
    under_test: UnderTest, sdk: str, code: str
) -> None:
    before = served(under_test)
    status, headers = HEADERS[code]

    told = SDKS[sdk](under_test.gateway, headers)

    assert told[0] == status
    assert "header" in told[1]
    assert told[2] in (code, "")
    assert served(under_test) == before


@pytest.mark.parametrize("path", ["/up/nobody/v1", "/up", "/openai", "/v1", "/openai/v1/.."])
def test_openais_sdk_raises_its_own_error_for_an_address_that_is_wrong(
    under_test: UnderTest, path: str
) -> None:
    """A base URL that misses the doors is the first mistake that anybody makes."""
    client = openai.OpenAI(base_url=under_test.gateway + path, api_key="sk-1", max_retries=0)

    with pytest.raises(openai.APIStatusError) as raised:
        client.responses.create(model="gpt-4o-mini", input="hi")

    assert raised.value.code in ("not_found", "invalid_path")
    assert raised.value.type in ("not_found_error", "invalid_request_error")


def test_a_target_that_is_too_long_is_told_in_each_dialect(under_test: UnderTest) -> None:
    client = openai.OpenAI(base_url=f"{under_test.gateway}/openai/v1", api_key="k", max_retries=0)
    with pytest.raises(openai.APIStatusError, match="too long") as raised:
        client.models.retrieve("m" * 9_000)
    assert (raised.value.status_code, raised.value.code) == (414, "target_too_long")

    for start, shape in (
        (b"/anthropic/v1/", b'{"type":"error","error":{"type":"invalid_request_error"'),
        (b"/genai/v1beta/", b'"reason":"target_too_long"'),
        (b"/bedrock/model/", b"x-amzn-errortype: ValidationException"),
        (b"/up/local/v1/", b'"type":"invalid_request_error"'),
        (b"/healthz", b'{"error":{"message":"the request\'s target is too long","code":'),
    ):
        target = start + b"m" * 9_000
        answer = exchange(under_test.gateway, b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n")
        assert answer.startswith(b"HTTP/1.1 414 ")
        assert shape in answer


REFUSED = {
    "header_repeated": CHAT + HOST + HOST + b"\r\n",
    "header_name_invalid": CHAT + HOST + b"x_agent: a\r\n\r\n",
    "headers_too_large": CHAT + HOST + b"x-long: " + b"a" * 70_000 + b"\r\n\r\n",
    "headers_too_many": CHAT + HOST + b"".join(b"x-h%d: 1\r\n" % n for n in range(101)) + b"\r\n",
    "host_missing": CHAT + b"\r\n",
    "http_invalid": BROKEN_HTTP["noise"],
    "invalid_path": post(b"{}", path=b"/openai/v1/../admin"),
    "method_not_allowed": b"POST /metrics HTTP/1.1\r\n" + HOST + b"content-length: 0\r\n\r\n",
    "not_found": post(b"{}", path=b"/up/nobody/v1/chat/completions"),
    "request_timeout": CHAT + HOST + b"x-slow: ",
    "target_too_long": b"GET /openai/v1/" + b"m" * 9_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "transfer_encoding_unsupported": (
        CHAT + HOST + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"
    ),
    "upgrade_unsupported": b"CONNECT gateway:443 HTTP/1.1\r\n" + HOST + b"\r\n",
    "host_not_allowed": b"GET /metrics HTTP/1.1\r\nhost: evil.example\r\n\r\n",
    "invalid_parameter": b"GET /api/v1/summary?window=x HTTP/1.1\r\nhost: localhost\r\n\r\n",
}


@pytest.mark.parametrize("code", REFUSED)
def test_every_refusal_is_counted_once_by_its_code(under_test: UnderTest, code: str) -> None:
    before = counted(under_test)

    answer = exchange(under_test.gateway, REFUSED[code])

    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == code
    assert counted(under_test) == {**before, code: before.get(code, 0) + 1}


@pytest.mark.parametrize("path", ["/metrics", "/", "/api/v1/summary"])
@pytest.mark.parametrize("host", ["evil.example", "evil.example:4000", "127.0.0.1.evil.example"])
def test_without_keys_nothing_is_shown_under_another_name(
    under_test: UnderTest, path: str, host: str
) -> None:
    """A site elsewhere can have its name point here, and read what its visitor's browser gets."""
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(
            urllib.request.Request(under_test.gateway + path, headers={"host": host})
        )

    assert raised.value.code == 421
    assert json.load(raised.value)["error"]["code"] == "host_not_allowed"


@pytest.mark.parametrize("host", ["localhost", "localhost.:1", "127.9.9.9", "[::1]:4000"])
def test_without_keys_metrics_are_shown_under_this_machines_names(
    under_test: UnderTest, host: str
) -> None:
    request = b"GET /metrics HTTP/1.1\r\nhost: " + host.encode() + b"\r\n\r\n"

    assert exchange(under_test.gateway, request).startswith(b"HTTP/1.1 200 ")


def test_a_body_that_breaks_http_is_told_in_the_dialect_of_its_path(under_test: UnderTest) -> None:
    head = (
        b"POST /anthropic/v1/messages HTTP/1.1\r\n" + HOST + b"transfer-encoding: chunked\r\n\r\n"
    )

    answer = exchange(under_test.gateway, head + b"0x10\r\n{}\r\n0\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'{"type":"error","error":{"type":"invalid_request_error"' in answer
    assert b'"code":"http_invalid"' in answer
