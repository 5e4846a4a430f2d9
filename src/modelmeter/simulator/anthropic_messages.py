"""
Anthropic's messages, as its own API and Bedrock's invoke speak them.

https://platform.claude.com/docs/en/api/messages,
https://platform.claude.com/docs/en/build-with-claude/streaming
"""

from collections.abc import Iterator, Mapping

import msgspec

from modelmeter.record import ErrorType, Operation
from modelmeter.simulator.exchange import (
    Answer,
    Ask,
    Fault,
    FaultError,
    Finish,
    Frame,
    HttpRequest,
    Tool,
)
from modelmeter.simulator.framing import NamedEventFraming
from modelmeter.simulator.prompt import (
    cache_ttl,
    count_of_tokens,
    decode_body,
    image_tokens,
    refuse,
    tool_wanted,
)
from modelmeter.simulator.usage import reported_usage
from modelmeter.simulator.words import Ids

__all__ = [
    "MessagesBody",
    "MessagesSurface",
    "count_prompt",
    "message_frames",
    "message_payload",
    "read_message",
]

_FINISH: dict[Finish, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool": "tool_use",
    "filtered": "refusal",
}
_TOKENS_PER_DELTA = 4
_VERSION_WITHOUT_SAMPLING = "2026-10-21"
"""From this version of the API on, sampling parameters are refused."""

_DATED = {
    "claude-sonnet-4-5": "claude-sonnet-4-5-20250929",
    "claude-haiku-4-5": "claude-haiku-4-5-20251001",
    "claude-3-5-haiku-latest": "claude-3-5-haiku-20241022",
}
_INPUT_COUNTS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


class MessagesBody(msgspec.Struct):
    """A request for a message; Bedrock's has no model."""

    messages: list[dict[str, object]]
    model: str = ""
    max_tokens: int | None = None
    system: str | list[dict[str, object]] | None = None
    stream: bool | None = None
    tools: list[dict[str, object]] | None = None
    tool_choice: dict[str, object] | None = None
    thinking: dict[str, object] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    service_tier: str | None = None


class MessagesSurface:
    """``POST /v1/messages``."""

    operation = Operation.MESSAGES

    def read(self, request: HttpRequest) -> Ask:
        """Read a request for a message, by the rules of the API version that it names."""
        body = decode_body(request, MessagesBody)
        version = request.headers.get("anthropic-version")
        if version is None:
            raise refuse("anthropic-version: header is required")
        sampling = (body.temperature, body.top_p, body.top_k)
        if version >= _VERSION_WITHOUT_SAMPLING and any(each is not None for each in sampling):
            raise refuse("temperature, top_p and top_k are not supported by this API version")
        if not body.model.startswith("claude"):
            raise FaultError(Fault(ErrorType.NOT_FOUND, message=f"model: {body.model[:100]}"))
        return read_message(body, body.model, self.operation, streamed=bool(body.stream))

    def response_id(self, ids: Ids) -> str:
        """``msg_01`` and 22 letters and digits."""
        return message_id(ids)

    def framing(self, request: HttpRequest) -> NamedEventFraming:
        """Events with their names."""
        return NamedEventFraming()

    def body(self, ask: Ask, answer: Answer) -> bytes:
        """Write a whole message."""
        return msgspec.json.encode(message_payload(ask, answer))

    def frames(self, ask: Ask, answer: Answer) -> Iterator[Frame]:
        """Write the events of a message."""
        return message_frames(ask, answer)


def message_id(ids: Ids) -> str:
    """Give a message's id."""
    return f"msg_01{ids.base62('response', 22)}"


def read_message(body: MessagesBody, model: str, operation: Operation, *, streamed: bool) -> Ask:
    """
    Read what a message asks for.

    Raises:
        FaultError: it lacks messages or its limit of tokens.
    """
    if not body.messages:
        raise refuse("messages: at least one message is required")
    if body.max_tokens is None:
        raise refuse("max_tokens: Field required")
    if body.max_tokens < 1:
        raise refuse("max_tokens: must be greater than or equal to 1")
    tools = _tools(body)
    choice = (body.tool_choice or {}).get("type")
    told = "required" if choice in ("any", "tool") else "none" if choice == "none" else None
    thinking = (body.thinking or {}).get("type") in ("enabled", "adaptive")
    return Ask(
        operation=operation,
        model=model,
        streamed=streamed,
        input_tokens=count_of_tokens(body.messages, body.system, body.tools),
        image_tokens=image_tokens(body.messages),
        output_tokens_max=body.max_tokens,
        tools=tools,
        tool_wanted=tool_wanted(tools, told, body.messages),
        cache_ttl=cache_ttl([body.messages, body.system, body.tools], "cache_control"),
        thinking=thinking,
        service_tier=body.service_tier,
    )


