"""A stream that writes more than was held for it is ended there, as one that met its limit."""

import socket
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_file import check_ledger, query
from odd_upstream import OddUpstream
from running import GatewayProcess, gateway_config

from modelmeter.budgets.used_up import CHARACTERS_PER_TOKEN_MAX
from modelmeter.gateway.hold_watch import TAIL_BYTES_MAX, HoldWatch
from modelmeter.providers import AnswerHead, RequestFacts, ResponseFacts, dialect_for
from modelmeter.record import CallBound, Operation, PicoUsd, TokenCounts
from modelmeter.wire.event_stream import encode_event_stream_message

SERVER_SENT = "text/event-stream; charset=utf-8"
AWS = "application/vnd.amazon.eventstream"
BOUND = CallBound(cost=PicoUsd(10**12), tokens=1010, output_tokens=10)
EVENTS = 40_000
TOO_MANY_EVENTS = 4_000
PIECE_BYTES = 7_000
MESSAGE = encode_event_stream_message({":event-type": "contentBlockDelta"}, b"{}")
STREAMS = {
    SERVER_SENT: b"data: one\n\nevent: two\r\ndata: 2\r\n\r\n: comment\n\ndata: three\r\r",
    AWS: MESSAGE * 3,
}


@given(
    content_type=st.sampled_from(sorted(STREAMS)),
    cuts=st.lists(st.integers(0, 400), max_size=8),
)
def test_a_watched_stream_passes_whole_in_whole_events(content_type: str, cuts: list[int]) -> None:
    stream = STREAMS[content_type] + b"a piece"
    places = sorted({0, len(stream), *(cut % len(stream) for cut in cuts)})
    watch = HoldWatch(BOUND, content_type)

    passed = b""
    for start, end in pairwise(places):
        passed += watch.pass_on(stream[start:end])
        if content_type == AWS:
            assert len(passed) % len(MESSAGE) == 0
        else:
            assert not passed or passed[-2:] in (b"\n\n", b"\r\r") or passed.endswith(b"\r\n\r\n")

    assert passed + watch.rest() == stream


def test_an_event_without_end_passes_in_pieces_and_is_not_cut() -> None:
    watch = HoldWatch(BOUND, SERVER_SENT)
    long = b"x" * (TAIL_BYTES_MAX + 1)

    assert watch.pass_on(long) == long
    assert not watch.is_used_up(ResponseFacts(output_characters=10**9))
    assert watch.pass_on(b"\n\n") == b"\n\n"
    assert watch.is_used_up(ResponseFacts(output_characters=10**9))


@pytest.mark.parametrize(
    ("seen", "is_used_up"),
    [
        (ResponseFacts(), False),
        (ResponseFacts(tokens=TokenCounts(input=5000, output=6, reasoning=4)), False),
        (ResponseFacts(tokens=TokenCounts(output=6, reasoning=5)), True),
        (ResponseFacts(output_characters=10 * CHARACTERS_PER_TOKEN_MAX), False),
        (ResponseFacts(output_characters=10 * CHARACTERS_PER_TOKEN_MAX + 1), True),
    ],
)
def test_a_hold_is_used_up_by_counts_or_by_far_too_much_text(
    seen: ResponseFacts, is_used_up: bool
) -> None:
    assert HoldWatch(BOUND, SERVER_SENT).is_used_up(seen) is is_used_up


@pytest.mark.parametrize(
    ("kind", "operation", "content_type"),
    [
        ("openai", Operation.CHAT, SERVER_SENT),
        ("openai", Operation.TEXT_COMPLETION, SERVER_SENT),
        ("openai", Operation.RESPONSES, SERVER_SENT),
        ("anthropic", Operation.MESSAGES, SERVER_SENT),
        ("genai", Operation.GENERATE_CONTENT, SERVER_SENT),
        ("bedrock", Operation.CONVERSE, AWS),
    ],
)
def test_the_final_event_is_read_as_a_proper_end(
    kind: str, operation: Operation, content_type: str
) -> None:
    dialect = dialect_for(kind)
    request = RequestFacts(
        operation=operation,
        model="some-model",
        streamed=True,
        output_tokens_max=10,
        upstream_body=b"{}",
    )
    final = dialect.final_event(request, ResponseFacts(tokens=TokenCounts(output=11)))
    head = AnswerHead(200, [(b"content-type", content_type.encode())])
    observer = dialect.observe(request, head)

    assert observer.feed(final) == final
    observer.end()
    assert observer.facts().error_type is None
    assert observer.facts().ended or kind == "bedrock"
    assert b"max" in final.lower() or b"length" in final


