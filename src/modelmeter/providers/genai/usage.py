"""
Gemini's counting: the prompt holds cached tokens, thoughts stand beside the candidates.

Source: https://ai.google.dev/api/generate-content#UsageMetadata
"""

from typing import NamedTuple

import msgspec

from modelmeter.providers.bodies import UNREADABLE, UnbelievableCountError, count
from modelmeter.record import TokenCounts

__all__ = ["Counted", "genai_tokens"]


class Counted(NamedTuple):
    """What a ``usageMetadata`` object says."""

    tokens: TokenCounts | None = None
    """Disjoint counts; None if they cannot be believed."""
    note: str | None = None
    """Why they cannot be believed."""
    tier: str | None = None
    """What served the call, in the words of the Gemini API or of Vertex AI."""
    cached_audio: int = 0
    """Of the tokens read from a cache, those of audio."""
    video_input: int = 0
    """Of the tokens of the input that were not read from a cache, those of video."""
    video_output: int = 0
    """Of the candidates' tokens, those of video."""


class _Modality(msgspec.Struct, rename="camel"):
    modality: object = None
    token_count: object = None


class _Usage(msgspec.Struct, rename="camel"):
    prompt_token_count: object = None
    cached_content_token_count: object = None
    candidates_token_count: object = None
    response_token_count: object = None
    """Another name of the API for the candidates' tokens."""
    thoughts_token_count: object = None
    tool_use_prompt_token_count: object = None
    total_token_count: object = None
    service_tier: object = None
    traffic_type: object = None
    prompt_tokens_details: list[_Modality] | None = None
    cache_tokens_details: list[_Modality] | None = None
    candidates_tokens_details: list[_Modality] | None = None


_camel_decoder = msgspec.json.Decoder(_Usage)
_fields_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


def genai_tokens(usage: msgspec.Raw) -> Counted:
    """What a ``usageMetadata`` object says."""
    try:
        decoded = _camel_decoder.decode(_in_camel_case(usage))
        tier = decoded.service_tier or decoded.traffic_type
        return Counted(
            _disjoint(decoded),
            tier=tier if isinstance(tier, str) else None,
            cached_audio=_of(decoded.cache_tokens_details, "AUDIO"),
            video_input=max(_given(decoded, "VIDEO"), 0),
            video_output=_of(decoded.candidates_tokens_details, "VIDEO"),
        )
    except UnbelievableCountError as error:
        return Counted(note=str(error))
    except UNREADABLE as error:
        return Counted(note=f"the provider's usage cannot be read: {error}")


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
    given, made = usage.prompt_token_count, usage.candidates_token_count
    if made is None:
        made = usage.response_token_count
    prompt, candidates = count(given), count(made)
    tools = count(usage.tool_use_prompt_token_count)
    thoughts = count(usage.thoughts_token_count)
    total = count(usage.total_token_count)
    if given is None or (made is None and total > prompt + tools + thoughts):
        # Where there is no candidate the count of none is left out.
        raise UnbelievableCountError("the provider's usage lacks its counts")
    cached = count(usage.cached_content_token_count)
    audio, image = _given(usage, "AUDIO"), _given(usage, "IMAGE")
    text = prompt + tools - cached - audio - image
    audio_output = _of(usage.candidates_tokens_details, "AUDIO")
    image_output = _of(usage.candidates_tokens_details, "IMAGE")
    output = candidates - audio_output - image_output
    if min(text, audio, image, output) < 0:
        raise UnbelievableCountError("the provider's usage contradicts itself")
    return TokenCounts(
        input=text,
        cache_read=cached,
        output=output,
        reasoning=thoughts,
        audio_input=audio,
        audio_output=audio_output,
        image_input=image,
        image_output=image_output,
    )


def _given(usage: _Usage, modality: str) -> int:
    """Of the prompt's tokens those of a modality that were not read from a cache."""
    return _of(usage.prompt_tokens_details, modality) - _of(usage.cache_tokens_details, modality)


def _of(details: list[_Modality] | None, modality: str) -> int:
    return sum(count(part.token_count) for part in details or [] if part.modality == modality)
