"""OpenAI's embeddings: https://platform.openai.com/docs/api-reference/embeddings."""

import base64
from collections.abc import Iterator

import msgspec

from modelmeter.record import Operation
from modelmeter.simulator.draws import seeded_random
from modelmeter.simulator.exchange import Answer, Ask, Frame, HttpRequest
from modelmeter.simulator.framing import DataFraming
from modelmeter.simulator.openai_request import check_model
from modelmeter.simulator.prompt import count_of_tokens, decode_body, refuse
from modelmeter.simulator.usage import reported_usage
from modelmeter.simulator.words import Ids, vector

__all__ = ["EmbeddingSurface"]

INPUTS_MAX = 2_048
"""Most texts of one request, as OpenAI has it."""

_DIMENSIONS = {"text-embedding-3-large": 3_072}
_DIMENSIONS_USUAL = 1_536
_DIMENSIONS_MAX = 4_096


class _EmbeddingBody(msgspec.Struct):
    model: str
    input: str | list[str | int | list[int]]
    encoding_format: str | None = None
    dimensions: int | None = None


class EmbeddingSurface:
    """``POST /v1/embeddings``."""

    operation = Operation.EMBEDDINGS

    def __init__(self, *, azure: bool) -> None:
        self._azure = azure

    def read(self, request: HttpRequest) -> Ask:
        """Read a request for embeddings, of texts or of tokens."""
        body = decode_body(request, _EmbeddingBody)
        check_model(body.model, azure=self._azure)
        texts, tokens = _measure(body.input)
        if not 1 <= texts <= INPUTS_MAX:
            raise refuse(f"'$.input' is invalid: expected 1 to {INPUTS_MAX} texts, got {texts}.")
        dimensions = body.dimensions or _DIMENSIONS.get(body.model, _DIMENSIONS_USUAL)
        if not 1 <= dimensions <= _DIMENSIONS_MAX:
            raise refuse(f"Invalid value for 'dimensions' = {dimensions}.")
        return Ask(
            operation=self.operation,
            model=body.model,
            input_tokens=tokens,
            embedded_texts=texts,
            dimensions=dimensions,
            vectors_as_base64=body.encoding_format == "base64",
        )

    def response_id(self, ids: Ids) -> None:
        """Embeddings carry none."""

    def framing(self, request: HttpRequest) -> DataFraming:
        """Never used: embeddings do not stream."""
        return DataFraming()

    def body(self, ask: Ask, answer: Answer) -> bytes:
        """Write the vectors, as numbers or as base64 of 32-bit floats."""
        random = seeded_random(answer.vectors_seed)
        data: list[dict[str, object]] = []
        for index in range(ask.embedded_texts):
            values = vector(random, ask.dimensions)
            told: object = values.tolist()
            if ask.vectors_as_base64:
                told = base64.b64encode(values.tobytes()).decode()
            data.append({"object": "embedding", "index": index, "embedding": told})
        whole: dict[str, object] = {"object": "list", "data": data, "model": ask.model}
        tokens = answer.tokens.input
        usage = reported_usage({"prompt_tokens": tokens, "total_tokens": tokens}, answer.directive)
        if usage is not None:
            whole["usage"] = usage
        return msgspec.json.encode(whole)

    def frames(self, ask: Ask, answer: Answer) -> Iterator[Frame]:
        """Embeddings do not stream."""
        return iter(())


def _measure(given: str | list[str | int | list[int]]) -> tuple[int, int]:
    if isinstance(given, str):
        return 1, max(1, count_of_tokens((), given))
    if given and isinstance(given[0], int):
        return 1, len(given)
    tokens = sum(
        max(1, count_of_tokens((), each)) if isinstance(each, str) else len(each)
        for each in given
        if not isinstance(each, int)
    )
    return len(given), tokens
