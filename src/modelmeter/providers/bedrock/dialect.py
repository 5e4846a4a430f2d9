"""
Bedrock's dialect.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock_Runtime.html
"""

from functools import partial
from urllib.parse import quote, unquote

import msgspec

from modelmeter.errors import RefusedRequestError
from modelmeter.providers.bedrock.answers import answer_facts, tier_in_headers
from modelmeter.providers.bedrock.demand import bedrock_demand
from modelmeter.providers.bedrock.errors import (
    error_body,
    error_name_of_status,
    error_type_of_body,
)
from modelmeter.providers.bedrock.final_event import final_event
from modelmeter.providers.bedrock.limits import limit_places
from modelmeter.providers.bedrock.streams import ConverseStreamObserver, InvokeStreamObserver
from modelmeter.providers.bodies import largest_limit, model_name
from modelmeter.providers.contract import AnswerHead, RequestFacts, ResponseFacts, ResponseObserver
from modelmeter.providers.demand import RequestDemand
from modelmeter.providers.framing import Framing, framing_of
from modelmeter.providers.one_reading import request_fields
from modelmeter.providers.output_limit import limited
from modelmeter.providers.plain import PlainObserver
from modelmeter.record import Operation

__all__ = ["BedrockDialect"]

_OPERATIONS = {
    "converse": Operation.CONVERSE,
    "converse-stream": Operation.CONVERSE,
    "invoke": Operation.INVOKE_MODEL,
    "invoke-with-response-stream": Operation.INVOKE_MODEL,
}
_STREAMS = frozenset({"converse-stream", "invoke-with-response-stream"})
_EVENT_STREAM = "application/vnd.amazon.eventstream"


class _Config(msgspec.Struct):
    max_tokens: object = msgspec.field(default=None, name="maxTokens")
    max_new_tokens: object = None


class _TextConfig(msgspec.Struct):
    max_token_count: object = msgspec.field(default=None, name="maxTokenCount")


class _Request(msgspec.Struct):
    config: _Config | None = msgspec.field(default=None, name="inferenceConfig")
    text_config: _TextConfig | None = msgspec.field(default=None, name="textGenerationConfig")
    max_tokens: object = None
    max_completion_tokens: object = None
    max_tokens_to_sample: object = None
    max_gen_len: object = None


class BedrockDialect:
    """Converse and InvokeModel, streamed and not."""

    def operation(self, method: str, path: str) -> Operation | None:
        """See `Dialect.operation`."""
        parts = _parts(path) if method == "POST" else None
        return None if parts is None else _OPERATIONS[parts[1]]

    def names_operation(self, plain_path: str) -> bool:
        """See `Dialect.names_operation`."""
        return self.operation("POST", plain_path) is not None

    def read_request(self, operation: Operation, path: str, body: bytes) -> RequestFacts:
        """See `Dialect.read_request`; the model stands in the path."""
        request = request_fields(body, _Request)
        parts = _parts(path)
        if parts is None:
            raise RefusedRequestError("the path names no model", code="invalid_model")
        model, verb = parts
        return RequestFacts(
            operation=operation,
            model=model_name(_decoded(model)),
            streamed=verb in _STREAMS,
            output_tokens_max=_limit(request),
            upstream_body=body,
        )

    def demand(
        self, operation: Operation, model: str, body: bytes, output_tokens_max: int | None
    ) -> RequestDemand:
        """See `Dialect.demand`."""
        return bedrock_demand(operation, model, body, output_tokens_max)

    def limit_output(self, request: RequestFacts, tokens: int) -> RequestFacts:
        """See `Dialect.limit_output`."""
        return limited(request, limit_places(request), tokens)

    def ask_model(self, path: str, body: bytes, model: str) -> tuple[str, bytes]:
        """See `Dialect.ask_model`; the model stands in the path."""
        parts = _parts(path)
        if parts is None:
            raise RefusedRequestError("the path names no model", code="invalid_model")
        return f"/model/{quote(model, safe='')}/{parts[1]}", body

    def observe(self, request: RequestFacts, head: AnswerHead) -> ResponseObserver:
        """See `Dialect.observe`."""
        if head.content_type.startswith(_EVENT_STREAM):
            if request.operation is Operation.CONVERSE:
                return ConverseStreamObserver()
            return InvokeStreamObserver(request.model, tier_in_headers(head))
        read = partial(answer_facts, request, head)
        return PlainObserver(head.http_status, read, error_type_of_body)

    def framing(self, head: AnswerHead) -> Framing | None:
        """See `Dialect.framing`."""
        return framing_of(head.content_type)

    def final_event(self, request: RequestFacts, head: AnswerHead, seen: ResponseFacts) -> bytes:
        """See `Dialect.final_event`."""
        return final_event(request, seen)

    def error_body(self, message: str, *, code: str, http_status: int) -> bytes:
        """See `Dialect.error_body`."""
        return error_body(message)

    def error_headers(self, code: str, http_status: int) -> tuple[tuple[bytes, bytes], ...]:
        """See `Dialect.error_headers`."""
        return (
            (b"content-type", b"application/json"),
            (b"x-amzn-errortype", error_name_of_status(http_status).encode()),
        )


def _parts(path: str) -> tuple[str, str] | None:
    """
    The model, still escaped, and the operation of a path.

    Spellings that the SDKs do not send (escaped letters, an ARN with bare slashes, a slash at
    the end) are understood too: should AWS answer one, its call must not go by unmetered.
    """
    root, _, rest = path.removeprefix("/").removesuffix("/").partition("/")
    model, _, verb = rest.rpartition("/")
    verb = unquote(verb)
    if unquote(root) != "model" or not model or verb not in _OPERATIONS:
        return None
    return model, verb


def _decoded(model: str) -> str:
    try:
        return unquote(model, errors="strict")
    except UnicodeDecodeError as error:
        raise RefusedRequestError(
            "the model's name in the path is not UTF-8", code="invalid_model"
        ) from error


def _limit(request: _Request) -> int | None:
    candidates = [
        request.max_tokens,
        request.max_completion_tokens,
        request.max_tokens_to_sample,
        request.max_gen_len,
    ]
    if request.config is not None:
        candidates += [request.config.max_tokens, request.config.max_new_tokens]
    if request.text_config is not None:
        candidates.append(request.text_config.max_token_count)
    return largest_limit(candidates)
