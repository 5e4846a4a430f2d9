"""
OpenAI's counting: cached tokens are part of the prompt, reasoning is part of the completion.

Sources: https://platform.openai.com/docs/api-reference/chat/object (usage) and
https://platform.openai.com/docs/api-reference/responses/object (usage).
"""

import msgspec

from modelmeter.providers.bodies import UNREADABLE, UnbelievableCountError, count
from modelmeter.record import TokenCounts

__all__ = ["openai_tokens"]


class _InputDetails(msgspec.Struct):
    cached_tokens: object = None
    audio_tokens: object = None
    image_tokens: object = None


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: object = None
    audio_tokens: object = None
    image_tokens: object = None


class _Usage(msgspec.Struct):
    prompt_tokens: object = None
    completion_tokens: object = None
    input_tokens: object = None
    output_tokens: object = None
    total_tokens: object = None
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None
    prompt_cache_hit_tokens: object = None
    """DeepSeek's name for cached tokens."""


_decoder = msgspec.json.Decoder(_Usage)
_NO_INPUT_DETAILS = _InputDetails()
_NO_OUTPUT_DETAILS = _OutputDetails()


def openai_tokens(usage: msgspec.Raw) -> tuple[TokenCounts | None, str | None]:
    """The disjoint counts of a ``usage`` object, or None and why it cannot be believed."""
    try:
        return _disjoint(_decoder.decode(usage)), None
    except UnbelievableCountError as error:
        return None, str(error)
    except UNREADABLE as error:
        return None, f"the provider's usage cannot be read: {error}"


def _disjoint(usage: _Usage) -> TokenCounts:
    inside = usage.prompt_tokens_details or usage.input_tokens_details or _NO_INPUT_DETAILS
    outside = usage.completion_tokens_details or usage.output_tokens_details or _NO_OUTPUT_DETAILS
    if usage.prompt_tokens is None and usage.input_tokens is None:
        raise UnbelievableCountError("the provider's usage lacks its counts")
    prompt = count(usage.prompt_tokens) or count(usage.input_tokens)
    completion = count(usage.completion_tokens) or count(usage.output_tokens)
    cached = count(inside.cached_tokens) or count(usage.prompt_cache_hit_tokens)
    audio_input = count(inside.audio_tokens)
    image_input = count(inside.image_tokens)
    reasoning = count(outside.reasoning_tokens)
    audio_output = count(outside.audio_tokens)
    image_output = count(outside.image_tokens)
    if reasoning and count(usage.total_tokens) == prompt + completion + reasoning:
        # xAI counts reasoning beside the completion: https://docs.x.ai/docs/guides/reasoning
        completion += reasoning
    text_input = prompt - cached - audio_input - image_input
    text_output = completion - reasoning - audio_output - image_output
    if text_input < 0 or text_output < 0:
        raise UnbelievableCountError("the provider's usage contradicts itself")
    return TokenCounts(
        input=text_input,
        cache_read=cached,
        output=text_output,
        reasoning=reasoning,
        audio_input=audio_input,
        audio_output=audio_output,
        image_input=image_input,
        image_output=image_output,
    )
