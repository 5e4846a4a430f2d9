"""Reads answers in OpenAI's dialect that are one JSON object."""

import msgspec

from modelmeter.providers.bodies import ABSENT, UNREADABLE, is_absent
from modelmeter.providers.contract import ResponseFacts
from modelmeter.providers.openai.errors import error_type_of_failure, is_error
from modelmeter.providers.openai.usage import openai_tokens
from modelmeter.providers.plain import unread_facts
from modelmeter.providers.written import written_length
from modelmeter.record import NO_TOOLS, ErrorType, TokenCounts, ToolCalls

__all__ = ["body_facts", "tools_used", "usable_tokens"]

_TOOLS = {
    "web_search_call": "web_search",
    "file_search_call": "file_search",
    "code_interpreter_call": "code_execution",
}
"""Items of a response's output that a fee stands behind, which no usage tells."""
_TOOL_MARK = b"_call"
_PAGE_ACTIONS = frozenset({"open_page", "find", "find_in_page"})
"""Steps of a web search that are not searches: https://platform.openai.com/docs/guides/tools-web-search."""
_NO_USAGE = "the provider reported no usage"
_ANSWERS = ("choices", "output")


class _Body(msgspec.Struct):
    id: object = None
    model: object = None
    status: object = None
    """Of a response; its failure comes with a good HTTP status."""
    error: msgspec.Raw = ABSENT
    output: msgspec.Raw = ABSENT
    usage: msgspec.Raw = ABSENT
    service_tier: object = None


_decoder = msgspec.json.Decoder(_Body)


def body_facts(body: bytes) -> ResponseFacts:
    """The facts of a whole answer."""
    try:
        answer = _decoder.decode(body)
    except UNREADABLE:
        return unread_facts(body)
    tokens, note = usable_tokens(answer.usage)
    return ResponseFacts(
        model_answered=_text(answer.model),
        tokens=tokens,
        ended=True,
        error_type=_failure(answer),
        output_characters=0 if tokens is not None else written_length(body, _ANSWERS),
        provider_request_id=_text(answer.id),
        service_tier=_text(answer.service_tier),
        tools=tools_used(answer.output),
        note=note,
    )


def tools_used(output: msgspec.Raw) -> ToolCalls:
    """The tools among the items of a response's ``output``."""
    if _TOOL_MARK not in bytes(output):
        return NO_TOOLS
    try:
        items = msgspec.json.decode(output)
    except UNREADABLE:
        return NO_TOOLS
    used = dict.fromkeys(_TOOLS.values(), 0)
    for item in items if isinstance(items, list) else ():
        kind = item.get("type") if isinstance(item, dict) else None
        tool = _TOOLS.get(kind) if isinstance(kind, str) else None
        if tool is not None and not _looks_at_a_page(item):
            used[tool] += 1
    return ToolCalls(**used)


def _looks_at_a_page(item: dict[str, object]) -> bool:
    action = item.get("action")
    return isinstance(action, dict) and action.get("type") in _PAGE_ACTIONS


def usable_tokens(usage: msgspec.Raw) -> tuple[TokenCounts | None, str | None]:
    """The counts of a ``usage`` field that may be absent or null."""
    if is_absent(usage):
        return None, _NO_USAGE
    return openai_tokens(usage)


def _failure(answer: _Body) -> ErrorType | None:
    if is_error(answer.error):
        return error_type_of_failure(answer.error)
    return ErrorType.SERVER_ERROR if answer.status == "failed" else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
