"""The usage chunk that only we asked for: asked for, read, hidden; every other byte passes."""

import json
from functools import partial
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from observing import asked, events, observed

from modelmeter.providers import AnswerHead, dialect_for
from modelmeter.providers.openai import stream as stream_module
from modelmeter.record import TokenCounts
from modelmeter.wire.sse import ServerSentEventDecoder

SSE = "text/event-stream"
USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
TOKENS = TokenCounts(input=3, output=4)
TEXT = {"choices": [{"index": 0, "delta": {"content": "Hello."}}], "usage": None}
USAGE_CHUNK = events({"choices": [], "usage": USAGE})

SHOWN = [
    events(TEXT),
    # Azure's first chunk has no choices either.
    events({"choices": [], "prompt_filter_results": []}),
    events({"choices": [], "usage": None}),
    # Some providers put the usage so far into every chunk.
    events({"choices": [{"delta": {"content": "x"}}], "usage": USAGE}),
    events({"choices": [None], "usage": USAGE}),
    events({"error": {"code": "server_error"}}),
    events(b"[DONE]"),
    events(b"no JSON"),
    b": keep-alive\n\n",
    b"event: message\r\nid: 5\r\ndata: {}\r\n\r\n",
    b"\n\n",
    b"data: {\ndata: }\n\n",
]
CUTS = st.lists(st.integers(0, 4000), max_size=8)


@pytest.mark.parametrize("name", ["chat", "completions"])
def test_a_stream_is_made_to_report_its_usage(name: str) -> None:
    facts = asked(name, stream=True, messages=[])

    assert json.loads(facts.upstream_body) == {
        "model": "m", "stream": True, "messages": [], "stream_options": {"include_usage": True},
    }  # fmt: skip
    assert facts.hides_usage_chunk


@pytest.mark.parametrize("options", [None, {}, {"include_usage": False}, {"include_usage": None}])
def test_what_else_the_caller_asked_of_the_stream_stays(options: dict[str, object] | None) -> None:
    more = None if options is None else {**options, "include_obfuscation": False}

    for given_options in (options, more):
        facts = asked("chat", stream=True, stream_options=given_options)

        sent = json.loads(facts.upstream_body)["stream_options"]
        assert sent == {**(given_options or {}), "include_usage": True}
        assert facts.hides_usage_chunk


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("chat", {"stream": True, "stream_options": {"include_usage": True}}),
        ("chat", {"stream": False}),
        ("chat", {"stream": None}),
        ("chat", {}),
        ("responses", {"stream": True}),
        ("embeddings", {}),
    ],
)
def test_nothing_is_added_where_usage_comes_anyway(name: str, fields: dict[str, object]) -> None:
    body = json.dumps({"model": "m", **fields}, indent=1).encode()
    dialect = dialect_for("openai")
    kind = asked(name, **fields).operation

    facts = dialect.read_request(kind, "/", body)

    assert facts.upstream_body is body
    assert not facts.hides_usage_chunk


def test_other_values_of_the_request_go_up_byte_for_byte() -> None:
    body = b' { "model":"m","stream":true,"seed":1e99,"x":1.10,"n":12345678901234567890123 } '
    dialect = dialect_for("openai")
    operation = asked("chat").operation

    sent = dialect.read_request(operation, "/", body).upstream_body

    assert sent.replace(b'"stream_options":{"include_usage":true},', b"") == body


@given(
    st.lists(st.sampled_from([*SHOWN, USAGE_CHUNK]), max_size=8),
    st.sampled_from([b"", b"data: [DONE]", b"data: {", b": cut off", b"\n", b"\r"]),
    CUTS,
)
def test_only_the_usage_chunk_is_hidden_at_any_split(
    events_given: list[bytes], rest: bytes, cuts: list[int]
) -> None:
    parts = [*events_given, rest]

    out, facts = observed("chat", b"".join(parts), content_type=SSE, cuts=cuts, stream=True)

    assert out == b"".join(part for part in parts if part != USAGE_CHUNK)
    whole = observed("chat", b"".join(parts), content_type=SSE, stream=True)[1]
    assert facts == whole
    assert (facts.tokens == TOKENS) == any(b"prompt_tokens" in part for part in parts)


@given(st.lists(st.sampled_from([*SHOWN, USAGE_CHUNK]), max_size=8), CUTS)
def test_nothing_is_hidden_from_who_asked_for_usage(parts: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(parts)
    options = {"include_usage": True}

    out, _ = observed(
        "chat", stream, content_type=SSE, cuts=cuts, stream=True, stream_options=options
    )

    assert out == stream


@given(st.lists(st.sampled_from(SHOWN), max_size=8), CUTS, st.integers(1, 120))
def test_a_stream_with_an_event_too_large_to_be_read_passes_whole(
    parts: list[bytes], cuts: list[int], cap: int
) -> None:
    stream = b"".join(parts)

    with patch.object(
        stream_module, "ServerSentEventDecoder", partial(ServerSentEventDecoder, cap)
    ):
        out, _ = observed("chat", stream, content_type=SSE, cuts=cuts, stream=True)

    assert out == stream


def test_behind_an_event_too_large_to_be_read_usage_is_unknown_with_a_reason() -> None:
    stream = events(TEXT, b"y" * 200) + USAGE_CHUNK + events(b"[DONE]")

    for cut in range(len(stream)):
        with patch.object(
            stream_module, "ServerSentEventDecoder", partial(ServerSentEventDecoder, 120)
        ):
            # Then all is passed on, for nothing can be told apart any more.
            out, facts = observed("chat", stream, content_type=SSE, cuts=[cut, -1], stream=True)

        assert out == stream
        assert facts.tokens is None
        assert facts.note
        assert facts.output_characters == len("Hello.")


def test_a_comment_passes_at_once_for_it_keeps_the_connection_alive() -> None:
    head = AnswerHead(200, [(b"content-type", SSE.encode())])
    observer = dialect_for("openai").observe(asked("chat", stream=True), head)

    assert observer.feed(b": PROCESSING\n\n") == b": PROCESSING\n\n"
    assert observer.feed(b": PROCESSING\n\n" + USAGE_CHUNK) == b": PROCESSING\n\n"
    assert observer.feed(b"data: [DO") == b""
    assert observer.feed(b"NE]\n\n") == b"data: [DONE]\n\n"
    assert observer.finished
    assert observer.facts().tokens == TOKENS
