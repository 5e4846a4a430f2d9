"""
Gemini's counting: the prompt holds cached tokens, thoughts stand beside the candidates.

Source: https://ai.google.dev/api/generate-content#UsageMetadata
"""

import msgspec

from modelmeter.providers.bodies import UNREADABLE, UnbelievableCountError, count
from modelmeter.record import TokenCounts

__all__ = ["genai_tokens"]


class _Modality(msgspec.Struct, rename="camel"):
    modality: object = None
    token_count: object = None


class _Usage(msgspec.Struct, rename="camel"):
    prompt_token_count: object = None
    cached_content_token_count: object = None
    candidates_token_count: object = None
    thoughts_token_count: object = None
    tool_use_prompt_token_count: object = None
    prompt_tokens_details: list[_Modality] | None = None
    cache_tokens_details: list[_Modality] | None = None
    candidates_tokens_details: list[_Modality] | None = None


_camel_decoder = msgspec.json.Decoder(_Usage)
_fields_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


def genai_tokens(usage: msgspec.Raw) -> tuple[TokenCounts | None, str | None]:
    """The disjoint counts of a ``usageMetadata`` object, or None and why not to believe it."""
    try:
        return _disjoint(_camel_decoder.decode(_in_camel_case(usage))), None
    except UnbelievableCountError as error:
        return None, str(error)
    except UNREADABLE as error:
        return None, f"the provider's usage cannot be read: {error}"


def _in_camel_case(usage: msgspec.Raw) -> bytes | msgspec.Raw:
    """The SDK's dumps name the fields in snake case; the API in camel case."""
    if b"_" not in bytes(usage):
        return usage
    return msgspec.json.encode(
        {_camel(name): _renamed(value) for name, value in _fields_decoder.decode(usage).items()}
    )


def _renamed(value: msgspec.Raw) -> msgspec.Raw:
    return msgspec.Raw(bytes(value).replace(b'"token_count"', b'"tokenCount"'))


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def _disjoint(usage: _Usage) -> TokenCounts:
    if usage.prompt_token_count is None and usage.candidates_token_count is None:
        raise UnbelievableCountError("the provider's usage lacks its counts")
    cached = count(usage.cached_content_token_count)
    audio = _of(usage.prompt_tokens_details, "AUDIO") - _of(usage.cache_tokens_details, "AUDIO")
    image = _of(usage.prompt_tokens_details, "IMAGE") - _of(usage.cache_tokens_details, "IMAGE")
    tools = count(usage.tool_use_prompt_token_count)
    text = count(usage.prompt_token_count) + tools - cached - audio - image
    candidates = count(usage.candidates_token_count)
    audio_output = _of(usage.candidates_tokens_details, "AUDIO")
    image_output = _of(usage.candidates_tokens_details, "IMAGE")
    output = candidates - audio_output - image_output
    if min(text, audio, image, output) < 0:
        raise UnbelievableCountError("the provider's usage contradicts itself")
    return TokenCounts(
        input=text,
        cache_read=cached,
        output=output,
        reasoning=count(usage.thoughts_token_count),
        audio_input=audio,
        audio_output=audio_output,
        image_input=image,
        image_output=image_output,
    )


def _of(details: list[_Modality] | None, modality: str) -> int:
    return sum(count(part.token_count) for part in details or [] if part.modality == modality)
