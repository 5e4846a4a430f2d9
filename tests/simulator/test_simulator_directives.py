"""What a prompt can ask of the simulator, and what that looks like on the wire."""

import http.client
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulator_client import Client, client_fixture, simulator_fixture

from modelmeter.simulator.directive import (
    NOTHING_ASKED,
    Directive,
    DirectiveError,
    find_directive,
    parse_directive,
)

_FIXTURES = (
    client_fixture,
    simulator_fixture,
)

EVERY_DIRECTIVE = {
    "status": "429",
    "error": "overloaded",
    "retry_after": "-1",
    "first_token_ms": "5",
    "token_ms": "5",
    "output": "5",
    "input": "5",
    "cached": "5",
    "cache_write": "5",
    "cache_write_1h": "5",
    "reasoning": "5",
    "cut_after_chunks": "5",
    "stall_after_chunks": "5",
    "error_after_chunks": "5",
    "slice": "5",
    "broken_json": None,
    "no_usage": None,
    "usage_invalid": "negative",
    "html": None,
    "empty": None,
    "redirect": "http://169.254.169.254/latest?a=b",
    "set_cookie": None,
    "tool": None,
    "body_bytes": "5",
}


def events_of(body: bytes) -> list[bytes]:
    return [event.removeprefix(b"data: ") for event in body.split(b"\n\n") if event]


def test_every_key_of_a_directive_can_be_stated() -> None:
    text = " ".join(
        key if value is None else f"{key}={value}" for key, value in EVERY_DIRECTIVE.items()
    )

    directive = parse_directive(text)

    assert set(EVERY_DIRECTIVE) == set(Directive.__struct_fields__)
    for key in EVERY_DIRECTIVE:
        assert getattr(directive, key) != getattr(NOTHING_ASKED, key)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("colour=red", "colour"),
        ("status=429 status=500", "status"),
        ("status=200", "status"),
        ("status=4e2", "status"),
        ("status", "status"),
        ("output=-1", "output"),
        ("error=bored", "error"),
        ("usage_invalid=odd", "usage_invalid"),
        ("html=1", "html"),
        ("slice=0", "slice"),
        ("Status=429", "Status=429"),
        ("=3", "=3"),
        ("x" * 2001, "2000"),
    ],
)
def test_wrong_directive_is_refused_by_name(text: str, named: str) -> None:
    with pytest.raises(DirectiveError, match=named):
        parse_directive(text)


@given(st.text())
def test_any_text_is_a_directive_or_refused(text: str) -> None:
    try:
        directive = parse_directive(text)
    except DirectiveError:
        return
    assert isinstance(directive, Directive)


@given(st.binary(), st.booleans(), st.binary())
def test_any_body_holds_a_directive_or_none(before: bytes, opens: bool, after: bytes) -> None:
    body = before + b"[[simulate" * opens + after
    try:
        directive = find_directive(b"/openai/v1", body)
    except DirectiveError:
        assert b"[[simulate" in body
        return
    assert b"[[simulate" in body or directive == NOTHING_ASKED


def test_last_directive_of_a_conversation_counts() -> None:
    body = b'{"messages": ["[[simulate status=500]]", "then [[simulate output=3]]"]}'

    assert find_directive(b"/", body) == Directive(output=3)


def test_directive_may_stand_in_a_models_name(client: Client) -> None:
    in_body = client.chat("", model="gpt-4o [[simulate status=403]]")
    in_path = client.post(
        "/genai/v1beta/models/gemini-2.5-flash%5B%5Bsimulate%20status=403%5D%5D:generateContent",
        {"contents": [{"parts": [{"text": "Hello"}]}]},
    )

    assert [in_body.status, in_path.status] == [403, 403]


def test_directive_may_stand_in_a_header_which_counts_first(client: Client) -> None:
    assert client.chat("status=500", {"x-simulate": "status=403"}).status == 403


@pytest.mark.parametrize("directive", ["colour=red", "status=1", "output"])
def test_unknown_directive_is_answered_with_400_that_names_it(
    client: Client, directive: str
) -> None:
    reply = client.chat(directive)

    assert reply.status == 400
    assert directive.partition("=")[0].encode() in reply.body


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 418, 429, 500, 502, 503, 529, 599])
def test_status_is_answered_as_asked(client: Client, status: int) -> None:
    reply = client.chat(f"status={status} retry_after=1000000000")

    assert reply.status == status
    assert reply.headers["retry-after"] == "1000000000"
    assert set(reply.json()) == {"error"}


def test_first_token_is_as_late_as_asked(client: Client) -> None:
    began = time.monotonic()
    client.chat("first_token_ms=120 output=1")
    whole = time.monotonic() - began
    began = time.monotonic()
    client.chat("first_token_ms=120 status=500")

    assert whole >= 0.12
    assert time.monotonic() - began >= 0.12


@pytest.mark.parametrize("streamed", [False, True])
def test_tokens_are_as_slow_as_asked(client: Client, streamed: bool) -> None:
    began = time.monotonic()
    client.chat("token_ms=10 output=20", stream=streamed)

    assert time.monotonic() - began >= 0.2


@pytest.mark.parametrize("chunks", [0, 1, 5])
def test_stream_is_cut_after_as_many_chunks_as_asked(client: Client, chunks: int) -> None:
    reply = client.chat(f"output=20 cut_after_chunks={chunks}", stream=True)

    assert not reply.complete
    assert reply.body.count(b"data: ") == chunks


def test_whole_body_is_cut_at_any_byte(client: Client) -> None:
    reply = client.chat("slice=10 cut_after_chunks=3")

    assert not reply.complete
    assert len(reply.body) == 30


