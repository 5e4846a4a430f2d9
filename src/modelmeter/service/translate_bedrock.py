"""
Conversations in Bedrock's Converse API.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html,
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
"""

import msgspec

from modelmeter.errors import UpstreamError, WireError
from modelmeter.providers.bedrock.errors import error_type_of_exception
from modelmeter.providers.bodies import UNREADABLE
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
    unsupported,
)
from modelmeter.wire.event_stream import EventStreamDecoder, EventStreamMessage

__all__ = ["BedrockReader", "converse_request"]

_NAME = "Bedrock"
_IMAGE_FORMATS = frozenset({"png", "jpeg", "gif", "webp"})
Object = dict[str, object]


def converse_request(conversation: Conversation) -> Object:
    """
    The body of ``POST /model/{id}/converse`` and ``converse-stream``.

    Raises:
        RefusedRequestError: the conversation asks for what Converse cannot do.
    """
    check_sampling(conversation, _NAME)
    sampling = conversation.sampling
    body: Object = {
        "messages": [
            {"role": turn.role, "content": [_block(part) for part in turn.parts]}
            for turn in conversation.turns
        ]
    }
    if conversation.system:
        body["system"] = [{"text": text} for text in conversation.system]
    config: Object = {}
    if sampling.max_tokens is not None:
        config["maxTokens"] = sampling.max_tokens
    if sampling.temperature is not None:
        config["temperature"] = sampling.temperature
    if sampling.top_p is not None:
        config["topP"] = sampling.top_p
    if sampling.stop:
        config["stopSequences"] = list(sampling.stop)
    if config:
        body["inferenceConfig"] = config
    if (tools := _tool_config(conversation)) is not None:
        body["toolConfig"] = tools
    return body


def _block(part: Part) -> Object:
    match part:
        case Text(text):
            return {"text": text}
        case Image():
            return {"image": _image(part)}
        case ToolCall():
            call = {"toolUseId": part.id, "name": part.name, "input": part.arguments}
            return {"toolUse": call}
        case ToolResult():
            return {"toolResult": {"toolUseId": part.id, "content": [{"text": part.text}]}}


def _image(image: Image) -> Object:
    if image.url:
        raise unsupported(_NAME, "images by address", "give the image as a base64 data: URL")
    kind = image.media_type.removeprefix("image/").replace("jpg", "jpeg")
    if kind not in _IMAGE_FORMATS:
        raise unsupported(_NAME, f"images of type {image.media_type}")
    return {"format": kind, "source": {"bytes": image.data}}


def _tool_config(conversation: Conversation) -> Object | None:
    answer = json_tool(conversation, _NAME)
    if answer is not None:
        return {"tools": [_tool(answer)], "toolChoice": {"tool": {"name": JSON_TOOL}}}
    if not conversation.tools:
        return None
    if not conversation.parallel_tool_calls:
        raise unsupported(_NAME, "parallel_tool_calls = false")
    tools = {"tools": [_tool(tool) for tool in conversation.tools]}
    match conversation.tool_choice:
        case NamedTool(name):
            return {**tools, "toolChoice": {"tool": {"name": name}}}
        case AnyTool():
            return {**tools, "toolChoice": {"any": {}}}
        case "none":
            if any(isinstance(p, ToolCall) for turn in conversation.turns for p in turn.parts):
                raise unsupported(_NAME, 'tool_choice = "none" after a tool was called')
            return None
        case _:
            return {**tools, "toolChoice": {"auto": {}}}


def _tool(tool: ToolSpec) -> Object:
    spec: Object = {"name": tool.name, "inputSchema": {"json": tool.parameters}}
    if tool.description:
        spec["description"] = tool.description
    if tool.strict:
        spec["strict"] = True
    return {"toolSpec": spec}


class _ToolUse(msgspec.Struct, rename="camel"):
    tool_use_id: str = ""
    name: str = ""
    input: object = None
    """An object in a whole answer, a piece of its JSON text in a stream."""


class _Block(msgspec.Struct, rename="camel"):
    text: str = ""
    tool_use: _ToolUse | None = None


class _Message(msgspec.Struct):
    content: list[_Block] = []


class _Output(msgspec.Struct):
    message: _Message


class _Answer(msgspec.Struct, rename="camel"):
    output: _Output
    stop_reason: str = ""


class _Event(msgspec.Struct, rename="camel"):
    content_block_index: int = 0
    start: _Block | None = None
    delta: _Block | None = None
    stop_reason: str = ""


_answer_decoder = msgspec.json.Decoder(_Answer)
_event_decoder = msgspec.json.Decoder(_Event)


class BedrockReader:
    """See `AnswerReader`."""

    def __init__(self) -> None:
        self._messages = EventStreamDecoder()
        self._blocks = StreamedBlocks()
        self._stopped = False

    def read_whole(self, body: bytes) -> Written:
        """See `AnswerReader.read_whole`."""
        try:
            answer = _answer_decoder.decode(body)
        except UNREADABLE as error:
            raise unreadable(_NAME, error) from error
        return written(map(_whole, answer.output.message.content), answer.stop_reason)

    def feed(self, chunk: bytes) -> list[Piece]:
        """See `AnswerReader.feed`."""
        try:
            messages = self._messages.feed(chunk)
            pieces = [self._piece(message) for message in messages]
        except (WireError, *UNREADABLE) as error:
            raise unreadable(_NAME, error) from error
        return [piece for piece in pieces if piece is not None]

    def end(self) -> list[Piece]:
        """See `AnswerReader.end`."""
        if not self._stopped:
            raise broken_off()
        return []

    def _piece(self, message: EventStreamMessage) -> Piece | None:
        kind = message.headers.get(":exception-type")
        if kind is not None:
            raise UpstreamError(
                f"{_NAME} reported {kind!r} in the stream",
                error_type=error_type_of_exception(kind, message.payload),
            )
        event = _event_decoder.decode(message.payload)
        match message.headers.get(":event-type"):
            case "contentBlockStart" if event.start is not None and event.start.tool_use:
                use = event.start.tool_use
                return self._blocks.start(event.content_block_index, use.tool_use_id, use.name)
            case "contentBlockDelta" if event.delta is not None:
                return self._delta(event.content_block_index, event.delta)
            case "messageStop":
                self._stopped = True
                return self._blocks.finish(event.stop_reason)
        return None

    def _delta(self, index: int, delta: _Block) -> Piece | None:
        if delta.tool_use is None:
            return Piece(text=delta.text) if delta.text else None
        text = delta.tool_use.input
        return self._blocks.arguments(index, text if isinstance(text, str) else "")


def _whole(block: _Block) -> Text | ToolCall:
    use = block.tool_use
    if use is None:
        return Text(block.text)
    return ToolCall(use.tool_use_id, use.name, use.input if isinstance(use.input, dict) else {})
