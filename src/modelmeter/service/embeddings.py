"""
OpenAI's embeddings for providers that speak otherwise.

https://platform.openai.com/docs/api-reference/embeddings,
https://ai.google.dev/api/embeddings,
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html,
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html
"""

import base64
from array import array
from collections.abc import Mapping
from sys import byteorder
from typing import Literal

import msgspec

from modelmeter.errors import RefusedRequestError, UpstreamError
from modelmeter.record import ErrorType, TokenCounts
from modelmeter.service.conversation import unsupported

__all__ = ["TEXTS_MAX", "EmbeddingsRequest", "embeddings_body", "read_embeddings"]

TEXTS_MAX = 2048
"""Texts of one request, as OpenAI has it."""

Vector = list[float]


class EmbeddingsRequest(msgspec.Struct, frozen=True):
    """What a request asks for."""

    input: str | list[str | int | list[int]]
    dimensions: int | None = None
    encoding_format: Literal["float", "base64"] = "float"

    def texts(self, provider: str) -> list[str]:
        """
        The texts to embed.

        Raises:
            RefusedRequestError: there are none, too many, or tokens instead of texts.
        """
        texts = [self.input] if isinstance(self.input, str) else self.input
        if not 0 < len(texts) <= TEXTS_MAX:
            raise RefusedRequestError(f"input must hold 1 to {TEXTS_MAX} texts")
        strings = [text for text in texts if isinstance(text, str)]
        if len(strings) != len(texts):
            raise unsupported(provider, "embeddings of token numbers", "give texts")
        return strings


def read_embeddings(fields: Mapping[str, object]) -> EmbeddingsRequest:
    """
    Read a request's decoded body.

    Raises:
        RefusedRequestError: a field is wrong.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    try:
        return msgspec.convert(given, EmbeddingsRequest)
    except msgspec.ValidationError as error:
        raise RefusedRequestError(f"the request's body: {error}") from error


def genai_embeddings(request: EmbeddingsRequest, model: str) -> dict[str, object]:
    """The body of ``batchEmbedContents``."""
    one: dict[str, object] = {"model": f"models/{model}"}
    if request.dimensions is not None:
        one["outputDimensionality"] = request.dimensions
    texts = request.texts("Gemini")
    return {"requests": [one | {"content": {"parts": [{"text": text}]}} for text in texts]}


def bedrock_embeddings(request: EmbeddingsRequest, model: str) -> dict[str, object]:
    """
    The body of an invocation of one of Bedrock's embedding models.

    Raises:
        RefusedRequestError: the model takes one text at a time, or is none of those.
    """
    texts = request.texts("Bedrock")
    if "cohere.embed" in model:
        if request.dimensions is not None:
            raise unsupported(model, "what `dimensions` asks for")
        return {"texts": texts, "input_type": "search_document"}
    if "amazon.titan-embed" not in model:
        raise unsupported(model, "embeddings", "name a Titan or Cohere embedding model")
    if len(texts) > 1:
        raise unsupported(model, "several texts in one request", "send one request a text")
    body: dict[str, object] = {"inputText": texts[0]}
    return body if request.dimensions is None else body | {"dimensions": request.dimensions}


class _Values(msgspec.Struct):
    values: Vector


class _GenAI(msgspec.Struct):
    embeddings: list[_Values]


class _Cohere(msgspec.Struct):
    embeddings: list[Vector]


class _Titan(msgspec.Struct):
    embedding: Vector


def genai_vectors(body: bytes) -> list[Vector]:
    """The vectors of ``batchEmbedContents``' answer."""
    return [one.values for one in msgspec.json.decode(body, type=_GenAI).embeddings]


def bedrock_vectors(body: bytes, model: str) -> list[Vector]:
    """The vectors of an invoked embedding model's answer."""
    if "cohere.embed" in model:
        return msgspec.json.decode(body, type=_Cohere).embeddings
    return [msgspec.json.decode(body, type=_Titan).embedding]


def embeddings_body(
    kind: str, body: bytes, model: str, encoding_format: str, tokens: TokenCounts | None
) -> bytes:
    """
    A provider's answer as OpenAI's.

    Raises:
        UpstreamError: it cannot be read.
    """
    try:
        vectors = genai_vectors(body) if kind == "genai" else bedrock_vectors(body, model)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamError(
            f"the embeddings cannot be read: {error}", error_type=ErrorType.BAD_RESPONSE
        ) from error
    given = 0 if tokens is None else tokens.total
    return msgspec.json.encode(
        {
            "object": "list",
            "model": model,
            "data": [
                {
                    "object": "embedding",
                    "index": index,
                    "embedding": _shown(vector, encoding_format),
                }
                for index, vector in enumerate(vectors)
            ],
            "usage": {"prompt_tokens": given, "total_tokens": given},
        }
    )


def _shown(vector: Vector, encoding_format: str) -> Vector | str:
    """Base64 is of 32-bit floats, the least byte first."""
    if encoding_format == "float":
        return vector
    numbers = array("f", vector)
    if byteorder == "big":
        numbers.byteswap()
    return base64.b64encode(numbers.tobytes()).decode()
