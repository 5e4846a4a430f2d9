"""Google's own SDK runs unmodified against the simulator."""

import msgspec
import pytest
from google import genai
from google.genai import errors, types
from simulator_client import Client, Place, client_fixture, place_fixture

_FIXTURES = (
    client_fixture,
    place_fixture,
)

MODEL = "gemini-2.5-flash"
TOOL = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="find_order",
            parameters=types.Schema(
                type=types.Type.OBJECT,
                properties={"order_id": types.Schema(type=types.Type.STRING)},
            ),
        )
    ]
)


@pytest.fixture
def sdk(simulator: Place) -> genai.Client:
    return genai.Client(
        api_key="test", http_options=types.HttpOptions(base_url=f"{simulator.url}/genai")
    )


def test_genai_generate_answers_with_usage(sdk: genai.Client) -> None:
    answer = sdk.models.generate_content(
        model=MODEL, contents="[[simulate output=40 reasoning=100 input=900 cached=300]]"
    )

    usage = answer.usage_metadata
    assert answer.text
    assert answer.response_id
    assert answer.model_version == MODEL
    assert usage is not None
    assert usage.prompt_token_count == 1200
    assert usage.cached_content_token_count == 300
    assert usage.candidates_token_count == 40
    assert usage.thoughts_token_count == 100
    assert usage.total_token_count == 1340


def test_genai_stream_adds_up(sdk: genai.Client) -> None:
    chunks = list(
        sdk.models.generate_content_stream(model=MODEL, contents="[[simulate output=100]]")
    )

    assert len(chunks) == 5
    counts = [
        chunk.usage_metadata.candidates_token_count for chunk in chunks if chunk.usage_metadata
    ]
    assert counts == [24, 48, 72, 96, 100]
    candidates = chunks[-1].candidates
    assert candidates is not None
    assert candidates[0].finish_reason == types.FinishReason.STOP
    assert len({chunk.response_id for chunk in chunks}) == 1


def test_genai_stream_without_sse_is_one_json_array(client: Client) -> None:
    body = {"contents": [{"parts": [{"text": "[[simulate output=60]]"}], "role": "user"}]}

    reply = client.post(f"/genai/v1beta/models/{MODEL}:streamGenerateContent", body)

    assert reply.headers["content-type"].startswith("application/json")
    elements = msgspec.json.decode(reply.body, type=list[dict[str, object]])
    assert len(elements) == 3
    assert all("usageMetadata" in element for element in elements)


@pytest.mark.parametrize("streamed", [False, True])
def test_genai_calls_a_tool(sdk: genai.Client, streamed: bool) -> None:
    config = types.GenerateContentConfig(tools=[TOOL])
    if streamed:
        (answer,) = sdk.models.generate_content_stream(
            model=MODEL, contents="Call find_order.", config=config
        )
    else:
        answer = sdk.models.generate_content(
            model=MODEL, contents="Call find_order.", config=config
        )

    calls = answer.function_calls
    assert calls is not None
    assert calls[0].name == "find_order"
    assert set(calls[0].args or {}) == {"order_id"}


def test_genai_json_fits_the_schema(sdk: genai.Client) -> None:
    answer = sdk.models.generate_content(
        model=MODEL,
        contents="As JSON.",
        config=types.GenerateContentConfig(
            response_mime_type="application/json",
            response_schema=types.Schema(
                type=types.Type.OBJECT, properties={"n": types.Schema(type=types.Type.INTEGER)}
            ),
        ),
    )

    assert isinstance(msgspec.json.decode(answer.text or "", type=dict[str, object])["n"], int)


def test_genai_output_limit_ends_the_answer(sdk: genai.Client) -> None:
    answer = sdk.models.generate_content(
        model="gemini-2.5-flash-lite",
        contents="Talk.",
        config=types.GenerateContentConfig(max_output_tokens=5),
    )

    assert answer.candidates is not None
    assert answer.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS
    assert answer.usage_metadata is not None
    assert answer.usage_metadata.candidates_token_count == 5


def test_genai_blocked_prompt_has_no_candidates(sdk: genai.Client) -> None:
    answer = sdk.models.generate_content(model=MODEL, contents="[[simulate error=content_filter]]")

    assert not answer.candidates
    assert answer.prompt_feedback is not None
    assert answer.prompt_feedback.block_reason == types.BlockedReason.SAFETY
    assert answer.usage_metadata is not None
    assert answer.usage_metadata.candidates_token_count is None
    assert answer.usage_metadata.prompt_token_count


def test_genai_embeds(sdk: genai.Client) -> None:
    answer = sdk.models.embed_content(
        model="gemini-embedding-001",
        contents=["one", "two"],
        config=types.EmbedContentConfig(output_dimensionality=256),
    )

    assert answer.embeddings is not None
    assert [len(each.values or ()) for each in answer.embeddings] == [256, 256]


def test_genai_embeds_one_text(client: Client) -> None:
    body = {"content": {"parts": [{"text": "x" * 40}]}}

    reply = client.post("/genai/v1beta/models/gemini-embedding-001:embedContent", body)

    assert set(reply.json()) == {"embedding", "usageMetadata"}


def test_genai_counts_tokens_and_lists_models(sdk: genai.Client) -> None:
    assert sdk.models.count_tokens(model=MODEL, contents="x" * 400).total_tokens == 104
    assert f"models/{MODEL}" in {model.name for model in sdk.models.list()}


@pytest.mark.parametrize(
    ("directive", "error", "status"),
    [
        ("status=401", errors.ClientError, "UNAUTHENTICATED"),
        ("status=403", errors.ClientError, "PERMISSION_DENIED"),
        ("status=404", errors.ClientError, "NOT_FOUND"),
        ("error=context_length", errors.ClientError, "INVALID_ARGUMENT"),
        ("status=429 retry_after=7", errors.ClientError, "RESOURCE_EXHAUSTED"),
        ("status=500", errors.ServerError, "INTERNAL"),
        ("error=overloaded", errors.ServerError, "UNAVAILABLE"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_genai_errors_are_the_sdks_own(
    sdk: genai.Client, directive: str, error: type[errors.APIError], status: str, streamed: bool
) -> None:
    def call() -> None:
        asked = f"[[simulate {directive}]]"
        if streamed:
            list(sdk.models.generate_content_stream(model=MODEL, contents=asked))
        else:
            sdk.models.generate_content(model=MODEL, contents=asked)

    with pytest.raises(error) as caught:
        call()

    assert caught.value.status == status


def test_genai_error_of_an_array_stream_is_an_array(client: Client) -> None:
    body = {"contents": [{"parts": [{"text": "[[simulate status=429]]"}]}]}

    reply = client.post(f"/genai/v1beta/models/{MODEL}:streamGenerateContent", body)

    (element,) = msgspec.json.decode(reply.body, type=list[dict[str, object]])
    assert reply.status == 429
    assert set(element) == {"error"}


@pytest.mark.parametrize("events", [0, 1, 2])
def test_genai_error_in_an_array_stream_leaves_an_array(client: Client, events: int) -> None:
    prompt = f"[[simulate status=503 output=48 error_after_chunks={events}]]"
    body = {"contents": [{"parts": [{"text": prompt}]}]}

    reply = client.post(f"/genai/v1beta/models/{MODEL}:streamGenerateContent", body)

    elements = msgspec.json.decode(reply.body, type=list[dict[str, object]])
    assert reply.status == 200
    assert ["error" in element for element in elements] == [False] * events + [True]
