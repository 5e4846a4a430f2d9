"""
Where a request to Bedrock has its limit of output tokens: each maker has a place of its own.

Source: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html
"""

from modelmeter.providers.contract import RequestFacts
from modelmeter.providers.output_limit import Place
from modelmeter.record import Operation

__all__ = ["limit_places"]

_CONVERSE = (("inferenceConfig", "maxTokens"),)
_OF_MAKERS: tuple[tuple[str, tuple[Place, ...]], ...] = (
    ("nova", (("inferenceConfig", "maxTokens"), ("inferenceConfig", "max_new_tokens"))),
    ("titan", (("textGenerationConfig", "maxTokenCount"),)),
    ("llama", (("max_gen_len",),)),
    ("claude-v2", (("max_tokens_to_sample",), ("max_tokens",))),
    ("claude-instant", (("max_tokens_to_sample",), ("max_tokens",))),
    ("openai.", (("max_completion_tokens",), ("max_tokens",))),
    ("j2-", (("maxTokens",),)),
)
_OF_OTHERS: tuple[Place, ...] = (("max_tokens",), ("max_completion_tokens",))


def limit_places(request: RequestFacts) -> tuple[Place, ...]:
    """The places of the limit in a request, likeliest first."""
    if request.operation is Operation.CONVERSE:
        return _CONVERSE
    if b'"anthropic_version"' in request.upstream_body:
        return (("max_tokens",),)
    for maker, places in _OF_MAKERS:
        if maker in request.model:
            return places
    return _OF_OTHERS
