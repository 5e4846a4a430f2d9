"""The unmodified OpenAI SDK talks to every provider through ``/v1``."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from ledger_file import query
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from unified_under_test import UnifiedUnderTest, running_unified

MODELS = {
    "gpt-4o-mini": "openai",
    "claude-haiku-4-5": "anthropic",
    "claude-3-haiku": "bedrock",
    "eu.anthropic.claude-3-haiku-20240307-v1:0": "bedrock",
    "amazon.nova-lite-v1:0": "bedrock",
    "gemini-2.5-flash": "genai",
    "local/llama-3": "local",
}
TRANSLATED = [name for name, provider in MODELS.items() if provider not in ("openai", "local")]
WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}
PIXEL = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
HELLO: list[ChatCompletionMessageParam] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hello."},
]


@pytest.fixture(scope="module", name="unified")
def unified_with_simulated_providers(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[UnifiedUnderTest]:
    """No odd provider is called here."""
    yield from running_unified(tmp_path_factory, {})


@pytest.mark.parametrize("model", MODELS)
def test_a_question_is_answered_and_metered(unified: UnifiedUnderTest, model: str) -> None:
    """With its usage, its provider in a header, and an entry that has the same counts."""
    raw = unified.client().chat.completions.with_raw_response.create(
        model=model, messages=HELLO, max_tokens=12
    )

    answer = raw.parse()
    choice = answer.choices[0]
    assert (choice.message.role, choice.finish_reason) == ("assistant", "length")
    assert choice.message.content
    assert answer.object == "chat.completion"
    assert answer.usage is not None
    assert raw.headers["x-modelmeter-provider"] == MODELS[model]
    assert raw.headers["x-modelmeter-attempts"] == "1"
    call_id = raw.headers["x-modelmeter-call-id"]
    ((agent, provider, status, given, made),) = query(
        unified.ledger,
        "SELECT agent_id, provider, status, tokens_input, tokens_output + tokens_reasoning"
        f" FROM entry WHERE id = '{call_id}'",
    )
    assert (agent, provider, status) == ("meetmind.coordinator", MODELS[model], "success")
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (given, made)


@pytest.mark.parametrize("model", MODELS)
def test_a_streamed_answer_comes_in_pieces_with_its_usage_last(
    unified: UnifiedUnderTest, model: str
) -> None:
    """As OpenAI's own streams: a role, pieces of text, a reason to finish, the counts."""
    chunks = list(
        unified.client().chat.completions.create(
            model=model,
            messages=HELLO,
            max_tokens=60,
            stream=True,
            stream_options={"include_usage": True},
        )
    )

    shown = [chunk.choices[0] for chunk in chunks if chunk.choices]
    assert shown[0].delta.role == "assistant"
    assert len("".join(choice.delta.content or "" for choice in shown)) > 20
    assert [choice.finish_reason for choice in shown if choice.finish_reason] == ["length"]
    usage = chunks[-1].usage
    assert usage is not None
    assert usage.completion_tokens >= 60
    assert len({chunk.id for chunk in chunks if chunk.id}) == 1


@pytest.mark.parametrize("model", MODELS)
def test_usage_is_not_shown_to_who_did_not_ask(unified: UnifiedUnderTest, model: str) -> None:
    """It is metered all the same."""
    chunks = list(
        unified.client().chat.completions.create(
            model=model, messages=HELLO, max_tokens=5, stream=True
        )
    )

    assert chunks[-1].choices
    assert all(chunk.usage is None for chunk in chunks)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_a_tool_is_called_and_its_result_taken(
    unified: UnifiedUnderTest, model: str, streamed: bool
) -> None:
    """There and back, whole and streamed."""
    client = unified.client()
    question: list[ChatCompletionMessageParam] = [
        {"role": "user", "content": "Call the tool get_weather."}
    ]

    call = _streamed_call(client, model, question) if streamed else _call(client, model, question)
    assert call["function"]["name"] == "get_weather"
    assert set(json.loads(call["function"]["arguments"])) == {"city"}
    conversation: list[Any] = [
        *question,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": '{"sky": "clear"}'},
    ]
    after = client.chat.completions.create(
        model=model, messages=conversation, tools=[WEATHER], max_tokens=30
    )

    assert after.choices[0].message.tool_calls is None
    assert after.choices[0].message.content


def _call(
    client: openai.OpenAI, model: str, question: list[ChatCompletionMessageParam]
) -> dict[str, Any]:
    answer = client.chat.completions.create(model=model, messages=question, tools=[WEATHER])
    choice = answer.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls is not None
    (call,) = choice.message.tool_calls
    return call.model_dump(exclude_none=True)


def _streamed_call(
    client: openai.OpenAI, model: str, question: list[ChatCompletionMessageParam]
) -> dict[str, Any]:
    """By the SDK's own helper, which puts the pieces together."""
    with client.chat.completions.stream(model=model, messages=question, tools=[WEATHER]) as stream:
        choice = stream.get_final_completion().choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls is not None
    (call,) = choice.message.tool_calls
    function = {"name": call.function.name, "arguments": call.function.arguments}
    return {"id": call.id, "type": "function", "function": function}


