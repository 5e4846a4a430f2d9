"""
Reads OpenAI's chat requests for providers that speak otherwise.

https://platform.openai.com/docs/api-reference/chat/create
"""

import re
from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from modelmeter.errors import RefusedRequestError
from modelmeter.providers.bodies import output_limit
from modelmeter.service.conversation import (
    AnyTool,
    Conversation,
    Image,
    NamedTool,
    Part,
    Sampling,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    ToolSpec,
    Turn,
    unsupported,
)

__all__ = ["read_chat"]

MESSAGES_MAX = 100_000
"""Messages of one request."""

_DATA_URL = re.compile(r"data:(image/[a-z0-9.+-]+);base64,", re.IGNORECASE)
_WITHOUT_EFFECT = frozenset({
    "model", "stream_options", "user", "metadata", "safety_identifier", "prompt_cache_key",
    "prompt_cache_retention",
})  # fmt: skip
"""Fields that change nothing in the answer: whose call it is, and hints to OpenAI's own cache."""
_HARMLESS: dict[str, tuple[object, ...]] = {
    "n": (1,),
    "logprobs": (False,),
    "store": (False,),
    "service_tier": ("auto", "default"),
    "modalities": (["text"],),
    "logit_bias": ({},),
    "functions": ([],),
}
"""Values of other fields that ask for what every provider does anyway."""


