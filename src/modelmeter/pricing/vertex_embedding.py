"""
Vertex AI's own answers to embeddings, which count tokens and characters beside each other.

Source: https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api
"""

from collections.abc import Mapping

import msgspec

from modelmeter.providers import ResponseFacts
from modelmeter.providers.bodies import UnbelievableCountError, count
from modelmeter.record import TokenCounts, ToolCalls

__all__ = ["embedding_facts"]

_BY_TOKENS = "gemini-"
"""Models that are billed by tokens; those before them are billed by characters."""


class _Statistics(msgspec.Struct):
    token_count: object = None


class _Embedding(msgspec.Struct):
    statistics: _Statistics | None = None


class _Prediction(msgspec.Struct):
    embeddings: _Embedding | None = None


class _Counts(msgspec.Struct):
    billable_character_count: object = msgspec.field(default=None, name="billableCharacterCount")
    billable_characters: object = msgspec.field(default=None, name="billable_character_count")
    statistics: _Statistics | None = None
    token_count: object = None


class _Answer(msgspec.Struct):
    predictions: list[_Prediction] = []
    metadata: _Counts = msgspec.field(default_factory=_Counts)


_counts_decoder = msgspec.json.Decoder(_Counts)
_answer_decoder = msgspec.json.Decoder(_Answer)
_MARKS = (b"illableCharacterCount", b"illable_character_count", b"token_count")


def embedding_facts(
    model: str, usage: msgspec.Raw, whole: Mapping[str, msgspec.Raw]
) -> ResponseFacts | None:
    """
    What an embedding's answer counts; None if it is none of Vertex AI's own.

    Raises:
        msgspec.DecodeError: the usage is no object.
    """
    counts = _Counts()
    if any(mark in bytes(usage) for mark in _MARKS) and b"prompt_token_count" not in bytes(usage):
        counts = _counts_decoder.decode(usage)
    elif "predictions" not in whole:
        return None
    answer = _answer_decoder.decode(msgspec.json.encode(whole))
    parts = [one.embeddings.statistics for one in answer.predictions if one.embeddings is not None]
    try:
        tokens = count(counts.token_count) + sum(
            count(part.token_count) for part in (*parts, counts.statistics) if part is not None
        )
        characters = sum(
            count(known.billable_character_count) or count(known.billable_characters)
            for known in (counts, answer.metadata)
        )
    except UnbelievableCountError as error:
        return ResponseFacts(note=str(error))
    by_tokens = model.rpartition("/")[2].startswith(_BY_TOKENS)
    if by_tokens or not characters:
        return ResponseFacts(tokens=TokenCounts(input=tokens), ended=True)
    return ResponseFacts(tools=ToolCalls(characters=characters), ended=True)
