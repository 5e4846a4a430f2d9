"""A limit of output is set or lowered in each dialect's place; everything else stays as it was."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelmeter.errors import RefusedRequestError
from modelmeter.providers import RequestFacts, dialect_for
from modelmeter.providers.output_limit import with_output_limit
from modelmeter.providers.output_maxima import output_tokens_max_of

MESSAGES = [{"role": "user", "content": "Say hello."}]


def read(kind: str, path: str, body: bytes) -> RequestFacts:
    """A request's facts, as the gateway reads them."""
    dialect = dialect_for(kind)
    operation = dialect.operation("POST", path)
    assert operation is not None
    return dialect.read_request(operation, path, body)


def limited(kind: str, path: str, body: object, tokens: int = 7) -> dict[str, object]:
    """The body with its limit at ``tokens``, read again by the dialect itself."""
    request = read(kind, path, json.dumps(body, separators=(",", ":")).encode())
    changed = dialect_for(kind).limit_output(request, tokens)
    assert changed.output_tokens_max == tokens
    assert read(kind, path, changed.upstream_body).output_tokens_max == tokens
    decoded = json.loads(changed.upstream_body)
    assert isinstance(decoded, dict)
    return decoded


CHAT = "/chat/completions"
GENERATE = "/v1beta/models/gemini-2.5-flash:generateContent"
PLACES = [
    ("openai", CHAT, {"model": "gpt-5", "messages": MESSAGES}, ("max_completion_tokens",)),
    ("openai", CHAT, {"model": "ft:gpt-4o:a", "messages": []}, ("max_completion_tokens",)),
    ("openai", CHAT, {"model": "mistral-large", "messages": MESSAGES}, ("max_tokens",)),
    ("openai", CHAT, {"model": "gpt-4o", "max_tokens": 99}, ("max_tokens",)),
    ("openai", CHAT, {"model": "qwen", "max_completion_tokens": 99}, ("max_completion_tokens",)),
    ("openai", "/responses", {"model": "gpt-5", "input": "hi"}, ("max_output_tokens",)),
    ("openai", "/completions", {"model": "davinci-002", "prompt": "a"}, ("max_tokens",)),
    ("anthropic", "/v1/messages", {"model": "c", "max_tokens": 10**6}, ("max_tokens",)),
    ("genai", GENERATE, {"contents": []}, ("generationConfig", "maxOutputTokens")),
    (
        "genai",
        GENERATE,
        {"generationConfig": {"topP": 1.0, "maxOutputTokens": 99}},
        ("generationConfig", "maxOutputTokens"),
    ),
    ("bedrock", "/model/m/converse", {"messages": []}, ("inferenceConfig", "maxTokens")),
    (
        "bedrock",
        "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke",
        {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 99, "messages": MESSAGES},
        ("max_tokens",),
    ),
    (
        "bedrock",
        "/model/amazon.nova-pro-v1%3A0/invoke",
        {"messages": [], "inferenceConfig": {"temperature": 0.5}},
        ("inferenceConfig", "maxTokens"),
    ),
    (
        "bedrock",
        "/model/amazon.nova-pro-v1%3A0/invoke",
        {"messages": [], "inferenceConfig": {"max_new_tokens": 50}},
        ("inferenceConfig", "max_new_tokens"),
    ),
    (
        "bedrock",
        "/model/amazon.titan-text-express-v1/invoke",
        {"inputText": "a"},
        ("textGenerationConfig", "maxTokenCount"),
    ),
    ("bedrock", "/model/meta.llama3-8b-instruct-v1%3A0/invoke", {"prompt": "a"}, ("max_gen_len",)),
    ("bedrock", "/model/mistral.mistral-large-2402-v1%3A0/invoke", {}, ("max_tokens",)),
    ("bedrock", "/model/openai.gpt-oss-20b-1%3A0/invoke", {}, ("max_completion_tokens",)),
]


@pytest.mark.parametrize(("kind", "path", "body", "place"), PLACES)
def test_the_limit_stands_where_the_dialect_has_it(
    kind: str, path: str, body: dict[str, object], place: tuple[str, ...]
) -> None:
    changed = limited(kind, path, body)

    expected = json.loads(json.dumps(body))
    inner = expected
    for name in place[:-1]:
        inner = inner.setdefault(name, {})
    inner[place[-1]] = 7
    assert changed == expected


def test_a_limit_in_the_other_spelling_is_found() -> None:
    body = {"generation_config": {"max_output_tokens": 10**6}}

    request = read("genai", GENERATE, json.dumps(body).encode())
    changed = dialect_for("genai").limit_output(request, 7)

    assert json.loads(changed.upstream_body) == {"generation_config": {"max_output_tokens": 7}}


def test_two_limits_are_both_lowered() -> None:
    body = {"model": "gpt-4o", "max_tokens": 10, "max_completion_tokens": 90}

    changed = limited("openai", CHAT, body)

    assert changed == {"model": "gpt-4o", "max_tokens": 7, "max_completion_tokens": 7}


def test_a_limit_that_is_null_is_none() -> None:
    assert limited("openai", CHAT, {"model": "gpt-4o", "max_completion_tokens": None}) == {
        "model": "gpt-4o",
        "max_completion_tokens": 7,
    }


def test_where_a_limit_is_only_added_every_other_byte_stays() -> None:
    body = b'{"model":"gpt-4o","messages":[ {"role" :"user","content":"\\u00e9"} ],"seed":1.50}'

    changed = dialect_for("openai").limit_output(read("openai", CHAT, body), 7).upstream_body

    assert changed == b'{"max_completion_tokens":7,' + body[1:]


@pytest.mark.parametrize("body", [b'{"generationConfig":[]}', b'{"generationConfig":7}'])
def test_a_body_without_a_place_for_the_limit_is_refused(body: bytes) -> None:
    with pytest.raises(RefusedRequestError, match="cannot be read"):
        with_output_limit(body, [("generationConfig", "maxOutputTokens")], 7)


VALUES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5)
FIELDS = st.dictionaries(st.text(max_size=6), VALUES | st.lists(VALUES, max_size=3), max_size=5)


@given(fields=FIELDS, tokens=st.integers(1, 2**31), indent=st.sampled_from((None, 2)))
def test_any_body_keeps_its_other_fields(
    fields: dict[str, object], tokens: int, indent: int | None
) -> None:
    body = json.dumps(fields, indent=indent).encode()

    changed = json.loads(with_output_limit(body, [("limit",)], tokens))

    assert changed == {**fields, "limit": tokens}


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("gpt-4o-mini", 16_384),
        ("gpt-4o-2024-05-13", 4_096),
        ("gpt-5.2", 128_000),
        ("o3-mini", 100_000),
        ("claude-opus-4-1-20250805", 32_000),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", 64_000),
        ("models/gemini-2.5-pro", 65_536),
        ("amazon.nova-lite-v1:0", 10_000),
        ("nobody-knows-it", None),
    ],
)
def test_what_a_model_writes_at_most_is_known_by_its_name(model: str, tokens: int | None) -> None:
    assert output_tokens_max_of(model) == tokens
