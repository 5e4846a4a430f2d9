"""What a request in OpenAI's dialect can use at most."""

from collections.abc import Mapping
from types import MappingProxyType

from modelmeter.errors import RefusedRequestError
from modelmeter.providers.demand import (
    PROVIDER_TOOL_ROUNDS,
    SEARCHES_MAX,
    TEMPLATE_TOKENS,
    Media,
    MediaRules,
    RequestDemand,
    answers_wanted,
    hold,
    number_of,
)
from modelmeter.providers.openai.tokenizer import tokens_saved
from modelmeter.providers.openai.tools import SEARCHING_MODELS
from modelmeter.record import Operation

__all__ = ["image_tokens_max", "openai_demand"]

_EMBEDDINGS = Operation.EMBEDDINGS
_RESPONSES_OUTPUT_MIN = 16
"""https://platform.openai.com/docs/api-reference/responses/create (max_output_tokens)."""
_REFERENCES = ("previous_response_id", "conversation", "prompt")
"""Fields of a response's request that name what the provider has stored."""
_SOURCES = ("data_sources", "search_parameters", "plugins")
"""
Fields by which Azure, xAI and others have a prompt filled up from elsewhere
(https://learn.microsoft.com/en-us/azure/ai-foundry/openai/references/on-your-data).
"""
_CALLERS_OWN_TOOLS = frozenset(
    {
        "function", "custom", "computer", "computer_use_preview", "local_shell", "apply_patch",
        "namespace",
    }
)  # fmt: skip
"""
Tools that the caller runs, so that a call ends with them; all others OpenAI runs itself
(https://platform.openai.com/docs/guides/tools).
"""
_ORDINARY_TIERS = frozenset({"default", "flex"})
_IMAGE_TOKENS = MappingProxyType(
    {
        "gpt-4o-mini": 48_169,
        "gpt-4.1-mini": 2_489,
        "gpt-4.1-nano": 3_779,
        "gpt-4.1": 1_536,
        "o4-mini": 2_642,
        "gpt-4": 1_445,
        "chatgpt-4o": 1_445,
        "o1": 1_275,
        "o3": 1_275,
    }
)
"""
The most an image counts, by the start of a model's name; the first that fits is the one.

https://platform.openai.com/docs/guides/images-vision: at most eight tiles of 170 tokens and 85
beside them (150 and 75 for o1 and o3, 5,667 and 2,833 for gpt-4o-mini), or 1,536 patches times
1 (gpt-4.1), 1.62 (gpt-4.1-mini), 2.46 (gpt-4.1-nano) or 1.72 (o4-mini).
"""
_IMAGE_TOKENS_OF_OTHERS = 12_000
"""Ten thousand patches (detail "original") times 1.2."""


def openai_demand(
    operation: Operation, model: str, body: bytes, output_tokens_max: int | None
) -> RequestDemand:
    """
    Bound what a chat completion, response, completion or embedding can use.

    Raises:
        RefusedRequestError: the body cannot be read, or a field that multiplies the cost has no
            sensible value.
    """
    found = hold(body, _RULES)
    root = found.root
    if found.crowded and operation is Operation.TEXT_COMPLETION:
        # Each prompt of a list has answers of its own, and nobody counted them.
        raise RefusedRequestError("the request has too many values", code="invalid_request")
    rounds, web_searches, file_searches = _provider_tools(root, model)
    unseen = bool(found.files) or found.crowded or any(name in root for name in _SOURCES)
    if operation is Operation.RESPONSES:
        unseen = unseen or any(root.get(name) is not None for name in _REFERENCES)
    return RequestDemand(
        text_bytes=found.text_bytes,
        tokens_saved=tokens_saved(model, found.long_texts),
        media_tokens=found.images * image_tokens_max(model) + found.audio_tokens,
        hidden_tokens=TEMPLATE_TOKENS,
        has_media=bool(found.images or found.files or found.audio_tokens) or found.crowded,
        has_audio=bool(found.audio_tokens) or found.crowded or "audio" in root,
        unseen=unseen,
        writes=operation is not _EMBEDDINGS,
        output_tokens_max=output_tokens_max,
        output_tokens_min=_RESPONSES_OUTPUT_MIN if operation is Operation.RESPONSES else 1,
        answers=_answers(operation, root),
        # OpenAI's newer models write their cache unasked, and bill it.
        writes_cache=True,
        writes_cache_for_long=root.get("prompt_cache_retention") not in (None, "in_memory"),
        service_tiers=_tiers(root.get("service_tier")),
        tool_rounds=rounds,
        web_searches=web_searches,
        file_searches=file_searches,
    )


def image_tokens_max(model: str) -> int:
    """The most that one image counts."""
    name = model.rpartition("/")[2].removeprefix("ft:")
    for start, tokens in _IMAGE_TOKENS.items():
        if name.startswith(start):
            return tokens
    return _IMAGE_TOKENS_OF_OTHERS


def _kind_of(key: str, value: object, parent: Mapping[str, object]) -> Media | None:
    if key == "image_url":
        return Media.IMAGE
    if key == "input_audio":
        return Media.AUDIO
    kind = parent.get("type")
    if key == "file" or (key == "audio" and "role" in parent):
        return Media.FILE
    if key in ("file_id", "file_data", "file_url"):
        return Media.IMAGE if kind == "input_image" else Media.FILE
    if key == "result" and kind == "image_generation_call":
        return Media.IMAGE
    return Media.FILE if key == "id" and kind == "item_reference" else None


_RULES = MediaRules(
    kind_of=_kind_of,
    payload_keys=frozenset(
        {"image_url", "url", "data", "file", "file_id", "file_data", "file_url", "result", "id"}
    ),
    opaque_keys=frozenset({"parameters", "schema", "arguments", "metadata"}),
)


def _answers(operation: Operation, root: Mapping[str, object]) -> int:
    if operation in (Operation.RESPONSES, _EMBEDDINGS):
        return 1
    answers = answers_wanted(root.get("n"), "n")
    if operation is Operation.TEXT_COMPLETION:
        answers = max(answers, answers_wanted(root.get("best_of"), "best_of"))
        prompt = root.get("prompt")
        if isinstance(prompt, list) and not (prompt and isinstance(prompt[0], int)):
            # Each text (or list of tokens) of a list is a prompt of its own.
            answers *= max(len(prompt), 1)
    return answers


def _tiers(asked: object) -> tuple[str | None, ...]:
    if isinstance(asked, str) and asked in _ORDINARY_TIERS:
        return (None,)
    if isinstance(asked, str) and asked != "auto":
        return (None, asked)
    # Without a word of the request the project's settings decide, which nobody here knows.
    return (None, "priority")


def _provider_tools(root: Mapping[str, object], model: str) -> tuple[int, int, int]:
    """How often the input may be read again, and how many searches of each kind may be paid for."""
    tools = root.get("tools")
    entries = tools if isinstance(tools, list) else []
    kinds = {str(tool.get("type")) for tool in entries if isinstance(tool, dict)}
    runs = kinds - _CALLERS_OWN_TOOLS
    if root.get("web_search_options") is not None or any(
        name in model for name in SEARCHING_MODELS
    ):
        runs.add("web_search")
    if not runs:
        return 0, 0, 0
    calls = number_of(
        root.get("max_tool_calls"),
        least=1,
        most=SEARCHES_MAX,
        name="max_tool_calls",
        absent=PROVIDER_TOOL_ROUNDS,
    )
    web = any("web_search" in kind for kind in runs)
    files = any("file_search" in kind for kind in runs)
    return min(calls, PROVIDER_TOOL_ROUNDS), calls * web, calls * files
