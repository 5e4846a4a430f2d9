"""
The most tokens a model writes in one answer, as its maker publishes it.

https://platform.openai.com/docs/models,
https://platform.claude.com/docs/en/about-claude/models/overview,
https://ai.google.dev/gemini-api/docs/models,
https://docs.aws.amazon.com/nova/latest/userguide/what-is-nova.html,
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html
"""

import re

__all__ = ["OUTPUT_TOKENS_OF_UNKNOWN", "output_tokens_max_of"]

OUTPUT_TOKENS_OF_UNKNOWN = 4_096
"""A limit that every chat model in use accepts."""

_MAXIMA: tuple[tuple[str, int], ...] = (
    (r"gpt-3\.5", 4_096),
    (r"gpt-4-(turbo|vision|\d{4}-preview)", 4_096),
    (r"gpt-4o-2024-05-13", 4_096),
    (r"(gpt-4o|chatgpt-4o)", 16_384),
    (r"gpt-4\.1", 32_768),
    (r"gpt-4\.5", 16_384),
    (r"gpt-4", 8_192),
    (r"gpt-5[^/]*-chat", 16_384),
    (r"gpt-(5|6)", 128_000),
    (r"gpt-oss", 131_072),
    (r"o1-mini", 65_536),
    (r"o1-preview", 32_768),
    (r"o[134]", 100_000),
    (r"claude-3-7", 64_000),
    (r"claude-3-5", 8_192),
    (r"claude-(3|v?2|instant|v1)", 4_096),
    (r"claude-opus-4-(5)", 64_000),
    (r"claude-(opus|sonnet)-4-[6-9]", 128_000),
    (r"claude-opus-4", 32_000),
    (r"claude-(sonnet|haiku)-4", 64_000),
    (r"claude-[a-z]+-5", 128_000),
    (r"gemini-(1|2\.0)", 8_192),
    (r"gemini-2\.5-flash-image", 32_768),
    (r"gemini-(2\.5|3|flash-latest|pro-latest)", 65_536),
    (r"nova-(micro|lite|pro)", 10_000),
    (r"nova-premier", 32_000),
    (r"llama3", 2_048),
    (r"titan-text-premier", 3_072),
)
_KNOWN = tuple((re.compile(pattern), tokens) for pattern, tokens in _MAXIMA)
_PREFIXES = re.compile(
    r"^(ft:|(us|eu|apac|jp|au|ca|global|us-gov)\.)?((anthropic|amazon|meta|openai)\.)?"
)


def output_tokens_max_of(model: str) -> int | None:
    """What is published for a model, as it is called; None if nothing is known."""
    name = _PREFIXES.sub("", model.rpartition("/")[2].lower())
    for pattern, tokens in _KNOWN:
        if pattern.match(name):
            return tokens
    return None
