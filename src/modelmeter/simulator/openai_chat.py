"""
OpenAI's chat completions and legacy completions.

https://platform.openai.com/docs/api-reference/chat/create,
https://platform.openai.com/docs/api-reference/chat-streaming
"""

from collections.abc import Iterator

import msgspec

from modelmeter.record import Operation
from modelmeter.simulator.exchange import Answer, Ask, Finish, Frame, HttpRequest, ToolCall
from modelmeter.simulator.framing import DataFraming
from modelmeter.simulator.openai_request import (
    check_limit,
    check_model,
    dated_model,
    is_reasoning_model,
    read_tools,
    tool_choice,
    usage_of_completion,
)
from modelmeter.simulator.prompt import (
    count_of_tokens,
    decode_body,
    image_tokens,
    refuse,
    tool_wanted,
)
from modelmeter.simulator.words import Ids

__all__ = ["ChatSurface", "CompletionSurface"]

CHOICES_MAX = 128
"""Most choices of one request, as OpenAI has it."""

_FINISH: dict[Finish, str] = {
    "stop": "stop",
    "length": "length",
    "tool": "tool_calls",
    "filtered": "content_filter",
}
_FINGERPRINT = "fp_44709d6fcb"
_UNFILTERED = {
    name: {"filtered": False, "severity": "safe"}
    for name in ("hate", "self_harm", "sexual", "violence")
}


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _ChatBody(msgspec.Struct):
    model: str
    messages: list[dict[str, object]]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = None
    tools: list[dict[str, object]] | None = None
    tool_choice: object = None
    response_format: dict[str, object] | None = None
    service_tier: str | None = None


class _CompletionBody(msgspec.Struct):
    model: str
    prompt: str | list[str | int | list[int]] = ""
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: int | None = 16
    n: int | None = None


class ChatSurface:
    """``POST /v1/chat/completions``."""

    operation = Operation.CHAT

    def __init__(self, *, azure: bool) -> None:
        self._azure = azure

    def read(self, request: HttpRequest) -> Ask:
        """Read a request for a chat completion."""
        body = decode_body(request, _ChatBody)
        check_model(body.model, azure=self._azure)
        if not body.messages:
            raise refuse("Invalid 'messages': empty array. Expected an array with minimum length 1")
        check_limit(body.max_tokens, "max_tokens")
        check_limit(body.max_completion_tokens, "max_completion_tokens")
        tools = read_tools(body.tools)
        wanted = tool_wanted(tools, tool_choice(body.tool_choice), body.messages)
        json_schema, json_wanted = _json_asked(body.response_format)
        return Ask(
            operation=self.operation,
            model=body.model,
            streamed=bool(body.stream),
            input_tokens=count_of_tokens(body.messages, body.tools) + 3,
            image_tokens=image_tokens(body.messages),
            output_tokens_max=body.max_completion_tokens or body.max_tokens,
            choices=_choices(body.n),
            tools=tools,
            tool_wanted=wanted,
            json_schema=json_schema,
            json_wanted=json_wanted,
            usage_in_stream=bool(body.stream_options and body.stream_options.include_usage),
            thinking=is_reasoning_model(body.model),
            service_tier=body.service_tier,
        )

    def response_id(self, ids: Ids) -> str:
        """``chatcmpl-`` and 29 letters and digits."""
        return f"chatcmpl-{ids.base62('response', 29)}"

    def framing(self, request: HttpRequest) -> DataFraming:
        """Data only."""
        return DataFraming()

    def body(self, ask: Ask, answer: Answer) -> bytes:
        """Write a whole ``chat.completion``."""
        message: dict[str, object] = {
            "role": "assistant",
            "content": None if answer.tool else answer.text,
        }
        if answer.tool is not None:
            message["tool_calls"] = [_tool_call(answer, answer.tool)]
        message.update(refusal=None, annotations=[])
        choices = [
            {
                "index": index,
                "message": message,
                "logprobs": None,
                "finish_reason": _FINISH[answer.finish],
            }
            for index in range(ask.choices)
        ]
        whole = self._head(ask, answer, "chat.completion") | {"choices": choices}
        usage = usage_of_completion(answer)
        if usage is not None:
            whole["usage"] = usage
        return msgspec.json.encode(whole)

    def frames(self, ask: Ask, answer: Answer) -> Iterator[Frame]:
        """Write ``chat.completion.chunk`` events; usage only where it was asked for."""
        head = self._head(ask, answer, "chat.completion.chunk")
        if ask.usage_in_stream:
            head["usage"] = None
        if self._azure:
            filters = [{"prompt_index": 0, "content_filter_results": _UNFILTERED}]
            empty = {"id": "", "object": "", "created": 0, "model": "", "choices": []}
            yield Frame("", empty | {"prompt_filter_results": filters})
        for index in range(ask.choices):
            for delta, tokens in _deltas(answer):
                yield Frame("", head | {"choices": [_choice(index, delta, None)]}, tokens)
            last = _choice(index, {}, _FINISH[answer.finish])
            yield Frame("", head | {"choices": [last]})
        usage = usage_of_completion(answer)
        if ask.usage_in_stream and usage is not None:
            yield Frame("", head | {"choices": [], "usage": usage})

    def _head(self, ask: Ask, answer: Answer, kind: str) -> dict[str, object]:
        tier = ask.service_tier if ask.service_tier in ("flex", "priority") else "default"
        return {
            "id": self.response_id(answer.ids),
            "object": kind,
            "created": answer.created,
            "model": dated_model(ask.model),
            "service_tier": tier,
            "system_fingerprint": _FINGERPRINT,
        }