def count_prompt(request: HttpRequest) -> int:
    """
    Count the tokens of a prompt, for ``count_tokens``.

    Raises:
        FaultError: the request is not valid.
    """
    body = decode_body(request, MessagesBody)
    return count_of_tokens(body.messages, body.system, body.tools) + image_tokens(body.messages)


def message_payload(ask: Ask, answer: Answer) -> dict[str, object]:
    """Give a whole message."""
    payload: dict[str, object] = {
        "model": _DATED.get(ask.model, ask.model),
        "id": message_id(answer.ids),
        "type": "message",
        "role": "assistant",
        "content": _blocks(answer),
        "stop_reason": _FINISH[answer.finish],
        "stop_sequence": None,
    }
    usage = _usage(answer, answer.tokens.output + answer.tokens.reasoning)
    if usage is not None:
        payload["usage"] = usage
    return payload


def message_frames(ask: Ask, answer: Answer) -> Iterator[Frame]:
    """Give the events of a message: counts of the input first, of the output at the end."""
    start = message_payload(ask, answer) | {"content": [], "stop_reason": None}
    first_usage = _usage(answer, min(1, answer.tokens.output + answer.tokens.reasoning))
    if first_usage is not None:
        start["usage"] = first_usage
    yield _frame("message_start", {"message": start})
    for index, block in enumerate(_blocks(answer)):
        empty = block | {key: "" for key in ("text", "thinking", "signature") if key in block}
        if block["type"] == "tool_use":
            empty["input"] = {}
        yield _frame("content_block_start", {"index": index, "content_block": empty})
        if index == 0:
            yield _frame("ping", {})
        for delta, tokens in _deltas(answer, block):
            yield _frame("content_block_delta", {"index": index, "delta": delta}, tokens)
        yield _frame("content_block_stop", {"index": index})
    end: dict[str, object] = {
        "delta": {"stop_reason": _FINISH[answer.finish], "stop_sequence": None}
    }
    usage = _usage(answer, answer.tokens.output + answer.tokens.reasoning)
    if usage is not None:
        kept = (*_INPUT_COUNTS, "output_tokens", "output_tokens_details")
        end["usage"] = {key: usage[key] for key in kept if key in usage}
    yield _frame("message_delta", end)
    yield _frame("message_stop", {})


def _frame(name: str, fields: Mapping[str, object], tokens: int = 0) -> Frame:
    return Frame(name, {"type": name, **fields}, tokens)


def _tools(body: MessagesBody) -> tuple[Tool, ...]:
    found = []
    for tool in body.tools or ():
        name = tool.get("name")
        if isinstance(name, str):
            found.append(Tool(name, tool.get("input_schema")))
    return tuple(found)


def _blocks(answer: Answer) -> list[dict[str, object]]:
    blocks: list[dict[str, object]] = []
    if answer.tokens.reasoning:
        signature = answer.ids.base62("signature", 64)
        thinking = "Let me work through this step by step."
        blocks.append({"type": "thinking", "thinking": thinking, "signature": signature})
    if answer.tool is not None:
        identity = f"toolu_01{answer.ids.base62('tool', 22)}"
        call = {"type": "tool_use", "id": identity, "name": answer.tool.name}
        blocks.append(call | {"input": answer.tool.arguments})
    elif answer.pieces:
        blocks.append({"type": "text", "text": answer.text})
    return blocks


def _deltas(answer: Answer, block: dict[str, object]) -> Iterator[tuple[dict[str, object], int]]:
    if block["type"] == "thinking":
        thought = {"type": "thinking_delta", "thinking": block["thinking"]}
        yield thought, answer.tokens.reasoning
        yield {"type": "signature_delta", "signature": block["signature"]}, 0
        return
    tool = answer.tool
    kind, field = ("text_delta", "text") if tool is None else ("input_json_delta", "partial_json")
    pieces = answer.pieces if tool is None else ("", *tool.pieces)
    for start in range(0, len(pieces), _TOKENS_PER_DELTA):
        group = pieces[start : start + _TOKENS_PER_DELTA]
        yield {"type": kind, field: "".join(group)}, len(group)


def _usage(answer: Answer, output_tokens: int) -> dict[str, object] | None:
    """Count as Anthropic does: cached input apart from input, thinking inside output."""
    tokens = answer.tokens
    usage: dict[str, object] = {
        "input_tokens": tokens.input + tokens.image_input,
        "cache_creation_input_tokens": tokens.cache_write_5m + tokens.cache_write_1h,
        "cache_read_input_tokens": tokens.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": tokens.cache_write_5m,
            "ephemeral_1h_input_tokens": tokens.cache_write_1h,
        },
        "output_tokens": output_tokens,
        "service_tier": "standard",
    }
    if tokens.reasoning and output_tokens > 1:
        usage["output_tokens_details"] = {"thinking_tokens": tokens.reasoning}
    return reported_usage(usage, answer.directive)
