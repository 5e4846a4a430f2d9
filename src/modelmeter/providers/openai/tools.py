"""Tools that OpenAI runs and bills by the use, which no usage tells: the answer's items do."""

import msgspec

from modelmeter.providers.bodies import ABSENT, UNREADABLE
from modelmeter.record import NO_TOOLS, ToolCalls

__all__ = ["SEARCHING_MODELS", "searches_of_model", "tools_used"]

_TOOLS = {
    "web_search_call": "web_search",
    "file_search_call": "file_search",
    "code_interpreter_call": "code_execution",
    "shell_call": "code_execution",
    "image_generation_call": "image_generation",
}
"""Items of a response's output that money stands behind which is not in its usage."""
_HOSTED = "container"
"""How the environment of a shell is called that is not the caller's own."""
_TOOL_MARK = b"_call"
_PREVIEW = "web_search_preview"
_PREVIEW_MARK = b'"web_search_preview'
_PAGE_ACTIONS = frozenset({"open_page", "find", "find_in_page"})
"""Steps of a web search that are not searches: https://platform.openai.com/docs/guides/tools-web-search."""
SEARCHING_MODELS = ("search-preview", "search-api")
"""Models that search before every answer (https://platform.openai.com/docs/guides/tools-web-search)."""
_ONE_PREVIEW = ToolCalls(web_search_preview=1)
_ONE_SEARCH = ToolCalls(web_search=1)


def tools_used(output: msgspec.Raw, tools: msgspec.Raw = ABSENT) -> ToolCalls:
    """
    The tools among the items of a response's ``output``.

    ``tools`` are the request's, as the response repeats them: they tell the first version of the
    web search from the later one, and the two have different prices
    (https://developers.openai.com/api/docs/pricing).
    """
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
        if tool is not None and not _is_free(item):
            used[tool] += 1
    if used["web_search"] and _PREVIEW_MARK in bytes(tools):
        used[_PREVIEW] = used.pop("web_search")
    return ToolCalls(**used)


def searches_of_model(model: str | None) -> ToolCalls:
    """The search behind an answer of a model that searches before each, in a chat completion."""
    if model is None or "search-" not in model:
        return NO_TOOLS
    if "search-preview" in model:
        return _ONE_PREVIEW
    return _ONE_SEARCH if "search-api" in model else NO_TOOLS


def _is_free(item: dict[str, object]) -> bool:
    """It looks at a page that a search found, or runs on the caller's own machine."""
    if item["type"] == "shell_call":
        environment = item.get("environment")
        kind = environment.get("type") if isinstance(environment, dict) else None
        return not str(kind).startswith(_HOSTED)
    action = item.get("action")
    return isinstance(action, dict) and action.get("type") in _PAGE_ACTIONS