@pytest.mark.parametrize("model", MODELS)
def test_a_tool_that_must_be_called_is_called(unified: UnifiedUnderTest, model: str) -> None:
    """By name, whatever the question."""
    answer = unified.client().chat.completions.create(
        model=model,
        messages=HELLO,
        tools=[WEATHER],
        tool_choice={"type": "function", "function": {"name": "get_weather"}},
    )

    calls = answer.choices[0].message.tool_calls
    assert calls is not None
    assert len(calls) == 1


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_json_of_a_schema_is_answered_as_text(
    unified: UnifiedUnderTest, model: str, streamed: bool
) -> None:
    """Also where the provider is made to call a tool for it."""
    schema = {
        "type": "object",
        "properties": {"minutes": {"type": "integer"}},
        "required": ["minutes"],
    }
    create = unified.client().chat.completions.create
    wanted: Any = {"type": "json_schema", "json_schema": {"name": "length", "schema": schema}}

    if streamed:
        chunks = list(create(model=model, messages=HELLO, response_format=wanted, stream=True))
        shown = [chunk.choices[0] for chunk in chunks if chunk.choices]
        text = "".join(choice.delta.content or "" for choice in shown)
        assert chunks[-1].choices[0].finish_reason == "stop"
    else:
        choice = create(model=model, messages=HELLO, response_format=wanted).choices[0]
        text = choice.message.content or ""
        assert (choice.finish_reason, choice.message.tool_calls) == ("stop", None)

    answer = json.loads(text)
    assert list(answer) == ["minutes"]
    assert isinstance(answer["minutes"], int)


@pytest.mark.parametrize("model", MODELS)
def test_an_image_reaches_the_model(unified: UnifiedUnderTest, model: str) -> None:
    """It costs tokens that the same words alone do not."""
    create = unified.client().chat.completions.create
    text: Any = {"type": "text", "text": "What is this?"}
    image: Any = {"type": "image_url", "image_url": {"url": PIXEL}}

    bare = create(model=model, messages=[{"role": "user", "content": [text]}], max_tokens=5)
    seen = create(model=model, messages=[{"role": "user", "content": [text, image]}], max_tokens=5)

    assert bare.usage is not None
    assert seen.usage is not None
    assert seen.usage.prompt_tokens >= bare.usage.prompt_tokens + 100


@pytest.mark.parametrize(
    ("model", "dimensions"),
    [
        ("text-embedding-3-small", 256),
        ("genai/gemini-embedding-001", 256),
        ("amazon.titan-embed-text-v2:0", 256),
    ],
)
def test_texts_are_embedded(unified: UnifiedUnderTest, model: str, dimensions: int) -> None:
    """In the SDK's own encoding, and as plain numbers."""
    create = unified.client().embeddings.create

    usual = create(model=model, input=["hello"], dimensions=dimensions)
    plain = create(model=model, input="hello", dimensions=dimensions, encoding_format="float")

    assert len(usual.data[0].embedding) == dimensions
    assert len(plain.data[0].embedding) == dimensions
    if not model.startswith("text-"):
        # What goes to the provider is the same, so its vector is: only our own writing differs.
        assert usual.data[0].embedding == pytest.approx(plain.data[0].embedding, rel=1e-6)
    assert usual.usage.prompt_tokens > 0


@pytest.mark.parametrize("model", TRANSLATED)
@pytest.mark.parametrize(
    ("field", "value"),
    [("logprobs", True), ("n", 2), ("logit_bias", {"50256": -100}), ("reasoning_effort", "low")],
)
def test_what_a_provider_cannot_do_is_refused(
    unified: UnifiedUnderTest, model: str, field: str, value: object
) -> None:
    """Never dropped in silence; the error names the field and the provider."""
    with pytest.raises(openai.BadRequestError) as refused:
        unified.client().chat.completions.create(
            model=model, messages=HELLO, extra_body={field: value}
        )

    assert f"`{field}`" in str(refused.value)
    assert refused.value.code == "unsupported_parameter"


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    ("directive", "error", "code"),
    [
        ("status=401", openai.AuthenticationError, 401),
        ("status=403", openai.PermissionDeniedError, 403),
        ("status=429", openai.RateLimitError, 429),
        ("status=500", openai.InternalServerError, 500),
        ("error=overloaded", openai.InternalServerError, 503),
        ("error=context_length", openai.BadRequestError, 400),
    ],
)
def test_a_providers_error_is_the_sdks_own(
    unified: UnifiedUnderTest,
    model: str,
    directive: str,
    error: type[openai.APIStatusError],
    code: int,
) -> None:
    """With the provider's message, and the call's id to look it up."""
    with pytest.raises(error) as failed:
        unified.client().chat.completions.create(
            model=model, messages=[{"role": "user", "content": f"[[simulate {directive}]]"}]
        )

    assert failed.value.status_code == code
    assert failed.value.message
    assert failed.value.response.headers["x-modelmeter-call-id"]


def test_a_model_that_names_no_provider_is_not_guessed(unified: UnifiedUnderTest) -> None:
    """404, and what to do."""
    with pytest.raises(openai.NotFoundError, match="provider/model"):
        unified.client().chat.completions.create(model="no-such-model", messages=HELLO)


def test_models_are_listed_with_the_routes(unified: UnifiedUnderTest) -> None:
    """Each as it can be called."""
    client = unified.client()

    names = {model.id for model in client.models.list()}

    assert {
        "smart",
        "openai/gpt-4o",
        "anthropic/claude-haiku-4-5",
        "genai/gemini-2.5-flash",
    } < names
    assert "bedrock/anthropic.claude-3-haiku-20240307-v1:0" in names
    assert client.models.retrieve("smart").owned_by == "modelmeter"
    assert client.models.retrieve("gpt-4o").owned_by == "openai"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("no-such-model")


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b'{"messages": []}', b'{"model": 7}', b'{"model": "claude-haiku-4-5"}'],
)
def test_odd_bodies_are_refused_in_openais_shape(unified: UnifiedUnderTest, body: bytes) -> None:
    """400 with an error object."""
    client = unified.client()

    with pytest.raises(openai.BadRequestError) as refused:
        client.post(
            "/chat/completions",
            cast_to=object,
            content=body,
            options={"headers": {"content-type": "application/json"}},
        )

    assert isinstance(refused.value.body, dict)
    assert refused.value.body["message"]
