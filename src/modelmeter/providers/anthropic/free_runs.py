"""
Runs of code that Anthropic does not bill: those beside its newer tools for the web.

https://platform.claude.com/docs/en/about-claude/pricing (code execution tool): free where the
request has ``web_search_20260209``, ``web_fetch_20260209`` or a later version of them; else by the
hour of a container, beyond the organisation's free hours. Only the request tells which it was.
"""

import msgspec

from modelmeter.providers.bodies import UNREADABLE
from modelmeter.record import ToolCalls

__all__ = ["billed_tools"]

_FREEING = ("web_search_", "web_fetch_")
_SINCE = "20260209"


class _Tool(msgspec.Struct):
    type: object = None


class _Request(msgspec.Struct):
    tools: list[_Tool] | None = None


_decoder = msgspec.json.Decoder(_Request)


def billed_tools(tools: ToolCalls, request_body: bytes) -> ToolCalls:
    """``tools`` without the runs of code that cost nothing beside the request's other tools."""
    if not tools.code_execution or not request_body:
        return tools
    try:
        request = _decoder.decode(request_body)
    except UNREADABLE:
        return tools
    if any(_frees(tool.type) for tool in request.tools or ()):
        return msgspec.structs.replace(tools, code_execution=0)
    return tools


def _frees(kind: object) -> bool:
    if not isinstance(kind, str):
        return False
    return any(kind.startswith(name) and kind.removeprefix(name) >= _SINCE for name in _FREEING)
