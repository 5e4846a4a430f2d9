"""A stream that writes more than was held for it is ended there, as one that met its limit."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import openai
import pytest
from endless_model import EVENT, HELD, WATCHED, chunked, gateway_before
from hypothesis import given
from hypothesis import strategies as st
from ledger_file import query

from modelmeter.budgets.used_up import CHARACTERS_PER_TOKEN_MAX
from modelmeter.meter.hold_watch import TAIL_BYTES_MAX, HoldWatch
from modelmeter.providers import AnswerHead, RequestFacts, ResponseFacts, dialect_for
from modelmeter.providers.framing import Framing
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
    Framing.EVENTS: b"data: one\n\nevent: two\r\ndata: 2\r\n\r\n: comment\n\ndata: three\r\r",
    Framing.MESSAGES: MESSAGE * 3,
}


@given(
    framing=st.sampled_from(list(STREAMS)),
    cuts=st.lists(st.integers(0, 400), max_size=8),
)
def test_a_watched_stream_passes_whole_in_whole_events(framing: Framing, cuts: list[int]) -> None:
    stream = STREAMS[framing] + b"a piece"
    places = sorted({0, len(stream), *(cut % len(stream) for cut in cuts)})
    watch = HoldWatch(BOUND, framing)

    passed = b""
    for start, end in pairwise(places):
        passed += watch.pass_on(stream[start:end])
        if framing is Framing.MESSAGES:
            assert len(passed) % len(MESSAGE) == 0
        else:
            assert not passed or passed[-2:] in (b"\n\n", b"\r\r") or passed.endswith(b"\r\n\r\n")

    assert passed + watch.rest() == stream


def test_an_event_without_end_passes_in_pieces_and_is_not_cut() -> None:
    watch = HoldWatch(BOUND, Framing.EVENTS)
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
    assert HoldWatch(BOUND, Framing.EVENTS).is_used_up(seen) is is_used_up


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
    head = AnswerHead(200, [(b"content-type", content_type.encode())])
    final = dialect.final_event(request, head, ResponseFacts(tokens=TokenCounts(output=11)))
    observer = dialect.observe(request, head)

    assert observer.feed(final) == final
    observer.end()
    assert observer.facts().error_type is None
    assert observer.facts().ended or kind == "bedrock"
    assert b"max" in final.lower() or b"length" in final


@pytest.fixture(name="url")
def gateway_before_an_endless_model(tmp_path: Path) -> Iterator[str]:
    talk = EVENT * TOO_MANY_EVENTS + b"data: [DONE]\n\n"
    models = {
        "endless": chunked(b"text/event-stream", EVENT * EVENTS, PIECE_BYTES),
        "talkative": chunked(b"text/event-stream", talk, PIECE_BYTES),
    }
    with gateway_before(models, tmp_path) as url:
        yield url


@pytest.mark.parametrize("base", ["v1", "openai/v1"])
def test_a_model_that_heeds_no_limit_is_cut_with_a_proper_end_and_recorded(
    url: str, tmp_path: Path, base: str
) -> None:
    """Also behind the one API for all."""
    model = "openai/gpt-4o-mini" if base == "v1" else "gpt-4o-mini"
    with openai.OpenAI(base_url=f"{url}/{base}", api_key="sk-test", default_headers=HELD) as client:
        chunks = list(
            client.chat.completions.create(
                model=model,
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
        base_url=f"{url}/{base}", api_key="sk-test", default_headers=WATCHED
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
