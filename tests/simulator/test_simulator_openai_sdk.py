"""OpenAI's own SDK runs unmodified against the simulator."""

import msgspec
import openai
import pytest
from openai.types.chat import ChatCompletionToolParam
from simulator_client import Place, place_fixture

_FIXTURES = place_fixture

TOOL: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "find_order",
        "parameters": {
            "type": "object",
            "properties": {"order_id": {"type": "string"}, "days": {"type": "integer"}},
        },
    },
}


@pytest.fixture
def sdk(simulator: Place) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{simulator.url}/openai/v1", api_key="sk-test", max_retries=0)


def test_openai_chat_answers_with_usage(sdk: openai.OpenAI) -> None:
    answer = sdk.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": "[[simulate output=40 input=900]]"}]
    )

    assert answer.id.startswith("chatcmpl-")
    assert answer.model == "gpt-4o-2024-08-06"
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (900, 40)
    assert answer._request_id is not None
    assert answer._request_id.startswith("req_")


def test_openai_chat_streams_the_text_it_answers_whole(sdk: openai.OpenAI) -> None:
    chunks = list(
        sdk.chat.completions.create(
            model="gpt-4o",
            messages=[{"role": "user", "content": "[[simulate output=30]]"}],
            stream=True,
            stream_options={"include_usage": True},
        )
    )

    text = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
    assert len([piece for piece in text if piece]) == 30
    assert [chunk.usage is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 30


def test_openai_stream_has_no_usage_unless_asked(sdk: openai.OpenAI) -> None:
    chunks = list(
        sdk.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "Hello"}], stream=True
        )
    )

    assert all(chunk.usage is None for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason in ("stop", "length")


def test_openai_chat_calls_a_tool_that_the_prompt_names(sdk: openai.OpenAI) -> None:
    answer = sdk.chat.completions.create(
        model="gpt-4o",
        messages=[{"role": "user", "content": "Please find_order 17."}],
        tools=[TOOL],
    )

    assert answer.choices[0].finish_reason == "tool_calls"
    calls = answer.choices[0].message.tool_calls
    assert calls is not None
    assert calls[0].type == "function"
    assert calls[0].function.name == "find_order"
    assert set(from_json(calls[0].function.arguments)) == {"order_id", "days"}


def test_openai_chat_streams_a_tool_call(sdk: openai.OpenAI) -> None:
    chunks = list(
        sdk.chat.completions.create(
            model="gpt-4o",
            messages=[{"role": "user", "content": "Please find_order 17."}],
            tools=[TOOL],
            stream=True,
        )
    )

    calls = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or ()]
    functions = [call.function for call in calls if call.function is not None]
    assert functions[0].name == "find_order"
    arguments = "".join(function.arguments or "" for function in functions)
    assert set(from_json(arguments)) == {"order_id", "days"}
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


def test_openai_chat_answers_in_words_once_the_tool_has_answered(sdk: openai.OpenAI) -> None:
    answer = sdk.chat.completions.create(
        model="gpt-4o",
        messages=[
            {"role": "user", "content": "Please find_order 17."},
            {
                "role": "assistant",
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "find_order", "arguments": "{}"},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "the tool found it"},
        ],
        tools=[TOOL],
    )

    assert answer.choices[0].message.content
    assert answer.choices[0].message.tool_calls is None


def from_json(text: str) -> dict[str, object]:
    return msgspec.json.decode(text, type=dict[str, object])


def test_openai_chat_answers_json_that_fits_a_schema(sdk: openai.OpenAI) -> None:
    answer = sdk.chat.completions.create(
        model="gpt-4o",
        messages=[{"role": "user", "content": "As JSON, please."}],
        response_format={
            "type": "json_schema",
            "json_schema": {
                "name": "city",
                "schema": {
                    "type": "object",
                    "properties": {"city": {"type": "string"}, "people": {"type": "integer"}},
                },
            },
        },
    )

    value = from_json(answer.choices[0].message.content or "")
    assert isinstance(value["city"], str)
    assert isinstance(value["people"], int)


def test_openai_reasoning_is_counted_inside_completion_tokens(sdk: openai.OpenAI) -> None:
    answer = sdk.chat.completions.create(
        model="o4-mini",
        messages=[{"role": "user", "content": "[[simulate output=20 reasoning=128 cached=64]]"}],
    )

    assert answer.usage is not None
    assert answer.usage.completion_tokens == 148
    assert answer.usage.completion_tokens_details is not None
    assert answer.usage.completion_tokens_details.reasoning_tokens == 128
    assert answer.usage.prompt_tokens_details is not None
    assert answer.usage.prompt_tokens_details.cached_tokens == 64
    assert answer.usage.prompt_tokens > 64


