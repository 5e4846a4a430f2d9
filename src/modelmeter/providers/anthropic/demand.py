"""What a request in Anthropic's dialect can use at most."""

from collections.abc import Mapping

from modelmeter.providers.demand import (
    PROVIDER_TOOL_ROUNDS,
    SEARCHES_MAX,
    TEMPLATE_TOKENS,
    Holdings,
    Media,
    MediaRules,
    RequestDemand,
    hold,
    number_of,
)

__all__ = [
    "IMAGE_TOKENS_MAX",
    "anthropic_demand",
    "claude_demand",
    "hidden_tokens",
    "thinking_tokens",
]

IMAGE_TOKENS_MAX = 4_784
"""
Of an image on models with high resolution; 1,600 on others
(https://platform.claude.com/docs/en/build-with-claude/vision).
"""
_TOOLS_PROMPT_TOKENS = 1_000
"""
More than the system prompt that comes with tools, 159 to 804 tokens by model and choice
(https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview, pricing); reckoned with
for a format of the output as well, which is explained to the model by a prompt too.
"""
_BUILT_IN_TOOL_TOKENS = 2_000
"""More than a tool whose schema Anthropic writes itself: computer use has 735, an editor 700."""
_PROVIDER_TOOLS = ("web_search", "web_fetch", "code_execution", "tool_search", "mcp", "advisor")
"""How the types of tools that Anthropic runs begin."""
_FORMATS = ("output_format", "output_config")
_FAST = "fast"
_DEAR_GEOGRAPHY = "us"
"""https://platform.claude.com/docs/en/build-with-claude/data-residency (inference_geo, pricing)."""


def anthropic_demand(body: bytes, output_tokens_max: int | None) -> RequestDemand:
    """
    Bound what a message can use.

    Raises:
        RefusedRequestError: the body cannot be read, or a field that multiplies the cost has no
            sensible value.
    """
    return claude_demand(hold(body, _RULES), output_tokens_max)


def claude_demand(found: Holdings, output_tokens_max: int | None) -> RequestDemand:
    """Bound a message whose body was looked through; Bedrock takes the same shape."""
    root = found.root
    tools = [tool for tool in _list(root.get("tools")) if isinstance(tool, dict)]
    rounds, searches = _provider_tools(root, tools)
    return RequestDemand(
        text_bytes=found.text_bytes,
        media_tokens=found.images * IMAGE_TOKENS_MAX,
        hidden_tokens=TEMPLATE_TOKENS + hidden_tokens(root),
        has_media=bool(found.images or found.files) or found.crowded,
        unseen=bool(found.files) or found.crowded or root.get("container") is not None,
        output_tokens_max=output_tokens_max,
        output_tokens_min=thinking_tokens(root) + 1,
        writes_cache=found.writes_cache or found.crowded,
        writes_cache_for_long=found.writes_cache_for_long or found.crowded,
        service_tiers=(None, _FAST) if root.get("speed") == _FAST else (None,),
        # Without a word of the request its workspace's setting decides, which nobody here knows.
        regions=(None, _DEAR_GEOGRAPHY),
        tool_rounds=rounds,
        web_searches=searches,
    )


def _kind_of(key: str, value: object, parent: Mapping[str, object]) -> Media | None:
    if key == "file_id":
        return Media.FILE
    if key != "source" or not isinstance(value, dict):
        return None
    if parent.get("type") == "image":
        return Media.IMAGE
    return None if value.get("type") in ("text", "content") else Media.FILE


_RULES = MediaRules(
    kind_of=_kind_of,
    payload_keys=frozenset({"data", "url", "file_id"}),
    opaque_keys=frozenset({"input_schema", "input", "metadata"}),
    cache_marks=frozenset({"cache_control"}),
)


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def thinking_tokens(root: Mapping[str, object]) -> int:
    """
    The budget of thinking, which a limit of output must exceed.

    Raises:
        RefusedRequestError: it is no whole number.
    """
    thinking = root.get("thinking")
    budget = thinking.get("budget_tokens") if isinstance(thinking, dict) else None
    return number_of(budget, least=0, most=2**31, name="thinking.budget_tokens", absent=0)


def hidden_tokens(root: Mapping[str, object]) -> int:
    """More than the prompts that come with tools and with a format of the output."""
    tools = [tool for tool in _list(root.get("tools")) if isinstance(tool, dict)]
    built_in = sum(tool.get("type") not in (None, "custom") for tool in tools)
    explained = bool(tools) + any(name in root for name in _FORMATS)
    return explained * _TOOLS_PROMPT_TOKENS + built_in * _BUILT_IN_TOOL_TOKENS


def _provider_tools(root: Mapping[str, object], tools: list[dict[str, object]]) -> tuple[int, int]:
    """How often the input may be read again, and how many searches may be paid for."""
    run = [tool for tool in tools if str(tool.get("type")).startswith(_PROVIDER_TOOLS)]
    if not run and not root.get("mcp_servers"):
        return 0, 0
    searches = sum(
        number_of(
            tool.get("max_uses"),
            least=0,
            most=SEARCHES_MAX,
            name="max_uses",
            absent=PROVIDER_TOOL_ROUNDS,
        )
        for tool in run
        if str(tool.get("type")).startswith("web_search")
    )
    return PROVIDER_TOOL_ROUNDS, searches
