"""
Bedrock's converse and converse-stream.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html,
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
"""

from collections.abc import Iterator

import msgspec

from modelmeter.record import Operation
from modelmeter.simulator.exchange import Answer, Ask, Finish, Frame, HttpRequest, Tool
from modelmeter.simulator.framing import AwsEventFraming
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

__all__ = ["FINISH", "TOKENS_PER_DELTA", "ConverseSurface", "converse_ask", "stream_frames"]

FINISH: dict[Finish, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool": "tool_use",
    "filtered": "content_filtered",
}
TOKENS_PER_DELTA = 3
"""Tokens that one event of a stream carries."""


class _InferenceConfig(msgspec.Struct):
    max_tokens: int | None = msgspec.field(default=None, name="maxTokens")
    max_new_tokens: int | None = None


class ConverseBody(msgspec.Struct):
    """A request to converse; Nova's own format for invoke differs in one name only."""

    messages: list[dict[str, object]]
    system: list[dict[str, object]] | None = None
    inference: _InferenceConfig | None = msgspec.field(default=None, name="inferenceConfig")
    tools: dict[str, object] | None = msgspec.field(default=None, name="toolConfig")
    extra: dict[str, object] | None = msgspec.field(
        default=None, name="additionalModelRequestFields"
    )


class ConverseSurface:
    """``POST /model/{id}/converse`` and ``converse-stream``."""

    operation = Operation.CONVERSE

    def __init__(self, model: str, *, streamed: bool) -> None:
        self._model = model
        self._streamed = streamed

    def read(self, request: HttpRequest) -> Ask:
        """Read a request to converse."""
        return converse_ask(request, self._model, self.operation, streamed=self._streamed)

    def response_id(self, ids: Ids) -> None:
        """Bodies carry none."""

    def framing(self, request: HttpRequest) -> AwsEventFraming:
        """AWS event stream."""
        return AwsEventFraming()

    def body(self, ask: Ask, answer: Answer) -> bytes:
        """Write a whole answer."""
        payload: dict[str, object] = {
            "metrics": {"latencyMs": answer.latency_ms},
            "output": {"message": {"content": content_blocks(answer), "role": "assistant"}},
            "stopReason": FINISH[answer.finish],
        }
        usage = _usage(answer)
        if usage is not None:
            payload["usage"] = usage
        return msgspec.json.encode(payload)

    def frames(self, ask: Ask, answer: Answer) -> Iterator[Frame]:
        """Write the events; counts come last, in ``metadata``."""
        yield from stream_frames(answer)
        metadata: dict[str, object] = {"metrics": {"latencyMs": answer.latency_ms}}
        usage = _usage(answer)
        if usage is not None:
            metadata["usage"] = usage
        yield Frame("metadata", metadata)


def converse_ask(request: HttpRequest, model: str, operation: Operation, *, streamed: bool) -> Ask:
    """
    Read what a request to converse asks for.

    Raises:
        FaultError: it is not valid.
    """
    body = decode_body(request, ConverseBody)
    if not body.messages:
        raise refuse("The number of messages must be at least 1.")
    inference = body.inference or _InferenceConfig()
    limit = inference.max_tokens or inference.max_new_tokens
    if limit is not None and limit < 1:
        raise refuse("inferenceConfig.maxTokens must be at least 1.")
    tools, choice = _tools(body.tools or {})
    return Ask(
        operation=operation,
        model=model,
        streamed=streamed,
        input_tokens=count_of_tokens(body.messages, body.system, body.tools),
        image_tokens=image_tokens(body.messages),
        output_tokens_max=limit,
        tools=tools,
        tool_wanted=tool_wanted(tools, choice, body.messages),
        cache_ttl=cache_ttl([body.messages, body.system, body.tools], "cachePoint"),
        thinking=bool(body.extra and ("thinking" in body.extra or "reasoningConfig" in body.extra)),
    )


def content_blocks(answer: Answer) -> list[dict[str, object]]:
    """Give the content of an answer."""
    if answer.tool is not None:
        call = {"toolUseId": _tool_id(answer), "name": answer.tool.name}
        return [{"toolUse": call | {"input": answer.tool.arguments}}]
    return [{"text": answer.text}]


def stream_frames(answer: Answer) -> Iterator[Frame]:
    """Give the events of an answer up to ``messageStop``."""
    index = {"contentBlockIndex": 0}
    yield Frame("messageStart", {"role": "assistant"})
    tool = answer.tool
    if tool is not None:
        start = {"toolUse": {"toolUseId": _tool_id(answer), "name": tool.name}}
        yield Frame("contentBlockStart", {"start": start, **index})
    pieces = answer.pieces if tool is None else tool.pieces
    for first in range(0, len(pieces), TOKENS_PER_DELTA):
        group = pieces[first : first + TOKENS_PER_DELTA]
        text = "".join(group)
        delta: dict[str, object] = {"text": text} if tool is None else {"toolUse": {"input": text}}
        yield Frame("contentBlockDelta", {"delta": delta, **index}, len(group))
    yield Frame("contentBlockStop", dict(index))
    yield Frame("messageStop", {"stopReason": FINISH[answer.finish]})


def _tool_id(answer: Answer) -> str:
    return f"tooluse_{answer.ids.base62('tool', 22)}"


def _tools(config: dict[str, object]) -> tuple[tuple[Tool, ...], str | None]:
    found = []
    listed = config.get("tools")
    for tool in listed if isinstance(listed, list) else ():
        spec = tool.get("toolSpec") if isinstance(tool, dict) else None
        if isinstance(spec, dict) and isinstance(spec.get("name"), str):
            schema = spec.get("inputSchema")
            found.append(Tool(spec["name"], schema.get("json") if isinstance(schema, dict) else {}))
    choice = config.get("toolChoice")
    forced = isinstance(choice, dict) and ("any" in choice or "tool" in choice)
    return tuple(found), "required" if forced else None


def _usage(answer: Answer) -> dict[str, object] | None:
    """Count as converse does: cached input apart from input, reasoning inside output."""
    tokens = answer.tokens
    written = tokens.cache_write_5m + tokens.cache_write_1h
    given = tokens.input + tokens.image_input
    made = tokens.output + tokens.reasoning
    usage: dict[str, object] = {
        "cacheReadInputTokens": tokens.cache_read,
        "cacheWriteInputTokens": written,
        "inputTokens": given,
        "outputTokens": made,
        "totalTokens": given + made + tokens.cache_read + written,
    }
    details = [
        {"ttl": ttl, "inputTokens": count}
        for ttl, count in (("5m", tokens.cache_write_5m), ("1h", tokens.cache_write_1h))
        if count
    ]
    if details:
        usage["cacheDetails"] = details
    return reported_usage(usage, answer.directive)
