"""
OpenAI's counting: tokens read from and written to the cache are part of the prompt, reasoning is
part of the completion.

Sources: https://platform.openai.com/docs/api-reference/chat/object (usage),
https://platform.openai.com/docs/api-reference/responses/object (usage) and
https://developers.openai.com/api/docs/guides/prompt-caching.
"""

import msgspec

from modelmeter.providers.bodies import UNREADABLE, UnbelievableCountError, count
from modelmeter.record import TokenCounts

__all__ = ["openai_tokens"]


class _Written(msgspec.Struct):
    ttl_12h_tokens: object = None


class _InputDetails(msgspec.Struct):
    cached_tokens: object = None
    cache_write_tokens: object = None
    cache_write_tokens_details: _Written | None = None
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
    input_token_details: _InputDetails | None = None
    """Another name of the details, of transcriptions and of the realtime API."""
    output_token_details: _OutputDetails | None = None
    prompt_cache_hit_tokens: object = None
    """DeepSeek's name for cached tokens."""


_decoder = msgspec.json.Decoder(_Usage)
_NO_INPUT_DETAILS = _InputDetails()
_NO_OUTPUT_DETAILS = _OutputDetails()
_CONTRADICTION = "the provider's usage contradicts itself"


def openai_tokens(usage: msgspec.Raw) -> tuple[TokenCounts | None, str | None]:
    """The disjoint counts of a ``usage`` object, or None and why it cannot be believed."""
    try:
        return _disjoint(_decoder.decode(usage)), None
    except UnbelievableCountError as error:
        return None, str(error)
    except UNREADABLE as error:
        return None, f"the provider's usage cannot be read: {error}"


def _disjoint(usage: _Usage) -> TokenCounts:
    inside = (
        usage.prompt_tokens_details
        or usage.input_tokens_details
        or usage.input_token_details
        or _NO_INPUT_DETAILS
    )
    outside = (
        usage.completion_tokens_details
        or usage.output_tokens_details
        or usage.output_token_details
        or _NO_OUTPUT_DETAILS
    )
    prompt, completion, reasoning = _totals(usage, count(outside.reasoning_tokens))
    cached = count(inside.cached_tokens) or count(usage.prompt_cache_hit_tokens)
    written = count(inside.cache_write_tokens)
    lasting = inside.cache_write_tokens_details
    written_for_long = 0 if lasting is None else count(lasting.ttl_12h_tokens)
    audio_input = count(inside.audio_tokens)
    image_input = count(inside.image_tokens)
    audio_output = count(outside.audio_tokens)
    image_output = count(outside.image_tokens)
    text_input = prompt - cached - written - audio_input - image_input
    text_output = completion - reasoning - audio_output - image_output
    if min(text_input, text_output, written - written_for_long) < 0:
        raise UnbelievableCountError(_CONTRADICTION)
    return TokenCounts(
        input=text_input,
        cache_read=cached,
        # OpenAI keeps what it writes for half an hour or for half a day.
        cache_write_5m=written - written_for_long,
        cache_write_1h=written_for_long,
        output=text_output,
        reasoning=reasoning,
        audio_input=audio_input,
        audio_output=audio_output,
        image_input=image_input,
        image_output=image_output,
    )


def _totals(usage: _Usage, reasoning: int) -> tuple[int, int, int]:
    """The prompt, the completion with its reasoning, and the reasoning."""
    prompt = count(usage.prompt_tokens) or count(usage.input_tokens)
    completion = count(usage.completion_tokens) or count(usage.output_tokens)
    total = count(usage.total_tokens)
    no_prompt = usage.prompt_tokens is None and usage.input_tokens is None
    no_completion = usage.completion_tokens is None and usage.output_tokens is None
    if no_prompt or (no_completion and total != prompt):
        # Only an embedding has no completion, and says so by its total.
        raise UnbelievableCountError("the provider's usage lacks its counts")
    beside = total - prompt - completion
    if not total or not beside:
        return prompt, completion, reasoning
    # xAI counts reasoning beside the completion (https://docs.x.ai/docs/guides/reasoning), and
    # so do Gemini's models, which tell it by the total alone
    # (https://github.com/mozilla-ai/any-llm/issues/1290).
    if beside < 0 or reasoning not in (0, beside):
        raise UnbelievableCountError(_CONTRADICTION)
    return prompt, completion + beside, beside