def test_openai_responses_answers_and_streams(sdk: openai.OpenAI) -> None:
    whole = sdk.responses.create(model="gpt-5-mini", input="[[simulate output=12 reasoning=64]]")
    events = list(
        sdk.responses.create(
            model="gpt-5-mini", input="[[simulate output=12 reasoning=64]]", stream=True
        )
    )

    assert whole.output_text
    assert whole.usage is not None
    assert whole.usage.output_tokens == 76
    assert whole.usage.output_tokens_details.reasoning_tokens == 64
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [events[0].type, events[-1].type] == ["response.created", "response.completed"]
    last = events[-1]
    assert last.type == "response.completed"
    assert last.response.usage is not None
    assert last.response.usage.output_tokens == 76
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert len(deltas) == 12
    assert last.response.output_text == "".join(deltas)


def test_openai_responses_calls_a_tool(sdk: openai.OpenAI) -> None:
    with sdk.responses.stream(
        model="gpt-4.1",
        input="Use the tool.",
        tools=[
            {
                "type": "function",
                "name": "find_order",
                "parameters": {"type": "object", "properties": {"order_id": {"type": "string"}}},
                "strict": True,
            }
        ],
    ) as stream:
        answer = stream.get_final_response()

    call = answer.output[0]
    assert call.type == "function_call"
    assert set(from_json(call.arguments)) == {"order_id"}


def test_openai_legacy_completions_answer_and_stream(sdk: openai.OpenAI) -> None:
    whole = sdk.completions.create(
        model="gpt-3.5-turbo-instruct", prompt="Once [[simulate output=9]]"
    )
    parts = list(
        sdk.completions.create(
            model="gpt-3.5-turbo-instruct", prompt="Once [[simulate output=9]]", stream=True
        )
    )

    assert whole.id.startswith("cmpl-")
    assert whole.choices[0].text
    assert whole.usage is not None
    assert whole.usage.completion_tokens == 9
    assert [bool(part.choices[0].text) for part in parts] == [True] * 9 + [False]


@pytest.mark.parametrize("encoding", ["base64", "float"])
def test_openai_embeddings_are_unit_vectors(sdk: openai.OpenAI, encoding: str) -> None:
    answer = sdk.embeddings.create(
        model="text-embedding-3-small",
        input=["one", "two"],
        encoding_format="base64" if encoding == "base64" else "float",
        dimensions=256,
    )
    direct = sdk.embeddings.create(model="text-embedding-3-small", input="one")

    if encoding == "float":
        assert [len(each.embedding) for each in answer.data] == [256, 256]
        assert sum(value * value for value in answer.data[0].embedding) == pytest.approx(1)
    assert answer.data[0].embedding != answer.data[1].embedding
    assert len(direct.data[0].embedding) == 1536
    assert answer.usage.prompt_tokens == 2


def test_openai_models_are_listed(sdk: openai.OpenAI) -> None:
    assert "gpt-4o" in {model.id for model in sdk.models.list()}
    assert sdk.models.retrieve("gpt-4o").id == "gpt-4o"


@pytest.mark.parametrize(
    ("directive", "error", "code"),
    [
        ("status=401", openai.AuthenticationError, "invalid_api_key"),
        ("status=403", openai.PermissionDeniedError, "model_not_allowed"),
        ("status=404", openai.NotFoundError, "model_not_found"),
        ("error=context_length", openai.BadRequestError, "context_length_exceeded"),
        ("error=content_filter", openai.BadRequestError, "content_filter"),
        ("status=429 retry_after=2", openai.RateLimitError, "rate_limit_exceeded"),
        ("status=500", openai.InternalServerError, None),
        ("error=overloaded", openai.InternalServerError, None),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_openai_errors_are_the_sdks_own(
    sdk: openai.OpenAI,
    directive: str,
    error: type[openai.APIStatusError],
    code: str | None,
    streamed: bool,
) -> None:
    with pytest.raises(error) as caught:
        sdk.chat.completions.create(
            model="gpt-4o",
            messages=[{"role": "user", "content": f"[[simulate {directive}]]"}],
            stream=streamed,
        )

    assert caught.value.code == code
    if "retry_after" in directive:
        assert caught.value.response.headers["retry-after"] == "2"


def test_openai_model_that_does_not_exist_is_not_found(sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        sdk.chat.completions.create(model="nonesuch", messages=[{"role": "user", "content": "a"}])


def test_openai_error_in_a_stream_is_raised(sdk: openai.OpenAI) -> None:
    stream = sdk.chat.completions.create(
        model="gpt-4o",
        messages=[{"role": "user", "content": "[[simulate status=500 error_after_chunks=5]]"}],
        stream=True,
    )

    seen: list[object] = []
    with pytest.raises(openai.APIError):
        seen.extend(stream)
    assert len(seen) == 5


def test_azure_stream_begins_with_filter_results(simulator: Place) -> None:
    sdk = openai.OpenAI(base_url=simulator.compatible_url, api_key="azure", max_retries=0)

    chunks = list(
        sdk.chat.completions.create(
            model="our-deployment", messages=[{"role": "user", "content": "Hello"}], stream=True
        )
    )

    assert chunks[0].choices == []
    assert chunks[0].usage is None
    assert chunks[1].model == "our-deployment"
