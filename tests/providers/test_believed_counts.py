"""Which usage is believed, and how it is taken apart; what is not believed is unknown, not zero."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from observing import observed

from modelmeter.record import TokenCounts, ToolCalls

FIELD = {"generate": "usageMetadata", "embed": "usageMetadata"}
CHAT = {"prompt_tokens": 100, "completion_tokens": 40}
MESSAGE = {"input_tokens": 100, "output_tokens": 40}
GEMINI = {"promptTokenCount": 100, "candidatesTokenCount": 40}


def tokens_of(name: str, usage: object) -> TokenCounts | None:
    """The counts of a whole answer; without them there is a reason and the answer has ended."""
    _, facts = observed(name, {FIELD.get(name, "usage"): usage})
    assert facts.ended
    assert facts.error_type is None
    assert (facts.note is None) == (facts.tokens is not None)
    return facts.tokens


@pytest.mark.parametrize(
    ("name", "usage", "tokens"),
    [
        ("chat", CHAT, TokenCounts(input=100, output=40)),
        ("chat", {**CHAT, "prompt_tokens_details": None, "completion_tokens_details": None},
         TokenCounts(input=100, output=40)),
        ("chat", {**CHAT, "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 40}},
         TokenCounts(cache_read=60, cache_write_5m=40, output=40)),
        ("chat", {**CHAT, "prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36},
         TokenCounts(input=36, cache_read=64, output=40)),
        ("chat", {**CHAT, "completion_tokens_details": {"audio_tokens": 30, "text_tokens": 10}},
         TokenCounts(input=100, output=10, audio_output=30)),
        # xAI counts reasoning beside the completion; Gemini's models tell it by the total alone.
        ("chat", {**CHAT, "total_tokens": 170,
                  "completion_tokens_details": {"reasoning_tokens": 30}},
         TokenCounts(input=100, output=40, reasoning=30)),
        ("chat", {**CHAT, "total_tokens": 170}, TokenCounts(input=100, output=40, reasoning=30)),
        ("chat", {**CHAT, "total_tokens": 0}, TokenCounts(input=100, output=40)),
        ("chat", {"prompt_tokens": 7, "total_tokens": 7}, TokenCounts(input=7)),
        ("embeddings", {"prompt_tokens": 7, "total_tokens": 7}, TokenCounts(input=7)),
        ("responses", {**MESSAGE, "input_tokens_details": {
            "cached_tokens": 10, "cache_write_tokens": 50,
            "cache_write_tokens_details": {"ttl_30m_tokens": 20, "ttl_12h_tokens": 30}}},
         TokenCounts(input=40, cache_read=10, cache_write_5m=20, cache_write_1h=30, output=40)),
        ("messages", MESSAGE, TokenCounts(input=100, output=40)),
        ("messages", {**MESSAGE, "cache_creation_input_tokens": 9},
         TokenCounts(input=100, cache_write_5m=9, output=40)),
        ("messages", {**MESSAGE, "cache_creation_input_tokens": 9,
                      "cache_creation": {"ephemeral_1h_input_tokens": 5}},
         TokenCounts(input=100, cache_write_5m=4, cache_write_1h=5, output=40)),
        ("messages", {**MESSAGE, "cache_creation": {"ephemeral_5m_input_tokens": 3,
                                                    "ephemeral_1h_input_tokens": 5}},
         TokenCounts(input=100, cache_write_5m=3, cache_write_1h=5, output=40)),
        ("messages", {**MESSAGE, "cache_creation": None, "cache_read_input_tokens": None},
         TokenCounts(input=100, output=40)),
        ("messages", {**MESSAGE, "output_tokens_details": {"thinking_tokens": 40}},
         TokenCounts(input=100, reasoning=40)),
        ("generate", GEMINI, TokenCounts(input=100, output=40)),
        ("generate", {"promptTokenCount": 100, "responseTokenCount": 40},
         TokenCounts(input=100, output=40)),
        ("generate", {"promptTokenCount": 100, "thoughtsTokenCount": 30, "totalTokenCount": 130},
         TokenCounts(input=100, reasoning=30)),
        ("generate", {**GEMINI, "candidatesTokensDetails": [
            {"modality": "IMAGE", "tokenCount": 30}, {"modality": "TEXT", "tokenCount": 10}]},
         TokenCounts(input=100, output=10, image_output=30)),
        ("generate", {**GEMINI, "cachedContentTokenCount": 80,
                      "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 60}],
                      "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 50}]},
         TokenCounts(input=10, cache_read=80, audio_input=10, output=40)),
        ("generate", {"prompt_token_count": 100, "candidates_token_count": 40,
                      "prompt_tokens_details": [{"modality": "AUDIO", "token_count": 60}]},
         TokenCounts(input=40, audio_input=60, output=40)),
        ("embed", {"promptTokenCount": 7}, TokenCounts(input=7)),
    ],
)  # fmt: skip
def test_usage_is_taken_apart(name: str, usage: object, tokens: TokenCounts) -> None:
    assert tokens_of(name, usage) == tokens


NEEDED = [
    ("chat", CHAT, "prompt_tokens"),
    ("chat", CHAT, "completion_tokens"),
    ("completions", CHAT, "completion_tokens"),
    ("responses", MESSAGE, "input_tokens"),
    ("responses", MESSAGE, "output_tokens"),
    ("messages", MESSAGE, "input_tokens"),
    ("messages", MESSAGE, "output_tokens"),
    ("generate", GEMINI, "promptTokenCount"),
    ("generate", {**GEMINI, "totalTokenCount": 140}, "candidatesTokenCount"),
    ("embed", {"promptTokenCount": 7}, "promptTokenCount"),
    ("embeddings", {"prompt_tokens": 7, "total_tokens": 7}, "prompt_tokens"),
]


@pytest.mark.parametrize(("name", "usage", "count"), NEEDED)
def test_without_a_count_that_every_answer_has_usage_is_unknown(
    name: str, usage: dict[str, int], count: str
) -> None:
    without = {key: value for key, value in usage.items() if key != count}

    assert tokens_of(name, usage) is not None
    assert tokens_of(name, without) is None
    assert tokens_of(name, {**usage, count: None}) is None


@pytest.mark.parametrize("name", ["chat", "responses", "embeddings", "messages", "generate"])
@pytest.mark.parametrize("usage", [None, {}, [], "12", 12, 1.5, True, [None], {"x": {}}])
def test_usage_of_no_use_is_unknown(name: str, usage: object) -> None:
    assert tokens_of(name, usage) is None


IMPOSSIBLE = [-1, 0.0, 40.0, 1.5, "40", "", True, False, [], {}, 10**9 + 1, 10**30, 1e300]


@pytest.mark.parametrize("value", IMPOSSIBLE)
@pytest.mark.parametrize(("name", "usage", "count"), NEEDED)
def test_an_impossible_count_makes_usage_unknown(
    name: str, usage: dict[str, object], count: str, value: object
) -> None:
    assert tokens_of(name, {**usage, count: value}) is None


@pytest.mark.parametrize("value", IMPOSSIBLE)
@pytest.mark.parametrize(
    ("name", "usage", "path"),
    [
        ("chat", CHAT, "total_tokens"),
        ("chat", CHAT, "prompt_tokens_details.cached_tokens"),
        ("chat", CHAT, "prompt_tokens_details.cache_write_tokens"),
        ("chat", CHAT, "completion_tokens_details.reasoning_tokens"),
        ("responses", MESSAGE, "output_tokens_details.reasoning_tokens"),
        ("messages", MESSAGE, "cache_read_input_tokens"),
        ("messages", MESSAGE, "cache_creation_input_tokens"),
        ("messages", MESSAGE, "cache_creation.ephemeral_1h_input_tokens"),
        ("messages", MESSAGE, "output_tokens_details.thinking_tokens"),
        ("generate", GEMINI, "thoughtsTokenCount"),
        ("generate", GEMINI, "cachedContentTokenCount"),
    ],
)
def test_an_impossible_part_makes_usage_unknown(
    name: str, usage: dict[str, object], path: str, value: object
) -> None:
    outer, _, inner = path.partition(".")

    assert tokens_of(name, {**usage, outer: {inner: value} if inner else value}) is None


@pytest.mark.parametrize(
    ("name", "usage"),
    [
        ("chat", {**CHAT, "prompt_tokens_details": {"cached_tokens": 101}}),
        ("chat", {**CHAT, "prompt_tokens_details": {"cached_tokens": 60,
                                                    "cache_write_tokens": 41}}),
        ("chat", {**CHAT, "completion_tokens_details": {"reasoning_tokens": 41}}),
        ("chat", {**CHAT, "total_tokens": 139}),
        ("chat", {**CHAT, "total_tokens": 171,
                  "completion_tokens_details": {"reasoning_tokens": 30}}),
        ("responses", {**MESSAGE, "input_tokens_details": {
            "cache_write_tokens": 5, "cache_write_tokens_details": {"ttl_12h_tokens": 6}}}),
        ("messages", {**MESSAGE, "output_tokens_details": {"thinking_tokens": 41}}),
        ("messages", {**MESSAGE, "cache_creation_input_tokens": 5,
                      "cache_creation": {"ephemeral_5m_input_tokens": 6}}),
        ("generate", {**GEMINI, "cachedContentTokenCount": 101}),
        ("generate", {**GEMINI, "promptTokensDetails": [{"modality": "AUDIO",
                                                         "tokenCount": 101}]}),
        ("generate", {**GEMINI, "candidatesTokensDetails": [{"modality": "IMAGE",
                                                             "tokenCount": 41}]}),
    ],
)  # fmt: skip
def test_usage_that_contradicts_itself_is_unknown(name: str, usage: object) -> None:
    assert tokens_of(name, usage) is None


@given(
    text=st.integers(0, 10**6), read=st.integers(0, 10**6), written=st.integers(0, 10**6),
    audio=st.integers(0, 10**6), said=st.integers(0, 10**6), thought=st.integers(0, 10**6),
)  # fmt: skip
def test_disjoint_counts_add_up_to_what_the_provider_counts(
    text: int, read: int, written: int, audio: int, said: int, thought: int
) -> None:
    prompt, completion = text + read + written + audio, said + thought
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {
            "cached_tokens": read, "cache_write_tokens": written, "audio_tokens": audio,
        },
        "completion_tokens_details": {"reasoning_tokens": thought},
    }  # fmt: skip

    tokens = tokens_of("chat", usage)

    assert tokens == TokenCounts(
        input=text, cache_read=read, cache_write_5m=written, audio_input=audio,
        output=said, reasoning=thought,
    )  # fmt: skip
    assert tokens.total == prompt + completion


@pytest.mark.parametrize(
    ("name", "field", "counted"),
    [
        ("chat", "choices", CHAT),
        ("responses", "output", MESSAGE),
        ("messages", "content", MESSAGE),
        ("generate", "candidates", GEMINI),
        ("generate", "promptFeedback", GEMINI),
    ],
)
@pytest.mark.parametrize("odd", [[None], [3], [[]], [{"content": 5}], {}, "", False])
def test_an_unusual_type_elsewhere_does_not_hide_the_counts(
    name: str, field: str, counted: dict[str, int], odd: object
) -> None:
    body = {field: odd, "id": [], "model": 5, FIELD.get(name, "usage"): counted}

    _, facts = observed(name, body)

    assert facts.tokens == TokenCounts(input=100, output=40)
    assert facts.ended
    assert facts.error_type is None


@pytest.mark.parametrize("nothing", [None, False, "", {}])
def test_an_error_field_that_tells_of_none_is_no_error(nothing: object) -> None:
    for name in ("chat", "responses"):
        _, facts = observed(name, {"error": nothing, "usage": {**CHAT, **MESSAGE}})

        assert facts.error_type is None


@pytest.mark.parametrize("odd", [[None], [3], {"a": 1}, [{"delta": 5}], [{"delta": {"x": []}}]])
def test_an_unusual_chunk_of_a_stream_does_not_hide_its_counts(odd: object) -> None:
    chunk = b"data: " + json.dumps({"choices": odd, "usage": CHAT}).encode() + b"\n\n"

    out, facts = observed("chat", chunk, content_type="text/event-stream", stream=True)

    assert out == chunk
    assert facts.tokens == TokenCounts(input=100, output=40)
    generated = {"candidates": [None], "usageMetadata": GEMINI}
    _, facts = observed("generate stream", [generated])
    assert facts.tokens == TokenCounts(input=100, output=40)


@pytest.mark.parametrize(
    ("name", "tier", "usage"),
    [
        ("generate", "ON_DEMAND_FLEX", {**GEMINI, "trafficType": "ON_DEMAND_FLEX"}),
        ("generate", "priority", {**GEMINI, "serviceTier": "priority"}),
        ("generate", None, {**GEMINI, "serviceTier": 5}),
        ("messages", "priority", {**MESSAGE, "service_tier": "priority"}),
    ],
)
def test_the_tier_that_served_is_told(name: str, tier: str | None, usage: object) -> None:
    _, facts = observed(name, {FIELD.get(name, "usage"): usage})

    assert facts.service_tier == tier


@pytest.mark.parametrize(
    ("output", "searches"),
    [
        ([{"type": "web_search_call"}, {"type": "message"}, {"type": "web_search_call"}], 2),
        ([{"type": "message", "content": [{"text": "web_search_call"}]}], 0),
        ([None, "web_search_call", ["web_search_call"], {"type": "web_search_call"}], 1),
        ({"type": "web_search_call"}, 0),
        ("web_search_call", 0),
        (None, 0),
    ],
)
def test_searches_are_counted_whole_and_streamed(output: object, searches: int) -> None:
    response = {"output": output, "usage": MESSAGE}
    completed = {"type": "response.completed", "response": response}
    stream = b"data: " + json.dumps(completed).encode() + b"\n\n"

    _, whole = observed("responses", response)
    _, streamed = observed("responses", stream, content_type="text/event-stream", stream=True)

    assert whole.tools == streamed.tools == ToolCalls(web_search=searches)
    assert whole.tokens == streamed.tokens == TokenCounts(input=100, output=40)


@pytest.mark.parametrize(
    ("tools", "used"),
    [
        ([{"type": "web_search_preview"}], ToolCalls(web_search_preview=1)),
        ([{"type": "web_search_preview_2025_03_11"}], ToolCalls(web_search_preview=1)),
        ([{"type": "web_search"}], ToolCalls(web_search=1)),
        ([{"type": "web_search_2025_08_26"}], ToolCalls(web_search=1)),
        (None, ToolCalls(web_search=1)),
    ],
)
def test_which_search_it_was_the_tools_that_an_answer_repeats_tell(
    tools: object, used: ToolCalls
) -> None:
    response = {"output": [{"type": "web_search_call"}], "tools": tools, "usage": MESSAGE}
    completed = {"type": "response.completed", "response": response}
    stream = b"data: " + json.dumps(completed).encode() + b"\n\n"

    _, whole = observed("responses", response)
    _, streamed = observed("responses", stream, content_type="text/event-stream", stream=True)

    assert whole.tools == streamed.tools == used


@pytest.mark.parametrize(
    ("chunks", "used"),
    [
        ([{"maps": {"title": "A"}}, None, "maps"], ToolCalls(maps_grounding=1)),
        ([{"web": {"uri": "https://example.org"}}], ToolCalls()),
        ([], ToolCalls()),
        (None, ToolCalls()),
    ],
)
def test_what_rests_on_maps_is_told_whole_and_streamed(chunks: object, used: ToolCalls) -> None:
    grounding = {"groundingChunks": chunks}
    answer = {
        "candidates": [{"finishReason": "STOP", "groundingMetadata": grounding}],
        "usageMetadata": GEMINI,
    }

    _, whole = observed("generate", answer)
    _, streamed = observed("generate stream", [{"candidates": []}, answer])

    assert whole.tools == streamed.tools == used
