"""
What Anthropic's API and Bedrock's Converse have in common.

Answers come in numbered blocks, and JSON output is made by having a tool called.
"""

from collections.abc import Iterable

import msgspec

from modelmeter.service.conversation import (
    Conversation,
    FinishReason,
    Piece,
    Text,
    ToolCall,
    ToolSpec,
    Written,
    unsupported,
)

__all__ = ["JSON_TOOL", "StreamedBlocks", "check_sampling", "json_tool", "written"]

JSON_TOOL = "json_answer"
"""The tool that a model is made to call where its provider has no JSON output of its own."""

_FINISH: dict[str, FinishReason] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    "content_filtered": "content_filter",
    "guardrail_intervened": "content_filter",
}


def check_sampling(conversation: Conversation, provider: str) -> None:
    """
    Raises:
        RefusedRequestError: the answer is to be drawn as neither API can.
    """
    sampling = conversation.sampling
    for name in ("seed", "presence_penalty", "frequency_penalty"):
        if getattr(sampling, name) is not None:
            raise unsupported(provider, f"what `{name}` asks for", "leave it out for this model")
    if sampling.temperature is not None and sampling.temperature > 1:
        raise unsupported(provider, "a temperature above 1")


def json_tool(conversation: Conversation, provider: str) -> ToolSpec | None:
    """
    The tool whose call is the JSON that is wanted, if it is.

    Raises:
        RefusedRequestError: tools of the caller's own are wanted as well.
    """
    schema = conversation.json_schema
    if schema is None:
        return None
    if conversation.tools:
        raise unsupported(provider, "JSON output and tools in one request")
    what = "Give the answer as JSON."
    return ToolSpec(JSON_TOOL, what, schema or {"type": "object"}, conversation.json_strict)


def written(blocks: Iterable[Text | ToolCall], stop_reason: str | None) -> Written:
    """A whole answer of these blocks."""
    texts: list[str] = []
    calls: list[ToolCall] = []
    for block in blocks:
        match block:
            case Text(text):
                texts.append(text)
            case ToolCall(name=name) if name == JSON_TOOL:
                texts.append(msgspec.json.encode(block.arguments).decode())
            case _:
                calls.append(block)
    return Written("".join(texts), tuple(calls), _finish(stop_reason, bool(calls)))


class StreamedBlocks:
    """The tools' calls among the blocks of one stream."""

    def __init__(self) -> None:
        self._calls: dict[int, int] = {}
        """Which call of the answer a block is."""
        self._json: set[int] = set()

    def start(self, index: int, tool_id: str, name: str) -> Piece | None:
        """A tool's block begins."""
        if name == JSON_TOOL:
            self._json.add(index)
            return None
        self._calls[index] = len(self._calls)
        return Piece(tool_index=self._calls[index], tool_id=tool_id, tool_name=name)

    def arguments(self, index: int, text: str) -> Piece | None:
        """More of a tool's block."""
        if index in self._json:
            return Piece(text=text)
        if index in self._calls:
            return Piece(tool_index=self._calls[index], arguments=text)
        return None

    def finish(self, stop_reason: str | None) -> Piece:
        """The end of the answer."""
        return Piece(finish_reason=_finish(stop_reason, bool(self._calls)))


def _finish(stop_reason: str | None, has_calls: bool) -> FinishReason:
    finish = _FINISH.get(stop_reason or "", "stop")
    # JSON output is a tool's call on the wire, and the end of the answer to its caller.
    return "stop" if finish == "tool_calls" and not has_calls else finish
