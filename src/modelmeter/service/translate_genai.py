"""
Conversations in Gemini's generateContent.

https://ai.google.dev/api/generate-content, https://ai.google.dev/gemini-api/docs/function-calling
"""

import uuid

import msgspec

from modelmeter.errors import UpstreamError, WireError
from modelmeter.providers.bodies import UNREADABLE
from modelmeter.record import ErrorType
from modelmeter.service.conversation import (
    AnyTool,
    Conversation,
    FinishReason,
    Image,
    NamedTool,
    Part,
    Piece,
    Text,
    ToolCall,
    ToolResult,
    Written,
    broken_off,
    unreadable,
    unsupported,
)
from modelmeter.wire.sse import ServerSentEventDecoder

__all__ = ["GenAIReader", "generate_request"]

_NAME = "Gemini"
_FILTERED = frozenset({
    "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "LANGUAGE",
})  # fmt: skip
_CONFIG = {
    "temperature": "temperature",
    "top_p": "topP",
    "max_tokens": "maxOutputTokens",
    "seed": "seed",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
}
Object = dict[str, object]


def generate_request(conversation: Conversation) -> Object:
    """
    The body of ``POST …/models/{model}:generateContent`` and ``:streamGenerateContent``.

    Raises:
        RefusedRequestError: the conversation asks for what Gemini cannot do.
    """
    body: Object = {
        "contents": [
            {
                "role": "user" if turn.role == "user" else "model",
                "parts": [_part(part) for part in turn.parts],
            }
            for turn in conversation.turns
        ]
    }
    if conversation.system:
        body["systemInstruction"] = {"parts": [{"text": text} for text in conversation.system]}
    config = _config(conversation)
    if config:
        body["generationConfig"] = config
    return body | _tools(conversation)


def _part(part: Part) -> Object:
    match part:
        case Text(text):
            return {"text": text}
        case Image():
            if part.url:
                raise unsupported(_NAME, "images by address", "give a base64 data: URL")
            return {"inlineData": {"mimeType": part.media_type, "data": part.data}}
        case ToolCall():
            call: Object = {"functionCall": {"name": part.name, "args": part.arguments}}
            return call if part.signature is None else call | {"thoughtSignature": part.signature}
        case ToolResult():
            return {"functionResponse": {"name": part.name, "response": _response(part.text)}}


def _response(text: str) -> Object:
    """Gemini wants an object: a tool's own, or its text as the result."""
    try:
        return msgspec.json.decode(text, type=dict[str, object])
    except (msgspec.DecodeError, RecursionError):
        return {"result": text}


def _config(conversation: Conversation) -> Object:
    sampling = conversation.sampling
    config: Object = {}
    for name, theirs in _CONFIG.items():
        if (value := getattr(sampling, name)) is not None:
            config[theirs] = value
    if sampling.stop:
        config["stopSequences"] = list(sampling.stop)
    if conversation.json_schema is not None:
        if conversation.tools:
            raise unsupported(_NAME, "JSON output and tools in one request")
        config["responseMimeType"] = "application/json"
        if conversation.json_schema:
            config["responseJsonSchema"] = conversation.json_schema
    return config


def _tools(conversation: Conversation) -> Object:
    if not conversation.tools:
        return {}
    if not conversation.parallel_tool_calls:
        raise unsupported(_NAME, "parallel_tool_calls = false")
    declarations: list[Object] = []
    for tool in conversation.tools:
        declared: Object = {"name": tool.name, "parametersJsonSchema": tool.parameters}
        if tool.description:
            declared["description"] = tool.description
        declarations.append(declared)
    # Gemini always holds to the schemas of calls that it must make; of others when told so.
    strict = any(tool.strict for tool in conversation.tools)
    calling: Object = {"mode": "VALIDATED" if strict else "AUTO"}
    match conversation.tool_choice:
        case NamedTool(name):
            calling = {"mode": "ANY", "allowedFunctionNames": [name]}
        case AnyTool():
            calling = {"mode": "ANY"}
        case "none":
            calling = {"mode": "NONE"}
    return {
        "tools": [{"functionDeclarations": declarations}],
        "toolConfig": {"functionCallingConfig": calling},
    }


