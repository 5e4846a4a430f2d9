"""
What a request can use at most, read from its body: the ground under the bound of its cost.

Text is bounded by bytes. The tokenizers of these providers work on the bytes of UTF-8 (byte-level
BPE, or SentencePiece with byte fallback), so a text never has more tokens than bytes; and the JSON
that holds a text is never shorter than the text. What a provider writes around each message
(https://github.com/openai/openai-cookbook/blob/main/examples/How_to_count_tokens_with_tiktoken.ipynb:
three tokens) is less than the JSON around it (``{"role":"user","content":""}``: 28 bytes).
"""

from collections.abc import Callable, Mapping
from enum import Enum

import msgspec
from msgspec.structs import astuple

from modelmeter.errors import RefusedRequestError
from modelmeter.providers.bodies import ABSENT, UNREADABLE, is_absent

__all__ = [
    "NODES_MAX",
    "PROVIDER_TOOL_ROUNDS",
    "SEARCHES_MAX",
    "TEMPLATE_TOKENS",
    "Holdings",
    "Media",
    "MediaRules",
    "RequestDemand",
    "answers_asked",
    "answers_wanted",
    "hold",
    "number_of",
]

LONG_TEXT_CHARACTERS = 256
"""A shorter text is not worth counting by a tokenizer."""
NODES_MAX = 50_000
"""Values of a body that are looked at one by one; of one with more nothing is taken for seen."""
MULTIPLIER_BYTES_MAX = 64 * 1024
"""Of a field that is read from a body with more values than that."""
ANSWERS_MAX = 128
"""Answers to one prompt that a provider gives (https://platform.openai.com/docs/api-reference/chat)."""
PROVIDER_TOOL_ROUNDS = 10
"""
How often a provider goes on by itself after running a tool of its own.

Anthropic's loop ends after ten (https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/web-search-tool);
others state none.
"""
SEARCHES_MAX = 1000
"""More than any request is let do."""

_AUDIO_BYTES_PER_TOKEN = 25
"""
MP3 has at least 8 kbit/s: 1,000 bytes for a second. OpenAI counts ten tokens a second
(https://platform.openai.com/docs/guides/realtime-costs), Gemini 32
(https://ai.google.dev/gemini-api/docs/audio): at most one for 31 bytes. WAV has more bytes.
"""
_BASE64_CHARACTERS = 4
_BASE64_BYTES = 3
TEMPLATE_TOKENS = 128
"""
More than what a provider writes around a whole prompt before any message of it, such as the
preamble of the open-weight models (https://github.com/openai/harmony): some 70 tokens.
"""


_MULTIPLIERS = (
    "anthropic_version", "best_of", "generationConfig", "generation_config", "max_tool_calls",
    "n", "num_generations", "serviceTier", "service_tier", "speed", "thinking", "toolConfig",
    "tools", "web_search_options",
)  # fmt: skip
_multipliers = msgspec.json.Decoder(
    msgspec.defstruct("_Multipliers", [(name, msgspec.Raw, ABSENT) for name in _MULTIPLIERS])
)


class RequestDemand(msgspec.Struct, frozen=True):
    """The most that one request can use; every number is 0 or more."""

    text_bytes: int
    """What is read as text: at least as many bytes as tokens."""
    tokens_saved: int = 0
    """By how much it has fewer tokens than bytes, as the model's own tokenizer counts them."""
    media_tokens: int = 0
    """Images and audio in the body, each at the most its provider counts."""
    hidden_tokens: int = 0
    """Prompts that the provider itself puts before tools."""
    has_media: bool = False
    has_audio: bool = False
    unseen: bool = False
    """Reads what is not in the body, or not to be measured there: files, stored conversations."""
    writes: bool = True
    """Gives text; False: an embedding."""
    output_tokens_max: int | None = None
    """The request's own limit for each answer."""
    output_tokens_min: int = 1
    """A lower limit would be refused by the provider."""
    answers: int = 1
    writes_cache: bool = False
    writes_cache_for_long: bool = False
    """Pays for cache writes; for long: an hour rather than minutes."""
    service_tiers: tuple[str | None, ...] = (None,)
    """The tiers that may serve it; None is the ordinary one."""
    regions: tuple[str | None, ...] = (None,)
    """Where it may be served; None is the configured region."""
    tool_rounds: int = 0
    """How often the input can be read again because the provider runs tools of its own."""
    web_searches: int = 0
    file_searches: int = 0


class Media(Enum):
    """What a part of a prompt is that is not text."""

    IMAGE = "image"
    AUDIO = "audio"
    FILE = "file"


class MediaRules(msgspec.Struct, frozen=True):
    """Where a dialect keeps what is not text."""

    kind_of: Callable[[str, object, Mapping[str, object]], Media | None]
    """The kind of media under a key, given its value and the object; None: go on inside."""
    payload_keys: frozenset[str]
    """Strings under these keys of a medium are its bytes, not text."""
    opaque_keys: frozenset[str]
    """Values under these keys are text to the model, whatever they hold: schemas, arguments."""
    cache_marks: frozenset[str] = frozenset()
    """Keys that ask for a cache write."""


