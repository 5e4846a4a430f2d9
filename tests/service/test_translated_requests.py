"""Translated requests are what the providers' own SDKs would accept and send."""

import base64
import copy
from typing import Any, get_type_hints

import pytest
from anthropic.types import message_create_params
from botocore.session import get_session
from botocore.validate import ParamValidator
from google.genai import types
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from modelmeter.errors import RefusedRequestError
from modelmeter.service.read_chat import read_chat
from modelmeter.service.translate_anthropic import anthropic_request
from modelmeter.service.translate_bedrock import converse_request
from modelmeter.service.translate_genai import generate_request

PIXEL = base64.b64encode(b"\x89PNG pixel").decode()
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": f"What {name} does.",
            "parameters": {"type": "object", "properties": {"x": {"type": "string"}}},
            "strict": name == "second",
        },
    }
    for name in ("first", "second")
]
CALLS = [
    {
        "id": f"call_{number}",
        "type": "function",
        "function": {"name": name, "arguments": '{"x": "y"}'},
    }
    for number, name in enumerate(("first", "second"))
]
WHOLE: dict[str, Any] = {
    "model": "any",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {
                    "type": "image_url",
                    "image_url": {"url": f"data:image/png;base64,{PIXEL}", "detail": "low"},
                },
            ],
        },
        {"role": "assistant", "content": "Let me see.", "tool_calls": CALLS},
        {"role": "tool", "tool_call_id": "call_0", "content": "sunny"},
        {"role": "tool", "tool_call_id": "call_1", "content": '{"wind": 3}'},
        {"role": "user", "content": "And now?"},
    ],
    "tools": TOOLS,
    "tool_choice": "auto",
    "temperature": 0.5,
    "top_p": 0.9,
    "max_completion_tokens": 100,
    "stop": ["END", "STOP"],
    "user": "u-1",
}
CHOICES = ["auto", "required", {"type": "function", "function": {"name": "second"}}]
FORMATS: list[dict[str, Any]] = [
    {"type": "json_object"},
    {
        "type": "json_schema",
        "json_schema": {"name": "a", "schema": {"type": "object"}, "strict": True},
    },
]

bedrock_model = get_session().get_service_model("bedrock-runtime")
anthropic_adapter: TypeAdapter[Any] = TypeAdapter(
    message_create_params.MessageCreateParamsNonStreaming,
    config=None,
)


def variants() -> list[dict[str, Any]]:
    """The whole request with each choice of tools, and with each kind of JSON output."""
    made = [WHOLE | {"tool_choice": choice} for choice in CHOICES]
    for response_format in FORMATS:
        plain = {name: value for name, value in WHOLE.items() if "tool" not in name}
        plain["messages"] = WHOLE["messages"][:3]
        made.append(plain | {"response_format": response_format})
    made.append({"messages": [{"role": "user", "content": "Hello."}]})
    return made


@pytest.mark.parametrize("fields", variants())
def test_bedrocks_own_model_accepts_the_request(fields: dict[str, Any]) -> None:
    """botocore validates every name, type and required member; and it knows all that is there."""
    body = copy.deepcopy(converse_request(read_chat(fields, "bedrock")))
    _decode_images(body)

    shape = bedrock_model.operation_model("Converse").input_shape
    assert shape is not None
    report = ParamValidator().validate({"modelId": "m", **body}, shape)

    assert not report.has_errors(), report.generate_report()


@pytest.mark.parametrize("fields", variants())
def test_google_genais_own_types_accept_the_request(fields: dict[str, Any]) -> None:
    """They forbid names they do not know."""
    body = generate_request(read_chat(fields, "genai"))

    contents = body["contents"]
    assert isinstance(contents, list)
    for content in contents:
        types.Content.model_validate(content)
    config = dict(body.get("generationConfig") or {})  # type: ignore[call-overload] # a dict
    for name in ("systemInstruction", "tools", "toolConfig"):
        if name in body:
            config[name] = body[name]
    types.GenerateContentConfig.model_validate(config)


