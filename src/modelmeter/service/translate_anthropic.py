"""
Conversations in Anthropic's Messages API.

https://platform.claude.com/docs/en/api/messages,
https://platform.claude.com/docs/en/build-with-claude/streaming
"""

import msgspec

from modelmeter.errors import UpstreamError, WireError
from modelmeter.providers.bodies import UNREADABLE
from modelmeter.record import ErrorType
from modelmeter.service.content_blocks import (
    JSON_TOOL,
    StreamedBlocks,
    check_sampling,
    json_tool,
    written,
)
from modelmeter.service.conversation import (
    AnyTool,
    Conversation,
    Image,
    NamedTool,
    Part,
    Piece,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
    Written,
    broken_off,
    unreadable,
)
from modelmeter.wire.sse import ServerSentEventDecoder

__all__ = ["OUTPUT_TOKENS_DEFAULT", "AnthropicReader", "anthropic_request"]

OUTPUT_TOKENS_DEFAULT = 4096
"""The limit of an answer whose request sets none: Anthropic wants one, every model allows this."""

_NAME = "Anthropic"
Object = dict[str, object]


def anthropic_request(conversation: Conversation, model: str) -> Object:
    """
    The body of ``POST /v1/messages``.

    Raises:
        RefusedRequestError: the conversation asks for what Anthropic cannot do.
    """
    check_sampling(conversation, _NAME)
    sampling = conversation.sampling
    body: Object = {
        "model": model,
        "max_tokens": sampling.max_tokens or OUTPUT_TOKENS_DEFAULT,
        "messages": [
            {"role": turn.role, "content": [_block(part) for part in turn.parts]}
            for turn in conversation.turns
        ],
    }
    if conversation.system:
        body["system"] = [{"type": "text", "text": text} for text in conversation.system]
    if sampling.temperature is not None:
        body["temperature"] = sampling.temperature
    if sampling.top_p is not None:
        body["top_p"] = sampling.top_p
    if sampling.stop:
        body["stop_sequences"] = list(sampling.stop)
    if conversation.streamed:
        body["stream"] = True
    return body | _tools(conversation)


def _block(part: Part) -> Object:
    match part:
        case Text(text):
            return {"type": "text", "text": text}
        case Image():
            return {"type": "image", "source": _source(part)}
        case ToolCall():
            return {"type": "tool_use", "id": part.id, "name": part.name, "input": part.arguments}
        case ToolResult():
            return {"type": "tool_result", "tool_use_id": part.id, "content": part.text}


def _source(image: Image) -> Object:
    if image.url:
        return {"type": "url", "url": image.url}
    return {"type": "base64", "media_type": image.media_type, "data": image.data}


def _tools(conversation: Conversation) -> Object:
    answer = json_tool(conversation, _NAME)
    if answer is not None:
        return {"tools": [_tool(answer)], "tool_choice": {"type": "tool", "name": JSON_TOOL}}
    if not conversation.tools:
        return {}
    choice: Object = {"type": "auto"}
    if isinstance(conversation.tool_choice, NamedTool):
        choice = {"type": "tool", "name": conversation.tool_choice.name}
    elif isinstance(conversation.tool_choice, AnyTool):
        choice = {"type": "any"}
    elif conversation.tool_choice == "none":
        choice = {"type": "none"}
    if not conversation.parallel_tool_calls and choice["type"] != "none":
        choice["disable_parallel_tool_use"] = True
    return {"tools": [_tool(tool) for tool in conversation.tools], "tool_choice": choice}


def _tool(tool: ToolSpec) -> Object:
    spec: Object = {"name": tool.name, "input_schema": tool.parameters}
    if tool.description:
        spec["description"] = tool.description
    if tool.strict:
        spec["strict"] = True
    return spec


class _ContentBlock(msgspec.Struct):
    type: str = ""
    text: str = ""
    id: str = ""
    name: str = ""
    input: dict[str, object] = {}


class _Message(msgspec.Struct):
    content: list[_ContentBlock]
    stop_reason: str | None = None


class _Delta(msgspec.Struct):
    type: str = ""
    text: str = ""
    partial_json: str = ""
    stop_reason: str | None = None


class _Failure(msgspec.Struct):
    message: str = "the provider reported an error in the stream"


class _Event(msgspec.Struct):
    type: str = ""
    index: int = 0
    content_block: _ContentBlock | None = None
    delta: _Delta | None = None
    error: _Failure | None = None


_message_decoder = msgspec.json.Decoder(_Message)
_event_decoder = msgspec.json.Decoder(_Event)


class AnthropicReader:
    """See `AnswerReader`."""

    def __init__(self) -> None:
        self._events = ServerSentEventDecoder()
        self._blocks = StreamedBlocks()
        self._stopped = False

    def read_whole(self, body: bytes) -> Written:
        """See `AnswerReader.read_whole`."""
        try:
            message = _message_decoder.decode(body)
        except UNREADABLE as error:
            raise unreadable(_NAME, error) from error
        blocks = [
            Text(block.text)
            if block.type == "text"
            else ToolCall(block.id, block.name, block.input)
            for block in message.content
            if block.type in ("text", "tool_use")
        ]
        return written(blocks, message.stop_reason)

    def feed(self, chunk: bytes) -> list[Piece]:
        """See `AnswerReader.feed`."""
        try:
            events = [
                _event_decoder.decode(event.data)
                for event in self._events.feed(chunk)
                if event.data
            ]
        except (WireError, *UNREADABLE) as error:
            raise unreadable(_NAME, error) from error
        return [piece for event in events if (piece := self._piece(event)) is not None]

    def end(self) -> list[Piece]:
        """See `AnswerReader.end`."""
        if not self._stopped:
            raise broken_off()
        return []

    def _piece(self, event: _Event) -> Piece | None:
        if event.type == "error":
            failure = event.error or _Failure()
            raise UpstreamError(failure.message, error_type=ErrorType.SERVER_ERROR)
        if event.type == "message_stop":
            self._stopped = True
        block, delta = event.content_block, event.delta
        if event.type == "content_block_start" and block is not None:
            return self._start(event.index, block)
        if delta is None:
            return None
        if event.type == "message_delta" and delta.stop_reason is not None:
            return self._blocks.finish(delta.stop_reason)
        if delta.type == "text_delta":
            return Piece(text=delta.text)
        if delta.type == "input_json_delta":
            return self._blocks.arguments(event.index, delta.partial_json)
        return None

    def _start(self, index: int, block: _ContentBlock) -> Piece | None:
        if block.type == "text" and block.text:
            return Piece(text=block.text)
        if block.type == "tool_use":
            return self._blocks.start(index, block.id, block.name)
        return None