class CompletionSurface:
    """``POST /v1/completions``, the legacy one."""

    operation = Operation.TEXT_COMPLETION

    def __init__(self, *, azure: bool) -> None:
        self._azure = azure

    def read(self, request: HttpRequest) -> Ask:
        """Read a request for a completion of a text."""
        body = decode_body(request, _CompletionBody)
        check_model(body.model, azure=self._azure)
        check_limit(body.max_tokens, "max_tokens")
        return Ask(
            operation=self.operation,
            model=body.model,
            streamed=bool(body.stream),
            input_tokens=max(1, count_of_tokens((), body.prompt)),
            output_tokens_max=body.max_tokens,
            choices=_choices(body.n),
            usage_in_stream=bool(body.stream_options and body.stream_options.include_usage),
        )

    def response_id(self, ids: Ids) -> str:
        """``cmpl-`` and 29 letters and digits."""
        return f"cmpl-{ids.base62('response', 29)}"

    def framing(self, request: HttpRequest) -> DataFraming:
        """Data only."""
        return DataFraming()

    def body(self, ask: Ask, answer: Answer) -> bytes:
        """Write a whole ``text_completion``."""
        choices = [
            _text_choice(index, answer.text, _FINISH[answer.finish]) for index in range(ask.choices)
        ]
        whole = self._head(ask, answer) | {"choices": choices}
        usage = usage_of_completion(answer)
        if usage is not None:
            whole["usage"] = usage
        return msgspec.json.encode(whole)

    def frames(self, ask: Ask, answer: Answer) -> Iterator[Frame]:
        """Write a ``text_completion`` a token."""
        head = self._head(ask, answer)
        for index in range(ask.choices):
            for piece in answer.pieces:
                yield Frame("", head | {"choices": [_text_choice(index, piece, None)]}, 1)
            last = _text_choice(index, "", _FINISH[answer.finish])
            yield Frame("", head | {"choices": [last]})
        usage = usage_of_completion(answer)
        if ask.usage_in_stream and usage is not None:
            yield Frame("", head | {"choices": [], "usage": usage})

    def _head(self, ask: Ask, answer: Answer) -> dict[str, object]:
        return {
            "id": self.response_id(answer.ids),
            "object": "text_completion",
            "created": answer.created,
            "model": ask.model,
        }


def _choices(count: int | None) -> int:
    if count is not None and not 1 <= count <= CHOICES_MAX:
        raise refuse(f"Invalid 'n': expected a value from 1 to {CHOICES_MAX}, but got {count}.")
    return count or 1


def _json_asked(response_format: dict[str, object] | None) -> tuple[object, bool]:
    if response_format is None or response_format.get("type") in (None, "text"):
        return None, False
    schema = response_format.get("json_schema")
    return (schema.get("schema") if isinstance(schema, dict) else {}), True


def _tool_call(answer: Answer, tool: ToolCall) -> dict[str, object]:
    return {
        "id": f"call_{answer.ids.base62('tool', 24)}",
        "type": "function",
        "function": {"name": tool.name, "arguments": "".join(tool.pieces)},
    }


def _deltas(answer: Answer) -> Iterator[tuple[dict[str, object], int]]:
    tool = answer.tool
    if tool is None:
        yield {"role": "assistant", "content": "", "refusal": None}, 0
        for piece in answer.pieces:
            yield {"content": piece}, 1
        return
    call: dict[str, object] = {"index": 0, **_tool_call(answer, tool)}
    call["function"] = {"name": tool.name, "arguments": ""}
    yield {"role": "assistant", "content": None, "tool_calls": [call], "refusal": None}, 0
    for piece in tool.pieces:
        yield {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}, 1


def _choice(index: int, delta: dict[str, object], finish: str | None) -> dict[str, object]:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}


def _text_choice(index: int, text: str, finish: str | None) -> dict[str, object]:
    return {"text": text, "index": index, "logprobs": None, "finish_reason": finish}
