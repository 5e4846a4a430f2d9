"""What can be read from a prompt of any provider: its length, its last words, its tools."""

from collections.abc import Iterator, Sequence
from typing import Literal, TypeVar

import msgspec

from modelmeter.record import ErrorType
from modelmeter.simulator.exchange import Fault, FaultError, HttpRequest, Tool

__all__ = [
    "cache_ttl",
    "characters",
    "count_of_tokens",
    "decode_body",
    "image_tokens",
    "refuse",
    "texts",
    "tool_wanted",
]

_CHARACTERS_PER_TOKEN = 4
_TOKENS_PER_MESSAGE = 4
_TOKENS_PER_IMAGE = 258
_NOT_TEXT = frozenset(
    {
        *("type", "role", "id", "tool_call_id", "tool_use_id", "toolUseId", "call_id", "name"),
        *("url", "image_url", "data", "bytes", "source", "mime_type", "mimeType", "format"),
        *("cache_control", "cachePoint", "signature", "status", "detail", "media_type"),
    }
)
_IMAGES = frozenset({"image_url", "input_image", "image", "inlineData", "inline_data", "fileData"})
_TOOL_RESULTS = frozenset({"tool_result", "toolResult", "functionResponse", "function_call_output"})

_BodyT = TypeVar("_BodyT", bound=msgspec.Struct)


def decode_body(request: HttpRequest, kind: type[_BodyT]) -> _BodyT:
    """
    Read the JSON body of a request.

    Raises:
        FaultError: it is not JSON, or lacks what the provider demands.
    """
    try:
        return msgspec.json.decode(request.body, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise refuse(f"We could not read your request: {error}") from None


def refuse(message: str) -> FaultError:
    """Make the refusal of an invalid request."""
    return FaultError(Fault(ErrorType.INVALID_REQUEST, message=message))


def texts(value: object) -> Iterator[str]:
    """Give every piece of text in a prompt, at any depth; not its roles, ids or images."""
    pending = [value]
    while pending:
        each = pending.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, list | tuple):
            pending.extend(each)
        elif isinstance(each, dict):
            pending.extend(inner for key, inner in each.items() if key not in _NOT_TEXT)


def characters(value: object) -> int:
    """How much text a prompt holds."""
    return sum(map(len, texts(value)))


def count_of_tokens(messages: Sequence[object], *others: object) -> int:
    """Estimate the tokens of a prompt: of its messages, and of system prompt and tools."""
    length = characters(messages) + sum(map(characters, others))
    return -(-length // _CHARACTERS_PER_TOKEN) + _TOKENS_PER_MESSAGE * len(messages)


def image_tokens(messages: object) -> int:
    """Estimate the tokens of the images in a prompt."""
    count = 0
    pending = [messages]
    while pending:
        each = pending.pop()
        if isinstance(each, list | tuple):
            pending.extend(each)
        elif isinstance(each, dict):
            if each.get("type") in _IMAGES or any(key in _IMAGES for key in each):
                count += 1
            else:
                pending.extend(each.values())
    return count * _TOKENS_PER_IMAGE


def cache_ttl(prompt: object, mark: str) -> Literal["5m", "1h"] | None:
    """Find the longest life that a ``mark`` (a key) anywhere in a prompt asks the cache for."""
    pending, found = [prompt], False
    while pending:
        each = pending.pop()
        if isinstance(each, list):
            pending.extend(each)
        elif isinstance(each, dict):
            asked = each.get(mark)
            if isinstance(asked, dict):
                if asked.get("ttl") == "1h":
                    return "1h"
                found = True
            pending.extend(each.values())
    return "5m" if found else None


def tool_wanted(tools: Sequence[Tool], choice: str | None, messages: Sequence[object]) -> bool:
    """
    Decide whether the model calls a tool.

    It does if ``choice`` is ``required``, or if the last message speaks of a tool or of one
    of the tools by name; never if ``choice`` is ``none`` or a tool has just answered.
    """
    if not tools or choice == "none":
        return False
    if choice == "required":
        return True
    last = messages[-1] if messages else ""
    if _is_tool_result(last):
        return False
    text = " ".join(texts(last)).lower()
    return "tool" in text or any(tool.name.lower() in text for tool in tools)


def _is_tool_result(message: object) -> bool:
    if not isinstance(message, dict):
        return False
    if message.get("role") == "tool" or message.get("type") in _TOOL_RESULTS:
        return True
    parts = message.get("content", message.get("parts"))
    if not isinstance(parts, list):
        return False
    return any(
        isinstance(part, dict)
        and (part.get("type") in _TOOL_RESULTS or not _TOOL_RESULTS.isdisjoint(part))
        for part in parts
    )