def test_stream_stalls_and_keeps_the_connection(client: Client) -> None:
    connection = http.client.HTTPConnection(client.url.removeprefix("http://"), timeout=0.3)
    prompt = {"role": "user", "content": "[[simulate output=20 stall_after_chunks=2]]"}
    body = msgspec.json.encode({"model": "gpt-4o", "messages": [prompt], "stream": True})
    connection.request("POST", "/openai/v1/chat/completions", body)
    response = connection.getresponse()
    seen = response.readline() + response.readline() + response.readline() + response.readline()

    with pytest.raises(TimeoutError):
        response.read(1)
    connection.close()
    assert seen.count(b"data: ") == 2


def test_slices_add_up_to_the_same_stream(client: Client) -> None:
    prompt = [{"role": "user", "content": "Tell me."}]
    body = {"model": "gpt-4o", "messages": prompt, "stream": True}
    path = "/openai/v1/chat/completions"

    replies = [
        client.post(path, body, {"x-simulate": directive})
        for directive in ("output=20", "output=20 slice=1", "output=20 slice=1000")
    ]

    texts = set()
    for reply in replies:
        events = [msgspec.json.decode(event) for event in events_of(reply.body)[:-1]]
        texts.add("".join(event["choices"][0]["delta"].get("content", "") for event in events))
    assert len(texts) == 1


def test_broken_json_breaks_one_event_and_leaves_the_rest(client: Client) -> None:
    whole = client.chat("broken_json")
    stream = client.chat(
        "broken_json output=20", stream=True, stream_options={"include_usage": True}
    )

    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(whole.body)
    assert whole.complete
    events = events_of(stream.body)[:-1]
    broken = []
    for event in events:
        try:
            msgspec.json.decode(event)
        except msgspec.DecodeError:
            broken.append(event)
    assert len(broken) == 1
    assert b'"completion_tokens":20' in events[-1]


REQUESTS: dict[str, tuple[str, dict[str, object]]] = {
    "openai": (
        "/openai/v1/chat/completions",
        {"model": "gpt-4o", "messages": [{"role": "user", "content": "a"}]},
    ),
    "responses": ("/openai/v1/responses", {"model": "gpt-4o", "input": "a"}),
    "embeddings": ("/openai/v1/embeddings", {"model": "text-embedding-3-small", "input": "a"}),
    "anthropic": (
        "/anthropic/v1/messages",
        {
            "model": "claude-haiku-4-5",
            "max_tokens": 9,
            "messages": [{"role": "user", "content": "a"}],
        },
    ),
    "bedrock": (
        "/bedrock/model/amazon.nova-lite-v1%3A0/converse",
        {"messages": [{"role": "user", "content": [{"text": "a"}]}]},
    ),
    "genai": (
        "/genai/v1beta/models/gemini-2.5-flash:generateContent",
        {"contents": [{"parts": [{"text": "a"}], "role": "user"}]},
    ),
}


@pytest.mark.parametrize("provider", REQUESTS)
def test_usage_is_left_out_or_spoilt_as_asked(client: Client, provider: str) -> None:
    def answered(directive: str) -> bytes:
        path, body = REQUESTS[provider]
        headers = {"anthropic-version": "2023-06-01", "x-simulate": directive}
        reply = client.post(path, body, headers)
        assert reply.status == 200
        return reply.body.replace(b" ", b"")

    counts = "input=11 cached=22 output=33"

    for count in (b":11", b":22", b":33"):
        assert count not in answered(f"no_usage {counts}")
    assert b":-11" in answered(f"usage_invalid=negative {counts}") or (
        b":-33" in answered(f"usage_invalid=negative {counts}")
    )
    assert b':"11"' in answered(f"usage_invalid=string {counts}") or (
        b':"33"' in answered(f"usage_invalid=string {counts}")
    )
    assert answered(f"usage_invalid=contradictory {counts}") != answered(counts)


@pytest.mark.parametrize("streamed", [False, True])
def test_html_and_empty_bodies_come_with_200(client: Client, streamed: bool) -> None:
    html = client.chat("html", stream=streamed)
    empty = client.chat("empty", stream=streamed)

    assert html.status == 200
    assert html.headers["content-type"].startswith("text/html")
    assert html.body.startswith(b"<!doctype html>")
    assert (empty.status, empty.body, empty.complete) == (200, b"", True)


def test_redirect_and_cookie_are_sent(client: Client) -> None:
    away = client.chat("redirect=http://169.254.169.254/latest?a=b")
    cookie = client.chat("set_cookie")

    assert away.status == 307
    assert away.headers["location"] == "http://169.254.169.254/latest?a=b"
    assert cookie.status == 200
    assert cookie.headers["set-cookie"].startswith("__cf_bm=")


def test_tool_is_called_when_the_request_has_none(client: Client) -> None:
    assert b'"finish_reason":"tool_calls"' in client.chat("tool").body


@pytest.mark.parametrize("streamed", [False, True])
def test_answer_is_as_huge_as_asked(client: Client, streamed: bool) -> None:
    reply = client.chat("body_bytes=3000000", stream=streamed)

    assert reply.complete
    assert 3_000_000 < len(reply.body) < 3_010_000


def test_counts_are_disjoint_and_unstated_ones_of_a_side_are_zero(client: Client) -> None:
    usage = client.chat("input=10 output=20", model="o3").json()["usage"]

    assert isinstance(usage, dict)
    assert usage["prompt_tokens"] == 10
    assert usage["completion_tokens"] == 20
    assert usage["prompt_tokens_details"]["cached_tokens"] == 0
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 0