HELD = {"x-team": "held"}
EVENT = (
    b'data: {"id":"chatcmpl-odd","object":"chat.completion.chunk","created":1,"model":'
    b'"gpt-4o-mini","choices":[{"index":0,"delta":{"content":"word "},"finish_reason":null}]}'
    b"\n\n"
)


def endless(connection: socket.socket) -> bool:
    """A stream that heeds no limit, whose events come in pieces."""
    connection.sendall(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    stream = EVENT * EVENTS
    for start in range(0, len(stream), PIECE_BYTES):
        piece = stream[start : start + PIECE_BYTES]
        connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
    return False


def talkative(connection: socket.socket) -> bool:
    """A stream that heeds no limit, but comes to its end."""
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
    connection.sendall(EVENT * TOO_MANY_EVENTS + b"data: [DONE]\n\n")
    return False


BUDGETS = """
[[budgets]]
name = "all"
team = "held"
window = "day"
limit_usd = "5"

[[budgets]]
name = "watched"
team = "watched"
window = "day"
limit_usd = "5"
at_limit = "alert"
"""


@pytest.fixture(name="url")
def gateway_before_an_endless_model(tmp_path: Path) -> Iterator[str]:
    upstream = OddUpstream({"endless": endless, "talkative": talkative})
    config = gateway_config(tmp_path, upstream.url)
    config.write_text(config.read_text() + BUDGETS)
    gateway = GatewayProcess(config)
    try:
        gateway.start()
        yield gateway.url
        assert gateway.stop() == 0
    finally:
        gateway.kill()
        upstream.close()
    check_ledger(tmp_path / "ledger.db")
    assert b"Traceback" not in gateway.log.read_bytes()


def test_the_one_api_for_all_ends_such_a_stream_with_an_error(url: str, tmp_path: Path) -> None:
    with (
        openai.OpenAI(
            base_url=f"{url}/v1", api_key="sk-test", max_retries=0, default_headers=HELD
        ) as client,
        pytest.raises(openai.APIError, match="more than was held"),
    ):
        list(
            client.chat.completions.create(
                model="openai/gpt-4o-mini",
                max_tokens=10,
                user="endless",
                stream=True,
                messages=[{"role": "user", "content": "hi"}],
            )
        )

    entries = query(tmp_path / "ledger.db", "SELECT status, error_type, note FROM entry")
    note = "cut where it had used up what was held for it"
    assert entries == [("error", "budget_exceeded", note)]


def test_a_model_that_heeds_no_limit_is_cut_with_a_proper_end_and_recorded(
    url: str, tmp_path: Path
) -> None:
    with openai.OpenAI(
        base_url=f"{url}/openai/v1", api_key="sk-test", default_headers=HELD
    ) as client:
        chunks = list(
            client.chat.completions.create(
                model="gpt-4o-mini",
                max_tokens=10,
                user="endless",
                stream=True,
                messages=[{"role": "user", "content": "hi"}],
            )
        )

    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "length"
    assert 160 < len(text) < EVENTS * len("word ") // 2
    entries = query(
        tmp_path / "ledger.db",
        "SELECT status, error_type, tokens_output > 10, note FROM entry",
    )
    assert entries == [
        ("error", "budget_exceeded", 1, "cut where it had used up what was held for it")
    ]


@pytest.mark.parametrize("answers", [1, -1])
@pytest.mark.parametrize("base", ["v1", "openai/v1"])
def test_a_budget_that_only_alerts_cuts_no_stream(
    url: str, tmp_path: Path, base: str, answers: int
) -> None:
    """However much is written, and whatever is asked for."""
    model = "openai/gpt-4o-mini" if base == "v1" else "gpt-4o-mini"
    with openai.OpenAI(
        base_url=f"{url}/{base}", api_key="sk-test", default_headers={"x-team": "watched"}
    ) as client:
        chunks = list(
            client.chat.completions.create(
                model=model,
                max_tokens=10,
                n=answers,
                user="talkative",
                stream=True,
                messages=[{"role": "user", "content": "hi"}],
            )
        )

    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == "word " * TOO_MANY_EVENTS
    assert query(tmp_path / "ledger.db", "SELECT status, error_type FROM entry") == [
        ("success", None)
    ]
