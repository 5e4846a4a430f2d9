"""What a request in Google GenAI's dialect can use at most."""

from collections.abc import Mapping

from modelmeter.providers.demand import (
    PROVIDER_TOOL_ROUNDS,
    TEMPLATE_TOKENS,
    Media,
    MediaRules,
    RequestDemand,
    answers_wanted,
    hold,
)
from modelmeter.record import Operation

__all__ = ["genai_demand"]

_IMAGE_TOKENS_MAX = 6_192
"""
An image is scaled to 3,072 pixels a side at most and cut into tiles of 256 to 768 pixels, the
shorter side divided by 1.5, of 258 tokens each: at most 24 tiles
(https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/image-understanding). Gemini 3
counts 2,240 at most (https://ai.google.dev/gemini-api/docs/media-resolution).
"""
_CALLERS_OWN_TOOLS = frozenset({"functionDeclarations", "function_declarations"})
_MEASURABLE_AUDIO = frozenset({"audio/mp3", "audio/mpeg", "audio/wav", "audio/x-wav"})


def genai_demand(operation: Operation, body: bytes, output_tokens_max: int | None) -> RequestDemand:
    """
    Bound what a generation or an embedding can use.

    Raises:
        RefusedRequestError: the body cannot be read, or a field that multiplies the cost has no
            sensible value.
    """
    found = hold(body, _RULES)
    root = found.root
    config = _object(root, "generationConfig", "generation_config")
    rounds = PROVIDER_TOOL_ROUNDS if _provider_runs(root) else 0
    cached = _value(root, "cachedContent", "cached_content")
    modalities = _value(config, "responseModalities", "response_modalities")
    return RequestDemand(
        text_bytes=found.text_bytes,
        media_tokens=found.images * _IMAGE_TOKENS_MAX + found.audio_tokens,
        hidden_tokens=TEMPLATE_TOKENS,
        has_media=bool(found.images or found.files or found.audio_tokens) or found.crowded,
        has_audio=bool(found.files or found.audio_tokens or modalities) or found.crowded,
        unseen=bool(found.files) or found.crowded or cached is not None,
        writes=operation is not Operation.EMBED_CONTENT,
        output_tokens_max=output_tokens_max,
        answers=answers_wanted(
            _value(config, "candidateCount", "candidate_count"), "candidateCount"
        ),
        service_tiers=_tiers(_value(root, "serviceTier", "service_tier")),
        tool_rounds=rounds,
        web_searches=rounds,
    )


def _kind_of(key: str, value: object, parent: Mapping[str, object]) -> Media | None:
    if key in ("fileData", "file_data"):
        return Media.FILE
    if key not in ("inlineData", "inline_data") or not isinstance(value, dict):
        return None
    mime_type = str(_value(value, "mimeType", "mime_type")).partition(";")[0].lower()
    if mime_type.startswith("image/"):
        return Media.IMAGE
    return Media.AUDIO if mime_type in _MEASURABLE_AUDIO else Media.FILE


_RULES = MediaRules(
    kind_of=_kind_of,
    payload_keys=frozenset({"data"}),
    opaque_keys=frozenset(
        {
            "parameters", "parametersJsonSchema", "response", "responseSchema", "args",
            "responseJsonSchema", "response_schema", "parameters_json_schema",
            "response_json_schema", "labels",
        }
    ),
)  # fmt: skip


def _value(place: Mapping[str, object], name: str, other: str) -> object:
    """A field by either of the spellings that the API takes."""
    value = place.get(name)
    return place.get(other) if value is None else value


def _object(place: Mapping[str, object], name: str, other: str) -> Mapping[str, object]:
    value = _value(place, name, other)
    return value if isinstance(value, dict) else {}


def _provider_runs(root: Mapping[str, object]) -> bool:
    """Whether Google runs a tool itself: search, maps, code, the reading of addresses."""
    tools = root.get("tools")
    entries = tools if isinstance(tools, list) else [tools]
    return any(
        isinstance(tool, dict) and not _CALLERS_OWN_TOOLS.issuperset(tool) for tool in entries
    )


def _tiers(asked: object) -> tuple[str | None, ...]:
    return (None, asked) if isinstance(asked, str) else (None,)