class _Call(msgspec.Struct):
    name: str = ""
    args: dict[str, object] = {}
    id: str = ""


class _Part(msgspec.Struct, rename="camel"):
    text: str = ""
    thought: bool = False
    function_call: _Call | None = None
    thought_signature: str | None = None


class _Content(msgspec.Struct, frozen=True):
    parts: list[_Part] = []


class _Candidate(msgspec.Struct, rename="camel"):
    content: _Content = _Content()
    finish_reason: str | None = None


class _Feedback(msgspec.Struct, rename="camel"):
    block_reason: str | None = None


class _Failure(msgspec.Struct):
    message: str = "the provider reported an error in the stream"


class _Answer(msgspec.Struct, rename="camel"):
    candidates: list[_Candidate] = []
    prompt_feedback: _Feedback | None = None
    error: _Failure | None = None


_decoder = msgspec.json.Decoder(_Answer)


class GenAIReader:
    """See `AnswerReader`."""

    def __init__(self) -> None:
        self._events = ServerSentEventDecoder()
        self._calls = 0
        self._finished = False

    def read_whole(self, body: bytes) -> Written:
        """See `AnswerReader.read_whole`."""
        texts: list[str] = []
        calls: list[ToolCall] = []
        finish: FinishReason = "stop"
        pieces = self._pieces(body)
        if not pieces:
            raise UpstreamError(
                f"the answer of {_NAME} holds no candidate", error_type=ErrorType.BAD_RESPONSE
            )
        for piece in pieces:
            texts.append(piece.text)
            finish = piece.finish_reason or finish
            if piece.tool_index is not None:
                arguments = msgspec.json.decode(piece.arguments, type=dict[str, object])
                calls.append(ToolCall(piece.tool_id, piece.tool_name, arguments, piece.signature))
        return Written("".join(texts), tuple(calls), finish)

    def feed(self, chunk: bytes) -> list[Piece]:
        """See `AnswerReader.feed`."""
        try:
            events = list(self._events.feed(chunk))
        except WireError as error:
            raise unreadable(_NAME, error) from error
        return [piece for event in events if event.data for piece in self._pieces(event.data)]

    def end(self) -> list[Piece]:
        """See `AnswerReader.end`."""
        if not self._finished:
            raise broken_off()
        return []

    def _pieces(self, data: bytes) -> list[Piece]:
        try:
            answer = _decoder.decode(data)
        except UNREADABLE as error:
            raise unreadable(_NAME, error) from error
        if answer.error is not None:
            raise UpstreamError(answer.error.message, error_type=ErrorType.SERVER_ERROR)
        if answer.prompt_feedback is not None and answer.prompt_feedback.block_reason:
            self._finished = True
            return [Piece(finish_reason="content_filter")]
        if not answer.candidates:
            return []
        candidate = answer.candidates[0]
        pieces = [self._piece(part) for part in candidate.content.parts if not part.thought]
        if candidate.finish_reason is not None:
            self._finished = True
            pieces.append(Piece(finish_reason=self._finish(candidate.finish_reason)))
        return pieces

    def _piece(self, part: _Part) -> Piece:
        call = part.function_call
        if call is None:
            return Piece(text=part.text)
        self._calls += 1
        return Piece(
            tool_index=self._calls - 1,
            tool_id=call.id or f"call_{uuid.uuid4().hex}",
            tool_name=call.name,
            arguments=msgspec.json.encode(call.args).decode(),
            signature=part.thought_signature,
        )

    def _finish(self, reason: str) -> FinishReason:
        if reason in _FILTERED:
            return "content_filter"
        if reason == "MAX_TOKENS":
            return "length"
        return "tool_calls" if self._calls else "stop"
