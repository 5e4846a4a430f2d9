"""
OpenAI's responses: items in, items out, and a stream of numbered events.

https://platform.openai.com/docs/api-reference/responses,
https://platform.openai.com/docs/api-reference/responses-streaming
"""

from collections.abc import Iterator, Sequence

import msgspec

from modelmeter.record import Operation
from modelmeter.simulator.exchange import Answer, Ask, Frame, HttpRequest, ToolCall
from modelmeter.simulator.framing import NamedEventFraming
from modelmeter.simulator.openai_request import (
    check_limit,
    check_model,
    dated_model,
    is_reasoning_model,
    read_tools,
    tool_choice,
)
from modelmeter.simulator.prompt import (
    count_of_tokens,
    decode_body,
    image_tokens,
    tool_wanted,
)
from modelmeter.simulator.usage import reported_usage
from modelmeter.simulator.words import Ids

__all__ = ["ResponsesSurface"]

Item = dict[str, object]


class _ResponsesBody(msgspec.Struct):
    model: str
    input: str | list[dict[str, object]] = ""
    instructions: str | None = None
    stream: bool | None = None
    max_output_tokens: int | None = None
    tools: list[dict[str, object]] | None = None
    tool_choice: object = None
    text: dict[str, object] | None = None
    service_tier: str | None = None


class ResponsesSurface:
    """``POST /v1/responses``."""

    operation = Operation.RESPONSES

    def __init__(self, *, azure: bool) -> None:
        self._azure = azure

    def read(self, request: HttpRequest) -> Ask:
        """Read a request for a response."""
        body = decode_body(request, _ResponsesBody)
        check_model(body.model, azure=self._azure)
        check_limit(body.max_output_tokens, "max_output_tokens")
        items: Sequence[object] = [body.input] if isinstance(body.input, str) else body.input
        tools = read_tools(body.tools)
        json_format = (body.text or {}).get("format")
        json_schema = json_format.get("schema") if isinstance(json_format, dict) else None
        json_wanted = isinstance(json_format, dict) and json_format.get("type") != "text"
        return Ask(
            operation=self.operation,
            model=body.model,
            streamed=bool(body.stream),
            input_tokens=count_of_tokens(items, body.instructions, body.tools) + 3,
            image_tokens=image_tokens(items),
            output_tokens_max=body.max_output_tokens,
            tools=tools,
            tool_wanted=tool_wanted(tools, tool_choice(body.tool_choice), items),
            json_schema=json_schema,
            json_wanted=json_wanted,
            thinking=is_reasoning_model(body.model),
            service_tier=body.service_tier,
        )

    def response_id(self, ids: Ids) -> str:
        """``resp_`` and 50 hexadecimal digits."""
        return f"resp_{ids.hex('response', 50)}"

    def framing(self, request: HttpRequest) -> NamedEventFraming:
        """Events with their names."""
        return NamedEventFraming()

    def body(self, ask: Ask, answer: Answer) -> bytes:
        """Write a whole ``response``."""
        status = "incomplete" if answer.finish == "length" else "completed"
        return msgspec.json.encode(self._response(ask, answer, status, _items(answer)))

    def frames(self, ask: Ask, answer: Answer) -> Iterator[Frame]:
        """Write the events, numbered from 0."""
        for number, (name, fields, tokens) in enumerate(self._events(ask, answer)):
            yield Frame(name, {"type": name, "sequence_number": number} | fields, tokens)

    def _events(self, ask: Ask, answer: Answer) -> Iterator[tuple[str, Item, int]]:
        started = self._response(ask, answer, "in_progress", [])
        yield "response.created", {"response": started}, 0
        yield "response.in_progress", {"response": started}, 0
        items = _items(answer)
        for index, item in enumerate(items):
            yield from _item_events(answer, index, item)
        status = "incomplete" if answer.finish == "length" else "completed"
        whole = self._response(ask, answer, status, items)
        yield f"response.{status}", {"response": whole}, 0

    def _response(self, ask: Ask, answer: Answer, status: str, items: list[Item]) -> Item:
        finished = status != "in_progress"
        cut = {"reason": "max_output_tokens"} if status == "incomplete" else None
        tier = ask.service_tier if ask.service_tier in ("flex", "priority") else "default"
        return {
            "id": self.response_id(answer.ids),
            "object": "response",
            "created_at": answer.created,
            "status": status,
            "background": False,
            "error": None,
            "incomplete_details": cut,
            "instructions": None,
            "max_output_tokens": ask.output_tokens_max,
            "model": dated_model(ask.model),
            "output": items,
            "parallel_tool_calls": True,
            "previous_response_id": None,
            "reasoning": {"effort": "medium" if ask.thinking else None, "summary": None},
            "service_tier": tier if finished else "auto",
            "store": True,
            "temperature": 1.0,
            "text": {"format": {"type": "text"}},
            "tool_choice": "auto",
            "tools": [
                {
                    "type": "function",
                    "name": tool.name,
                    "parameters": tool.schema,
                    "strict": True,
                    "description": None,
                }
                for tool in ask.tools
            ],
            "top_p": 1.0,
            "truncation": "disabled",
            "usage": _usage(answer) if finished else None,
            "user": None,
            "metadata": {},
        }


