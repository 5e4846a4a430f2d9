"""Whether a stream has written more than was held for it."""

from modelmeter.providers import ResponseFacts
from modelmeter.record import CallBound

__all__ = ["CHARACTERS_PER_TOKEN_MAX", "is_used_up"]

CHARACTERS_PER_TOKEN_MAX = 16
"""
A text of tokens longer than that on average is none that a model writes: where a provider tells no
counts on the way, so many characters use up a token for certain, and fewer are left alone.
"""


def is_used_up(bound: CallBound, seen: ResponseFacts) -> bool:
    """
    More output went by than was held for, by the provider's counts or by too much text.

    Of an answer that is written nothing is left to be saved.
    """
    if seen.is_written:
        return False
    tokens = seen.tokens
    if tokens is not None:
        written = tokens.output + tokens.reasoning + tokens.audio_output + tokens.image_output
        if written > bound.output_tokens:
            return True
    return seen.output_characters > bound.output_tokens * CHARACTERS_PER_TOKEN_MAX
