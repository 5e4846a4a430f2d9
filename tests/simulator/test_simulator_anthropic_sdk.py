"""Anthropic's own SDK runs unmodified against the simulator."""

import anthropic
import pytest
from anthropic.types import MessageParam, ToolParam
from simulator_client import Place, place_fixture

_FIXTURES = place_fixture

MODEL = "claude-sonnet-4-6"
TOOL: ToolParam = {
    "name": "find_order",
    "input_schema": {"type": "object", "properties": {"order_id": {"type": "string"}}},
}


@pytest.fixture
def sdk(simulator: Place) -> anthropic.Anthropic:
    return anthropic.Anthropic(
        base_url=f"{simulator.url}/anthropic", api_key="sk-ant-test", max_retries=0
    )


def said(text: str) -> list[MessageParam]:
    return [{"role": "user", "content": text}]


def test_anthropic_message_answers_with_usage(sdk: anthropic.Anthropic) -> None:
    answer = sdk.messages.create(
        model=MODEL,
        max_tokens=500,
        messages=said("[[simulate output=40 input=900 cached=300 cache_write=70]]"),
    )

    assert answer.id.startswith("msg_01")
    assert answer.content[0].type == "text"
    assert answer.stop_reason == "end_turn"
    assert answer.usage.input_tokens == 900
    assert answer.usage.cache_read_input_tokens == 300
    assert answer.usage.cache_creation_input_tokens == 70
    assert answer.usage.output_tokens == 40
    assert answer._request_id is not None


def test_anthropic_stream_adds_up_to_the_whole_message(sdk: anthropic.Anthropic) -> None:
    asked = said("[[simulate output=50]]")
    whole = sdk.messages.create(model=MODEL, max_tokens=500, messages=asked)
    with sdk.messages.stream(model=MODEL, max_tokens=500, messages=asked) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()

    assert final.usage.output_tokens == whole.usage.output_tokens == 50
    assert whole.content[0].type == "text"
    assert isinstance(text, str)
    assert len(text) > 50


def test_anthropic_events_come_in_their_order(sdk: anthropic.Anthropic) -> None:
    events = list(
        sdk.messages.create(
            model=MODEL, max_tokens=500, messages=said("[[simulate output=3]]"), stream=True
        )
    )

    assert [event.type for event in events] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


@pytest.mark.parametrize("streamed", [False, True])
def test_anthropic_tool_call_carries_fitting_input(
    sdk: anthropic.Anthropic, streamed: bool
) -> None:
    if streamed:
        with sdk.messages.stream(
            model=MODEL, max_tokens=500, messages=said("Call find_order."), tools=[TOOL]
        ) as stream:
            answer: anthropic.types.Message = stream.get_final_message()
    else:
        answer = sdk.messages.create(
            model=MODEL, max_tokens=500, messages=said("Call find_order."), tools=[TOOL]
        )

    assert answer.stop_reason == "tool_use"
    block = answer.content[-1]
    assert block.type == "tool_use"
    assert set(block.input) == {"order_id"}


def test_anthropic_thinking_is_counted_inside_output(sdk: anthropic.Anthropic) -> None:
    answer = sdk.messages.create(
        model=MODEL,
        max_tokens=4000,
        messages=said("[[simulate output=30 reasoning=100]]"),
        thinking={"type": "adaptive"},
    )

    assert [block.type for block in answer.content] == ["thinking", "text"]
    assert answer.usage.output_tokens == 130
    assert answer.usage.output_tokens_details is not None
    assert answer.usage.output_tokens_details.thinking_tokens == 100


def test_anthropic_long_cached_prompt_is_read_or_written(sdk: anthropic.Anthropic) -> None:
    answer = sdk.messages.create(
        model=MODEL,
        max_tokens=500,
        system=[{"type": "text", "text": "Rules. " * 1500, "cache_control": {"type": "ephemeral"}}],
        messages=said("Hello"),
    )

    usage = answer.usage
    cached = (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
    assert cached >= 1024
    assert usage.input_tokens < 1500


def test_anthropic_counts_tokens(sdk: anthropic.Anthropic) -> None:
    assert sdk.messages.count_tokens(model=MODEL, messages=said("x" * 400)).input_tokens == 104


def test_anthropic_models_are_listed(sdk: anthropic.Anthropic) -> None:
    assert MODEL in {model.id for model in sdk.models.list()}


@pytest.mark.parametrize(
    ("directive", "error"),
    [
        ("status=401", anthropic.AuthenticationError),
        ("status=403", anthropic.PermissionDeniedError),
        ("status=404", anthropic.NotFoundError),
        ("error=context_length", anthropic.BadRequestError),
        ("error=content_filter", anthropic.BadRequestError),
        ("status=429", anthropic.RateLimitError),
        ("status=500", anthropic.InternalServerError),
        ("error=overloaded", anthropic._exceptions.OverloadedError),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_anthropic_errors_are_the_sdks_own(
    sdk: anthropic.Anthropic,
    directive: str,
    error: type[anthropic.APIStatusError],
    streamed: bool,
) -> None:
    with pytest.raises(error):
        sdk.messages.create(
            model=MODEL,
            max_tokens=10,
            messages=said(f"[[simulate {directive}]]"),
            stream=streamed,
        )


def test_anthropic_overload_in_a_stream_is_raised(sdk: anthropic.Anthropic) -> None:
    stream = sdk.messages.create(
        model=MODEL,
        max_tokens=500,
        messages=said("[[simulate error=overloaded error_after_chunks=4]]"),
        stream=True,
    )

    with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        list(stream)


def test_anthropic_sampling_is_refused_by_the_newer_api_version_only(
    simulator: Place,
) -> None:
    for version, refused in (("2026-10-21", True), ("2023-06-01", False)):
        sdk = anthropic.Anthropic(
            base_url=f"{simulator.url}/anthropic",
            api_key="sk-ant-test",
            max_retries=0,
            default_headers={"anthropic-version": version},
        )
        body = {
            "model": MODEL,
            "max_tokens": 5,
            "messages": said("Hello"),
            "temperature": 0.5,
        }
        if refused:
            with pytest.raises(anthropic.BadRequestError, match="temperature"):
                sdk.post("/v1/messages", body=body, cast_to=object)
        else:
            assert sdk.post("/v1/messages", body=body, cast_to=object)
