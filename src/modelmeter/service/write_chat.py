"""
Writes answers as OpenAI's chat completions, whole or in chunks.

https://platform.openai.com/docs/api-reference/chat/object,
https://platform.openai.com/docs/api-reference/chat-streaming
"""

import msgspec

from modelmeter.record import TokenCounts
from modelmeter.service.conversation import Piece, ToolCall, Written

__all__ = ["STREAM_END", "ChatWriter", "chat_usage"]

STREAM_END = b"data: [DONE]\n\n"

_encode = msgspec.json.Encoder().encode


class ChatWriter:
    """Writes one answer."""

    def __init__(self, *, completion_id: str, created: int, model: str) -> None:
        """``created`` in seconds since 1970."""
        self._id = completion_id
        self._created = created
        self._model = model
        self._begun = False

    def whole(self, written: Written, tokens: TokenCounts | None) -> bytes:
        """The body of a whole answer."""
        message: dict[str, object] = {
            "role": "assistant",
            "content": written.text or (None if written.tool_calls else ""),
            "refusal": None,
        }
        if written.tool_calls:
            message["tool_calls"] = [_tool_call(call) for call in written.tool_calls]
        choice = {
            "index": 0,
            "message": message,
            "logprobs": None,
            "finish_reason": written.finish_reason,
        }
        body = self._head("chat.completion") | {"choices": [choice]}
        if tokens is not None:
            body["usage"] = chat_usage(tokens)
        return _encode(body)

    def chunk(self, piece: Piece) -> bytes:
        """The event of one piece; the first also says who speaks."""
        delta: dict[str, object] = {}
        if not self._begun:
            self._begun = True
            delta = {"role": "assistant", "content": "" if piece.tool_index is None else None}
        if piece.text:
            delta["content"] = piece.text
        if piece.tool_index is not None:
            delta["tool_calls"] = [_tool_delta(piece)]
        choice = {
            "index": 0,
            "delta": delta,
            "logprobs": None,
            "finish_reason": piece.finish_reason,
        }
        return _event(self._head("chat.completion.chunk") | {"choices": [choice]})

    def usage_chunk(self, tokens: TokenCounts) -> bytes:
        """The event before the last, for callers who asked for usage."""
        body = {"choices": [], "usage": chat_usage(tokens)}
        return _event(self._head("chat.completion.chunk") | body)

    def _head(self, kind: str) -> dict[str, object]:
        return {"id": self._id, "object": kind, "created": self._created, "model": self._model}


def chat_usage(tokens: TokenCounts) -> dict[str, object]:
    """Counts as OpenAI counts: prompt holds cached tokens, completion holds reasoning."""
    written = tokens.cache_write_5m + tokens.cache_write_1h
    prompt = tokens.input + tokens.cache_read + written + tokens.audio_input + tokens.image_input
    completion = tokens.output + tokens.reasoning + tokens.audio_output + tokens.image_output
    details = {"cached_tokens": tokens.cache_read, "audio_tokens": tokens.audio_input}
    if written:
        details["cache_write_tokens"] = written
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": details,
        "completion_tokens_details": {
            "reasoning_tokens": tokens.reasoning,
            "audio_tokens": tokens.audio_output,
        },
    }


def _event(body: dict[str, object]) -> bytes:
    return b"data: %b\n\n" % _encode(body)


def _tool_call(call: ToolCall) -> dict[str, object]:
    function = {"name": call.name, "arguments": _encode(call.arguments).decode()}
    written: dict[str, object] = {"id": call.id, "type": "function", "function": function}
    return written | _extra(call.signature)


def _tool_delta(piece: Piece) -> dict[str, object]:
    function: dict[str, object] = {"arguments": piece.arguments}
    delta: dict[str, object] = {"index": piece.tool_index}
    if piece.tool_id:
        function = {"name": piece.tool_name, **function}
        delta |= {"id": piece.tool_id, "type": "function"}
    return delta | {"function": function} | _extra(piece.signature)


def _extra(signature: str | None) -> dict[str, object]:
    """As Google's own OpenAI-compatible API hands thought signatures out."""
    if signature is None:
        return {}
    return {"extra_content": {"google": {"thought_signature": signature}}}
