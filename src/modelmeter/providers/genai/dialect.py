"""Google GenAI's dialect: https://ai.google.dev/api/generate-content, and Vertex AI's paths."""

import re
from functools import partial
from urllib.parse import quote, unquote

import msgspec

from modelmeter.errors import RefusedRequestError
from modelmeter.providers.bodies import model_name, output_limit
from modelmeter.providers.contract import AnswerHead, RequestFacts, ResponseFacts, ResponseObserver
from modelmeter.providers.demand import RequestDemand, answers_asked
from modelmeter.providers.framing import Framing, framing_of
from modelmeter.providers.genai.answers import (
    ArrayFrames,
    EventFrames,
    StreamObserver,
    generation_facts,
)
from modelmeter.providers.genai.demand import genai_demand
from modelmeter.providers.genai.errors import error_body, error_type_of_body
from modelmeter.providers.genai.one_spelling import in_one_spelling
from modelmeter.providers.one_reading import fields_of, wanted_of
from modelmeter.providers.output_limit import limited
from modelmeter.providers.plain import PlainObserver
from modelmeter.record import Operation

__all__ = ["GenAIDialect"]

_PATH = re.compile(
    r"(?:/v1(?:beta\d?|alpha)?)?(?:/projects/[^/]+/locations/[^/]+/publishers/[^/]+)?"
    r"/(?:models|tunedModels)/([^/:]+):([A-Za-z]+)"
)
_STREAM = "streamGenerateContent"
_OPERATIONS = {
    "generateContent": Operation.GENERATE_CONTENT,
    _STREAM: Operation.GENERATE_CONTENT,
    "embedContent": Operation.EMBED_CONTENT,
    "batchEmbedContents": Operation.EMBED_CONTENT,
}
_PLAIN_PATH = re.compile(r"(?:/.+)?/(?:models|tunedmodels)/.+:([a-z]+)")
_PLAIN_OPERATIONS = frozenset(name.casefold() for name in _OPERATIONS)
_HEADERS = ((b"content-type", b"application/json"),)
_OK = 200
_LIMIT_PLACES = (
    ("generationConfig", "maxOutputTokens"),
    ("generationConfig", "max_output_tokens"),
    ("generation_config", "max_output_tokens"),
    ("generation_config", "maxOutputTokens"),
)
"""The API takes both spellings."""


class _Config(msgspec.Struct):
    max_output_tokens: object = msgspec.field(default=None, name="maxOutputTokens")
    candidate_count: object = msgspec.field(default=None, name="candidateCount")


class _Request(msgspec.Struct):
    config: _Config | None = msgspec.field(default=None, name="generationConfig")


_NO_CONFIG = _Config()


class GenAIDialect:
    """generateContent, streamGenerateContent and embedContent."""

    def operation(self, method: str, path: str) -> Operation | None:
        """See `Dialect.operation`."""
        match = _PATH.fullmatch(path) if method == "POST" else None
        return None if match is None else _OPERATIONS.get(match.group(2))

    def names_operation(self, plain_path: str) -> bool:
        """See `Dialect.names_operation`."""
        match = _PLAIN_PATH.fullmatch(plain_path)
        return match is not None and match.group(1) in _PLAIN_OPERATIONS

    def read_request(self, operation: Operation, path: str, body: bytes) -> RequestFacts:
        """See `Dialect.read_request`; the model stands in the path."""
        request = wanted_of(in_one_spelling(fields_of(body)), _Request)
        match = _PATH.fullmatch(path)
        if match is None:
            raise RefusedRequestError("the path names no model", code="invalid_model")
        config = request.config or _NO_CONFIG
        return RequestFacts(
            operation=operation,
            model=model_name(unquote(match.group(1))),
            streamed=match.group(2) == _STREAM,
            output_tokens_max=output_limit(config.max_output_tokens),
            upstream_body=body,
            answers=answers_asked(config.candidate_count),
        )

    def demand(
        self, operation: Operation, model: str, body: bytes, output_tokens_max: int | None
    ) -> RequestDemand:
        """See `Dialect.demand`."""
        return genai_demand(operation, body, output_tokens_max)

    def limit_output(self, request: RequestFacts, tokens: int) -> RequestFacts:
        """See `Dialect.limit_output`."""
        return limited(request, _limit_places(request.upstream_body), tokens)

    def ask_model(self, path: str, body: bytes, model: str) -> tuple[str, bytes]:
        """See `Dialect.ask_model`; the model stands in the path."""
        match = _PATH.fullmatch(path)
        if match is None:
            raise RefusedRequestError("the path names no model", code="invalid_model")
        return f"{path[: match.start(1)]}{quote(model, safe='')}{path[match.end(1) :]}", body

    def observe(self, request: RequestFacts, head: AnswerHead) -> ResponseObserver:
        """See `Dialect.observe`."""
        if head.http_status != _OK or not request.streamed:
            read = partial(generation_facts, request.model)
            return PlainObserver(head.http_status, read, error_type_of_body)
        is_array = self.framing(head) is Framing.ELEMENTS
        return StreamObserver(request.model, ArrayFrames() if is_array else EventFrames())

    def framing(self, head: AnswerHead) -> Framing:
        """See `Dialect.framing`; without ``alt=sse`` an answer is one array."""
        return framing_of(head.content_type) or Framing.ELEMENTS

    def final_event(self, request: RequestFacts, head: AnswerHead, seen: ResponseFacts) -> bytes:
        """See `Dialect.final_event`; https://ai.google.dev/api/generate-content#FinishReason."""
        answer = {
            "candidates": [{"finishReason": "MAX_TOKENS", "index": 0}],
            "modelVersion": seen.model_answered or request.model,
        }
        final = b",\r\n%b]" if self.framing(head) is Framing.ELEMENTS else b"data: %b\r\n\r\n"
        return final % msgspec.json.encode(answer)

    def error_body(self, message: str, *, code: str, http_status: int) -> bytes:
        """See `Dialect.error_body`."""
        return error_body(message, code=code, http_status=http_status)

    def error_headers(self, code: str, http_status: int) -> tuple[tuple[bytes, bytes], ...]:
        """See `Dialect.error_headers`."""
        return _HEADERS


def _limit_places(body: bytes) -> tuple[tuple[str, str], ...]:
    return _LIMIT_PLACES[::-1] if b'"generation_config"' in body else _LIMIT_PLACES
