"""Which provider a bare model name means."""

import re

from modelmeter.pricing.short_names import SHORT_NAMES

__all__ = ["provider_of_model"]

_BEDROCK_MAKERS = (
    *("ai21", "amazon", "anthropic", "cohere", "deepseek", "google", "meta", "minimax"),
    *("mistral", "moonshot", "nvidia", "openai", "qwen", "stability", "twelvelabs", "writer"),
)
_FAMILIES = (
    ("bedrock", re.compile(rf"arn:aws|(?:[a-z-]+\.)?(?:{'|'.join(_BEDROCK_MAKERS)})\.")),
    ("genai", re.compile(r"models/|tunedModels/|gemini|gemma|(?:text-)?embedding-00|imagen-")),
    ("anthropic", re.compile(r"claude-")),
    (
        "openai",
        re.compile(r"ft:|(?:gpt|chatgpt|text-embedding|codex)-|o[1-9](?:-|$)|davinci|babbage"),
    ),
)
"""
Names by their beginnings, the telling ones first.

https://docs.aws.amazon.com/bedrock/latest/userguide/models-supported.html,
https://ai.google.dev/gemini-api/docs/models, https://docs.claude.com/en/docs/about-claude/models,
https://platform.openai.com/docs/models.
"""


def provider_of_model(model: str) -> str | None:
    """One of our four providers, or None for a name that tells none."""
    if model in SHORT_NAMES:
        return "bedrock"
    return next((name for name, family in _FAMILIES if family.match(model)), None)
