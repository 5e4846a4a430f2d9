"""What a request in Bedrock's dialect can use at most."""

from collections.abc import Mapping

import msgspec

from modelmeter.providers.anthropic.demand import (
    IMAGE_TOKENS_MAX,
    claude_demand,
    hidden_tokens,
    thinking_tokens,
)
from modelmeter.providers.demand import (
    PROVIDER_TOOL_ROUNDS,
    TEMPLATE_TOKENS,
    Holdings,
    Media,
    MediaRules,
    RequestDemand,
    answers_wanted,
    hold,
)
from modelmeter.record import Operation

__all__ = ["bedrock_demand"]

_IMAGE_TOKENS_MAX = max(IMAGE_TOKENS_MAX, 6_600)
"""
Claude's figure, Nova's 2,600
(https://docs.aws.amazon.com/nova/latest/userguide/modalities-image.html), and four tiles of
1,601 tokens of Llama 3.2 (https://huggingface.co/blog/llama32).
"""
_TOOLS_PROMPT_TOKENS = 1_000
"""As Claude's: more than what any model's template says before its tools."""
_CALLERS_OWN_TOOLS = frozenset({"toolSpec", "cachePoint"})
_BLOCKS = {"image": Media.IMAGE, "document": Media.FILE, "video": Media.FILE, "audio": Media.FILE}


def bedrock_demand(
    operation: Operation, model: str, body: bytes, output_tokens_max: int | None
) -> RequestDemand:
    """
    Bound what a conversation or an invocation can use.

    Raises:
        RefusedRequestError: the body cannot be read, or a field that multiplies the cost has no
            sensible value.
    """
    found = hold(body, _RULES)
    if "anthropic_version" in found.root:
        demand = claude_demand(found, output_tokens_max)
    else:
        demand = _converse(model, found, output_tokens_max)
    return msgspec.structs.replace(
        demand,
        media_tokens=found.images * _IMAGE_TOKENS_MAX,
        writes=operation is Operation.CONVERSE or "embed" not in model,
        service_tiers=_tiers(found.root),
        regions=(None,),
    )


def _converse(model: str, found: Holdings, output_tokens_max: int | None) -> RequestDemand:
    root = found.root
    config = root.get("toolConfig")
    tools = config.get("tools") if isinstance(config, dict) else root.get("tools")
    entries = tools if isinstance(tools, list) else []
    rounds = 0
    if isinstance(config, dict) and any(
        isinstance(tool, dict) and not _CALLERS_OWN_TOOLS.issuperset(tool) for tool in entries
    ):
        rounds = PROVIDER_TOOL_ROUNDS
    more = root.get("additionalModelRequestFields")
    claudes = more if isinstance(more, dict) else {}
    # Of a stored prompt only the variables are in the request.
    stored = root.get("promptVariables") is not None or ":prompt/" in model
    return RequestDemand(
        text_bytes=found.text_bytes,
        hidden_tokens=TEMPLATE_TOKENS
        + (_TOOLS_PROMPT_TOKENS if entries else 0)
        + hidden_tokens(claudes),
        has_media=bool(found.images or found.files) or found.crowded,
        has_audio=bool(found.files) or found.crowded,
        unseen=bool(found.files) or found.crowded or stored,
        output_tokens_max=output_tokens_max,
        output_tokens_min=thinking_tokens(claudes) + 1,
        answers=max(
            answers_wanted(root.get("n"), "n"),
            answers_wanted(root.get("num_generations"), "num_generations"),
        ),
        writes_cache=found.writes_cache or found.crowded,
        writes_cache_for_long=found.writes_cache_for_long or found.crowded,
        tool_rounds=rounds,
    )


def _kind_of(key: str, value: object, parent: Mapping[str, object]) -> Media | None:
    """Converse's and Nova's blocks, and Claude's."""
    if key in _BLOCKS:
        return _BLOCKS[key] if isinstance(value, dict) else None
    if key == "image_url":
        return Media.IMAGE
    if key == "source" and isinstance(value, dict) and "type" in parent:
        if parent["type"] == "image":
            return Media.IMAGE
        return None if value.get("type") in ("text", "content") else Media.FILE
    return None


_RULES = MediaRules(
    kind_of=_kind_of,
    payload_keys=frozenset({"bytes", "data", "url", "image_url"}),
    opaque_keys=frozenset({"inputSchema", "input_schema", "input", "json", "requestMetadata"}),
    cache_marks=frozenset({"cachePoint", "cache_control"}),
)


def _tiers(root: Mapping[str, object]) -> tuple[str | None, ...]:
    asked = root.get("serviceTier", root.get("service_tier"))
    name = asked.get("type") if isinstance(asked, dict) else asked
    # InvokeModel names its tier and its latency in headers, so the dear ones are always reckoned
    # with.
    tiers: tuple[str | None, ...] = (None, "priority", "optimized")
    return (*tiers, name) if isinstance(name, str) and name not in tiers else tiers
