"""What providers call their service tiers, and what the catalogue calls them."""

from types import MappingProxyType

__all__ = ["TIERS", "catalogue_tier"]

TIERS = MappingProxyType(
    {
        "openai": ("batch", "fast", "flex", "priority", "scale"),
        "anthropic": ("batch", "fast", "priority"),
        "genai": ("batch", "flex", "priority", "provisioned_throughput"),
        "bedrock": ("batch", "flex", "optimized", "priority", "reserved"),
    }
)
"""
By kind of provider: what can serve a call at another price than the ordinary one.

https://platform.openai.com/docs/api-reference/chat/object,
https://docs.claude.com/en/api/service-tiers, https://platform.claude.com/docs/en/build-with-claude/fast-mode,
https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/GenerateContentResponse,
https://docs.aws.amazon.com/bedrock/latest/userguide/service-tiers-inference.html.
"""

_STANDARD = frozenset(
    {
        "",
        "auto",
        "default",
        "on_demand",
        "standard",
        "traffic_type_unspecified",
        "unspecified",
    }
)
"""
A provider's words for its ordinary price.

https://platform.openai.com/docs/api-reference/chat/object (default, auto),
https://docs.claude.com/en/api/service-tiers (standard),
https://docs.aws.amazon.com/bedrock/latest/userguide/service-tiers-inference.html (default),
https://console.groq.com/docs/service-tiers (on_demand),
https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/GenerateContentResponse
(ON_DEMAND).
"""

_ON_DEMAND = "on_demand_"
_SAME = {"latency_optimized": "optimized", "latency-optimized": "optimized", "batches": "batch"}


def catalogue_tier(service_tier: str | None) -> str | None:
    """
    The catalogue's word for the tier that served a call, or None for the ordinary price.

    Vertex AI reports flex and priority as ``ON_DEMAND_FLEX`` and ``ON_DEMAND_PRIORITY``.
    """
    if service_tier is None:
        return None
    tier = service_tier.strip().lower()
    if tier in _STANDARD:
        return None
    tier = tier.removeprefix(_ON_DEMAND)
    return _SAME.get(tier, tier)