class Holdings(msgspec.Struct):
    """What a body was found to hold."""

    root: Mapping[str, object]
    text_bytes: int
    images: int = 0
    audio_tokens: int = 0
    files: int = 0
    writes_cache: bool = False
    writes_cache_for_long: bool = False
    crowded: bool = False
    """It has more values than are looked at."""
    long_texts: list[str] = []
    """Texts that are worth counting by a tokenizer."""


def hold(body: bytes, rules: MediaRules) -> Holdings:
    """
    Look through a body for what is not text.

    Raises:
        RefusedRequestError: it is no JSON object that can be read as a whole.
    """
    # Every value but the first of its list or object stands behind a comma, every list or
    # object behind a bracket: counted at the speed of memory, before anything is built.
    if len(body) > NODES_MAX and (
        body.count(b",") + body.count(b"[") + body.count(b"{") > NODES_MAX
    ):
        return Holdings(root=_top_level(body), text_bytes=len(body), crowded=True)
    try:
        root = msgspec.json.decode(body)
    except UNREADABLE as error:
        raise RefusedRequestError(
            f"the request's body cannot be read: {error}", code="invalid_json"
        ) from error
    if not isinstance(root, dict):
        raise RefusedRequestError("the request's body is no JSON object", code="invalid_request")
    holdings = Holdings(root=root, text_bytes=len(body))
    pending: list[object] = [root]
    while pending:
        value = pending.pop()
        if isinstance(value, list):
            pending += value
        elif isinstance(value, dict):
            for key, inner in value.items():
                if type(inner) is not str or key in rules.payload_keys:
                    _look(holdings, pending, (key, inner, value), rules)
                elif len(inner) >= LONG_TEXT_CHARACTERS and key not in rules.opaque_keys:
                    holdings.long_texts.append(inner)
    return holdings


def number_of(value: object, *, least: int, most: int, name: str, absent: int) -> int:
    """
    A whole number of a request, ``absent`` if it gives none.

    Raises:
        RefusedRequestError: it is no whole number in the range.
    """
    if value is None:
        return absent
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise RefusedRequestError(
            f"{name} must be a whole number from {least} to {most}", code="invalid_request"
        )
    return value


def answers_wanted(value: object, name: str) -> int:
    """
    How many answers a field of a request asks for.

    Raises:
        RefusedRequestError: it is no whole number from 1 to `ANSWERS_MAX`.
    """
    return number_of(value, least=1, most=ANSWERS_MAX, name=name, absent=1)


def answers_asked(value: object) -> int:
    """The same where nothing hangs on it: what no provider takes counts as one."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= ANSWERS_MAX:
        return 1
    return value


def _look(
    holdings: Holdings,
    pending: list[object],
    field: tuple[str, object, Mapping[str, object]],
    rules: MediaRules,
) -> None:
    key, value, parent = field
    if key in rules.cache_marks:
        holdings.writes_cache = True
        if isinstance(value, dict) and value.get("ttl") not in (None, "5m"):
            holdings.writes_cache_for_long = True
    elif key not in rules.opaque_keys:
        medium = rules.kind_of(key, value, parent)
        if medium is None:
            pending.append(value)
        else:
            _take(holdings, medium, value, rules)


def _top_level(body: bytes) -> Mapping[str, object]:
    """The fields that multiply a cost, of a body that is too crowded to be read whole."""
    try:
        fields = _multipliers.decode(body)
        return {
            key: msgspec.json.decode(raw)
            for key, raw in zip(_MULTIPLIERS, astuple(fields), strict=True)
            if len(bytes(raw)) <= MULTIPLIER_BYTES_MAX and not is_absent(raw)
        }
    except UNREADABLE as error:
        raise RefusedRequestError(
            f"the request's body cannot be read: {error}", code="invalid_json"
        ) from error


def _take(holdings: Holdings, medium: Media, value: object, rules: MediaRules) -> None:
    payload = _payload(value, rules)
    holdings.text_bytes -= payload
    if medium is Media.IMAGE:
        holdings.images += 1
    elif medium is Media.AUDIO:
        size = payload * _BASE64_BYTES // _BASE64_CHARACTERS
        holdings.audio_tokens += 1 + size // _AUDIO_BYTES_PER_TOKEN
    else:
        holdings.files += 1


def _payload(value: object, rules: MediaRules) -> int:
    """The characters of a medium's own bytes: in the JSON they take at least as many bytes."""
    if isinstance(value, str):
        return len(value)
    length = 0
    pending = [value]
    while pending:
        inner = pending.pop()
        if isinstance(inner, dict):
            for key, each in inner.items():
                if isinstance(each, str):
                    length += len(each) if key in rules.payload_keys else 0
                else:
                    pending.append(each)
        elif isinstance(inner, list):
            pending += inner
    return length
