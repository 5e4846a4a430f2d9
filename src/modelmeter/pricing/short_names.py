"""Short names of models that a provider sells under longer ids."""

from types import MappingProxyType

__all__ = ["SHORT_NAMES", "full_name"]

SHORT_NAMES = MappingProxyType(
    {
        "claude-2": "anthropic.claude-v2",
        "claude-2.1": "anthropic.claude-v2:1",
        "claude-3-haiku": "anthropic.claude-3-haiku-20240307-v1:0",
        "claude-3-opus": "anthropic.claude-3-opus-20240229-v1:0",
        "claude-3-sonnet": "anthropic.claude-3-sonnet-20240229-v1:0",
        "claude-3.5-sonnet": "anthropic.claude-3-5-sonnet-20240620-v1:0",
        "claude-3.5-haiku": "anthropic.claude-3-5-haiku-20241022-v1:0",
    }
)
"""
What Bedrock calls models that programs name shortly.

https://docs.aws.amazon.com/bedrock/latest/userguide/models-supported.html
"""

_SELLER = "aws"


def full_name(provider_id: str, model: str) -> str:
    """The id under which a provider of the catalogue sells ``model``."""
    return SHORT_NAMES.get(model, model) if provider_id == _SELLER else model