@pytest.mark.parametrize("fields", variants())
def test_anthropics_own_types_accept_the_request(fields: dict[str, Any]) -> None:
    """The SDK's parameter types, checked strictly."""
    body = anthropic_request(read_chat(fields, "anthropic"), "claude-haiku-4-5")

    anthropic_adapter.validate_python(body)
    known = get_type_hints(message_create_params.MessageCreateParamsNonStreaming)
    # Taken by the version of the API that the requests name; the SDK's own version is later.
    assert set(body) <= set(known) | {"temperature", "top_p"}


def test_turns_alternate_and_results_go_with_the_user() -> None:
    """Providers refuse two turns of one role in a row, and tools' results in any other place."""
    conversation = read_chat(WHOLE, "any")

    assert [turn.role for turn in conversation.turns] == ["user", "assistant", "user"]
    assert conversation.system == ("Be brief.", "Be kind.")
    assert [type(part).__name__ for part in conversation.turns[2].parts] == [
        "ToolResult",
        "ToolResult",
        "Text",
    ]


def test_strict_schemas_stay_strict() -> None:
    """In each provider's own word for it."""
    fields = WHOLE | {"tool_choice": "auto"}

    claude: Any = anthropic_request(read_chat(fields, "any"), "m")
    bedrock: Any = converse_request(read_chat(fields, "any"))
    gemini: Any = generate_request(read_chat(fields, "any"))

    assert [tool.get("strict") for tool in claude["tools"]] == [None, True]
    specs = [tool["toolSpec"] for tool in bedrock["toolConfig"]["tools"]]
    assert [spec.get("strict") for spec in specs] == [None, True]
    assert gemini["toolConfig"]["functionCallingConfig"] == {"mode": "VALIDATED"}


def test_geminis_thought_signature_comes_back_with_its_call() -> None:
    """In the place where Google's own compatible API keeps it."""
    call = CALLS[0] | {"extra_content": {"google": {"thought_signature": "c2ln"}}}
    messages = [
        {"role": "user", "content": "x"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_0", "content": "y"},
    ]

    body = generate_request(read_chat({"messages": messages, "tools": TOOLS}, "genai"))

    contents: Any = body["contents"]
    assert contents[1]["parts"][0]["thoughtSignature"] == "c2ln"
    assert contents[2]["parts"][0]["functionResponse"] == {
        "name": "first",
        "response": {"result": "y"},
    }


@pytest.mark.parametrize(
    "change",
    [
        {"messages": []},
        {"messages": [{"role": "system", "content": "only"}]},
        {"messages": [{"role": "wizard", "content": "x"}]},
        {"messages": [{"role": "tool", "tool_call_id": "nobody", "content": "x"}]},
        {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]},
        {"tools": [{"type": "web_search"}]},
        {"tool_choice": "sometimes"},
        {"response_format": {"type": "xml"}},
        {"max_tokens": 0, "max_completion_tokens": None},
        {"stop": 7},
        {"brand_new_field": 1},
        {"messages": [{"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}}]},
    ],
)
def test_what_cannot_be_translated_is_refused(change: dict[str, Any]) -> None:
    """With a reason, whatever it is."""
    with pytest.raises(RefusedRequestError) as refused:
        read_chat(WHOLE | change, "bedrock")

    assert refused.value.http_status == 400
    assert refused.value.message


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    fields=st.dictionaries(
        st.sampled_from([*sorted(WHOLE), "stream", "seed", "n", "response_format"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=8),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(
                        ["role", "content", "type", "text", "function", "name", "user"]
                    ),
                    inner,
                    max_size=4,
                )
            ),
            max_leaves=12,
        ),
    )
)
def test_any_json_is_translated_or_refused(fields: dict[str, Any]) -> None:
    """Nothing else is ever raised."""
    for render in (
        converse_request,
        generate_request,
        lambda conversation: anthropic_request(conversation, "m"),
    ):
        try:
            render(read_chat(fields, "any"))
        except RefusedRequestError:
            continue


def _decode_images(value: Any) -> None:
    """What botocore takes as bytes goes as base64 in JSON."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "bytes":
                value[name] = base64.b64decode(inner)
            else:
                _decode_images(inner)
    elif isinstance(value, list):
        for inner in value:
            _decode_images(inner)
