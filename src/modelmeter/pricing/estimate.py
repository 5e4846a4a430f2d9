"""What to charge for a call whose usage nobody reported."""

from modelmeter.record import TokenCounts

__all__ = [
    "LOST_OUTPUT_TOKENS",
    "OUTPUT_TOKENS_MAX",
    "estimate_tokens",
    "lost_call_tokens",
]

LOST_OUTPUT_TOKENS = 1024
"""Output assumed of a call that is lost and had set no limit."""

OUTPUT_TOKENS_MAX = 1_000_000
"""More than any published model writes in one answer: bounds what a wild limit can charge."""

_CHARACTERS_PER_TOKEN = 4


def estimate_tokens(
    input_bytes: int, output_characters: int, output_tokens_max: int | None
) -> TokenCounts:
    """
    The tokens to charge when a call's answer was seen but held no usable usage.

    A token is four characters of English text on average with OpenAI's tokenizers
    (https://help.openai.com/en/articles/4936856-what-are-tokens-and-how-to-count-them). A
    request's body counts by its bytes, JSON and all, which leans to the high side; the output
    never exceeds the request's own limit.
    """
    output = _tokens_of(output_characters)
    return TokenCounts(
        input=_tokens_of(input_bytes),
        output=output if output_tokens_max is None else min(output, max(output_tokens_max, 0)),
    )


def lost_call_tokens(
    input_bytes: int, output_tokens_max: int | None, answers: int = 1
) -> TokenCounts:
    """
    The tokens to charge for a call whose outcome a crash swallowed, if nothing was held for it.

    Leans to the high side: all the output that the request allowed for each of its ``answers``,
    `LOST_OUTPUT_TOKENS` where it set no limit, at most `OUTPUT_TOKENS_MAX`.
    """
    output = LOST_OUTPUT_TOKENS if output_tokens_max is None else max(output_tokens_max, 0)
    return TokenCounts(
        input=_tokens_of(input_bytes), output=min(output, OUTPUT_TOKENS_MAX) * answers
    )


def _tokens_of(length: int) -> int:
    return -(-length // _CHARACTERS_PER_TOKEN)