class _Function(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: dict[str, object] | None = None
    strict: bool | None = None


class _Tool(msgspec.Struct):
    type: str
    function: _Function | None = None


class _Named(msgspec.Struct):
    name: str


class _Choice(msgspec.Struct):
    type: str
    function: _Named | None = None


class _JsonSchema(msgspec.Struct):
    schema: dict[str, object] | None = None
    strict: bool | None = None


class _Format(msgspec.Struct):
    type: str
    json_schema: _JsonSchema | None = None


class _CalledFunction(msgspec.Struct):
    name: str
    arguments: str = ""


class _Called(msgspec.Struct):
    id: str
    function: _CalledFunction
    type: str = "function"
    extra_content: dict[str, dict[str, object]] | None = None


class _ImageUrl(msgspec.Struct):
    url: str


class _ContentPart(msgspec.Struct):
    type: str
    text: str = ""
    refusal: str = ""
    image_url: _ImageUrl | None = None


_Content = str | list[_ContentPart] | None


class _Message(msgspec.Struct):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: _Content = None
    tool_calls: list[_Called] | None = None
    tool_call_id: str = ""
    function_call: object = None
    audio: object = None


class _Request(msgspec.Struct):
    messages: list[_Message]
    stream: bool | None = None
    tools: list[_Tool] | None = None
    tool_choice: str | _Choice | None = None
    parallel_tool_calls: bool | None = None
    response_format: _Format | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None


_READ = frozenset(_Request.__struct_fields__)


def read_chat(fields: Mapping[str, object], provider: str) -> Conversation:
    """
    A chat request's decoded body as a conversation for ``provider``.

    Raises:
        RefusedRequestError: a field is wrong, or asks for what only OpenAI's own models do.
    """
    _check_fields(fields, provider)
    try:
        request = msgspec.convert(fields, _Request)
    except msgspec.ValidationError as error:
        raise RefusedRequestError(f"the request's body: {error}") from error
    if not 0 < len(request.messages) <= MESSAGES_MAX:
        raise RefusedRequestError(f"messages must hold 1 to {MESSAGES_MAX} messages")
    limit = request.max_completion_tokens
    return Conversation(
        system=tuple(_system(request.messages)),
        turns=tuple(_turns(request.messages, provider)),
        tools=tuple(_tool(tool, provider) for tool in request.tools or ()),
        tool_choice=_choice(request.tool_choice, provider),
        parallel_tool_calls=request.parallel_tool_calls is not False,
        json_schema=_schema(request.response_format, provider),
        json_strict=_strict(request.response_format),
        sampling=Sampling(
            temperature=request.temperature,
            top_p=request.top_p,
            max_tokens=output_limit(request.max_tokens if limit is None else limit),
            stop=(request.stop,) if isinstance(request.stop, str) else tuple(request.stop or ()),
            seed=request.seed,
            presence_penalty=request.presence_penalty or None,
            frequency_penalty=request.frequency_penalty or None,
        ),
        streamed=bool(request.stream),
    )


def _check_fields(fields: Mapping[str, object], provider: str) -> None:
    for name, value in fields.items():
        if name in _READ or name in _WITHOUT_EFFECT or value is None:
            continue
        if value not in _HARMLESS.get(name, ()):
            raise unsupported(provider, f"what `{name}` asks for", "leave it out for this model")


def _system(messages: list[_Message]) -> Iterator[str]:
    for message in messages:
        if message.role in ("system", "developer"):
            text = "".join(part.text for part in _parts(message.content))
            if text:
                yield text


def _turns(messages: list[_Message], provider: str) -> Iterator[Turn]:
    """Turns that alternate: neighbours of one role are one turn."""
    role: Literal["user", "assistant"] = "user"
    parts: list[Part] = []
    tool_names: dict[str, str] = {}
    for message in messages:
        if message.role in ("system", "developer"):
            continue
        speaker: Literal["user", "assistant"] = (
            "assistant" if message.role == "assistant" else "user"
        )
        if speaker != role and parts:
            yield Turn(role, tuple(parts))
            parts = []
        role = speaker
        for call in message.tool_calls or ():
            tool_names[call.id] = call.function.name
        parts += _said(message, tool_names, provider)
    if not parts:
        raise RefusedRequestError("messages must hold something said by the user")
    yield Turn(role, tuple(parts))


def _said(message: _Message, tool_names: Mapping[str, str], provider: str) -> Iterator[Part]:
    if message.role == "tool":
        if message.tool_call_id not in tool_names:
            raise RefusedRequestError(
                f"a message of role tool answers {message.tool_call_id!r}, which no message before "
                "it has called"
            )
        text = "".join(part.text for part in _parts(message.content))
        yield ToolResult(message.tool_call_id, tool_names[message.tool_call_id], text)
        return
    if message.function_call is not None or message.audio is not None:
        raise unsupported(provider, "`function_call` and `audio` of messages")
    for part in _parts(message.content):
        if part.type == "image_url" and part.image_url is not None:
            yield _image(part.image_url.url)
        elif part.type in ("text", "refusal"):
            text = part.text or part.refusal
            if text:
                yield Text(text)
        else:
            raise unsupported(provider, f"message parts of type {part.type!r}")
    for call in message.tool_calls or ():
        yield ToolCall(call.id, call.function.name, _arguments(call), _signature(call))


def _parts(content: _Content) -> list[_ContentPart]:
    if isinstance(content, str):
        return [_ContentPart("text", content)]
    return content or []


def _image(url: str) -> Image:
    inline = _DATA_URL.match(url)
    if inline is not None:
        return Image(media_type=inline.group(1).lower(), data=url[inline.end() :])
    if url.startswith(("https://", "http://")):
        return Image(url=url)
    raise RefusedRequestError("an image is given as an https: or a base64 data: URL")


def _arguments(call: _Called) -> dict[str, object]:
    try:
        return msgspec.json.decode(call.function.arguments or "{}", type=dict[str, object])
    except (msgspec.DecodeError, RecursionError) as error:
        raise RefusedRequestError(
            f"the arguments of tool call {call.id!r} are no JSON object"
        ) from error


def _signature(call: _Called) -> str | None:
    signature = (call.extra_content or {}).get("google", {}).get("thought_signature")
    return signature if isinstance(signature, str) else None


def _tool(tool: _Tool, provider: str) -> ToolSpec:
    if tool.type != "function" or tool.function is None:
        raise unsupported(provider, f"tools of type {tool.type!r}", "give functions")
    function = tool.function
    empty: dict[str, object] = {"type": "object", "properties": {}}
    return ToolSpec(
        function.name, function.description, function.parameters or empty, bool(function.strict)
    )


def _choice(choice: str | _Choice | None, provider: str) -> ToolChoice:
    if isinstance(choice, _Choice):
        if choice.type != "function" or choice.function is None:
            raise unsupported(provider, f"a tool_choice of type {choice.type!r}")
        return NamedTool(choice.function.name)
    match choice:
        case None | "auto":
            return "auto"
        case "none":
            return "none"
        case "required":
            return AnyTool()
    raise RefusedRequestError("tool_choice is auto, none, required, or names a function")


def _schema(response_format: _Format | None, provider: str) -> dict[str, object] | None:
    if response_format is None or response_format.type == "text":
        return None
    if response_format.type == "json_object":
        return {}
    if response_format.type == "json_schema" and response_format.json_schema is not None:
        return response_format.json_schema.schema or {}
    raise unsupported(provider, f"a response_format of type {response_format.type!r}")


def _strict(response_format: _Format | None) -> bool:
    schema = None if response_format is None else response_format.json_schema
    return schema is not None and bool(schema.strict)
