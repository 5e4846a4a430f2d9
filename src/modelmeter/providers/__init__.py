"""The providers' dialects: what a request asks for, what an answer used, which error it is."""

from modelmeter.providers.contract import (
    AnswerHead,
    Dialect,
    RequestFacts,
    ResponseFacts,
    ResponseObserver,
)

__all__ = [
    "PROVIDER_KINDS",
    "AnswerHead",
    "Dialect",
    "RequestFacts",
    "ResponseFacts",
    "ResponseObserver",
    "dialect_for",
]

PROVIDER_KINDS = ("openai", "anthropic", "genai", "bedrock")


def dialect_for(kind: str) -> Dialect:
    """
    The dialect of a kind of provider, loaded when it is first asked for.

    Raises:
        ValueError: there is no such kind.
    """
    if kind == "openai":
        from modelmeter.providers.openai.dialect import OpenAIDialect

        return OpenAIDialect()
    if kind == "anthropic":
        from modelmeter.providers.anthropic.dialect import AnthropicDialect

        return AnthropicDialect()
    if kind == "genai":
        from modelmeter.providers.genai.dialect import GenAIDialect

        return GenAIDialect()
    if kind == "bedrock":
        from modelmeter.providers.bedrock.dialect import BedrockDialect

        return BedrockDialect()
    raise ValueError(f"no dialect of kind {kind!r}; there are {', '.join(PROVIDER_KINDS)}")