def _items(answer: Answer) -> list[Item]:
    items: list[Item] = []
    if answer.tokens.reasoning:
        items.append({"id": f"rs_{answer.ids.hex('reasoning', 50)}", "type": "reasoning"})
        items[0]["summary"] = []
    if answer.tool is not None:
        items.append(_function_call(answer, answer.tool, "completed"))
        return items
    message = _message(answer, "incomplete" if answer.finish == "length" else "completed")
    message["content"] = [_output_text(answer.text)]
    return [*items, message]


def _message(answer: Answer, status: str) -> Item:
    return {
        "id": f"msg_{answer.ids.hex('message', 50)}",
        "type": "message",
        "status": status,
        "content": [],
        "role": "assistant",
    }


def _output_text(text: str) -> Item:
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}


def _function_call(answer: Answer, tool: ToolCall, status: str) -> Item:
    return {
        "id": f"fc_{answer.ids.hex('call', 50)}",
        "type": "function_call",
        "status": status,
        "arguments": "".join(tool.pieces) if status == "completed" else "",
        "call_id": f"call_{answer.ids.base62('tool', 24)}",
        "name": tool.name,
    }


def _item_events(answer: Answer, index: int, item: Item) -> Iterator[tuple[str, Item, int]]:
    place: Item = {"output_index": index}
    added, done = "response.output_item.added", "response.output_item.done"
    if item["type"] == "reasoning":
        yield added, place | {"item": item}, answer.tokens.reasoning
    elif answer.tool is not None:
        yield added, place | {"item": _function_call(answer, answer.tool, "in_progress")}, 0
        here = place | {"item_id": item["id"]}
        name = "response.function_call_arguments"
        for piece in answer.tool.pieces:
            yield f"{name}.delta", here | {"delta": piece}, 1
        yield f"{name}.done", here | {"arguments": "".join(answer.tool.pieces)}, 0
    else:
        yield added, place | {"item": _message(answer, "in_progress")}, 0
        here = place | {"item_id": item["id"], "content_index": 0}
        yield "response.content_part.added", here | {"part": _output_text("")}, 0
        for piece in answer.pieces:
            yield "response.output_text.delta", here | {"delta": piece, "logprobs": []}, 1
        yield "response.output_text.done", here | {"text": answer.text, "logprobs": []}, 0
        yield "response.content_part.done", here | {"part": _output_text(answer.text)}, 0
    yield done, place | {"item": item}, 0


def _usage(answer: Answer) -> Item | None:
    tokens = answer.tokens
    written = tokens.cache_write_5m + tokens.cache_write_1h
    given = tokens.input + tokens.image_input + tokens.cache_read + written
    made = tokens.output + tokens.reasoning
    usage: Item = {
        "input_tokens": given,
        "input_tokens_details": {
            "cached_tokens": tokens.cache_read,
            "cache_write_tokens": written,
        },
        "output_tokens": made,
        "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
        "total_tokens": given + made,
    }
    return reported_usage(usage, answer.directive)
