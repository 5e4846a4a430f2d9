"""Anthropic's dialect: https://docs.anthropic.com/en/api/messages."""

from functools import partial

import msgspec

from modelmeter.errors import RefusedRequestError
from modelmeter.providers.anthropic.answers import MessageStreamObserver, message_facts
from modelmeter.providers.anthropic.demand import anthropic_demand
from modelmeter.providers.anthropic.errors import error_body, error_type_of_body
from modelmeter.providers.anthropic.final_event import final_event
from modelmeter.providers.bodies import model_name, output_limit
from modelmeter.providers.contract import AnswerHead, RequestFacts, ResponseFacts, ResponseObserver
from modelmeter.providers.demand import RequestDemand
from modelmeter.providers.framing import Framing, framing_of
from modelmeter.providers.one_reading import request_fields
from modelmeter.providers.other_model import body_with_model
from modelmeter.providers.output_limit import limited
from modelmeter.providers.plain import PlainObserver
from modelmeter.record import Operation

__all__ = ["AnthropicDialect"]

_PATHS = frozenset({"/v1/messages", "/messages"})
_HEADERS = ((b"content-type", b"application/json"),)
_LIMIT_PLACES = (("max_tokens",),)
_OK = 200


class _Request(msgspec.Struct):
    model: str | None = None
    stream: bool | None = None
    max_tokens: object = None


class AnthropicDialect:
    """Messages, streamed and not."""

    def operation(self, method: str, path: str) -> Operation | None:
        """See `Dialect.operation`."""
        return Operation.MESSAGES if method == "POST" and path in _PATHS else None

    def names_operation(self, plain_path: str) -> bool:
        """See `Dialect.names_operation`."""
        return self.operation("POST", plain_path) is not None

    def read_request(self, operation: Operation, path: str, body: bytes) -> RequestFacts:
        """See `Dialect.read_request`."""
        request = request_fields(body, _Request)
        if request.model is None:
            raise RefusedRequestError("the request names no model", code="invalid_model")
        return RequestFacts(
            operation=operation,
            model=model_name(request.model),
            streamed=bool(request.stream),
            output_tokens_max=output_limit(request.max_tokens),
            upstream_body=body,
        )

    def demand(
        self, operation: Operation, model: str, body: bytes, output_tokens_max: int | None
    ) -> RequestDemand:
        """See `Dialect.demand`."""
        return anthropic_demand(body, output_tokens_max)

    def limit_output(self, request: RequestFacts, tokens: int) -> RequestFacts:
        """See `Dialect.limit_output`."""
        return limited(request, _LIMIT_PLACES, tokens)

    def ask_model(self, path: str, body: bytes, model: str) -> tuple[str, bytes]:
        """See `Dialect.ask_model`."""
        return path, body_with_model(body, model)

    def observe(self, request: RequestFacts, head: AnswerHead) -> ResponseObserver:
        """See `Dialect.observe`."""
        if head.http_status == _OK and head.content_type.startswith("text/event-stream"):
            return MessageStreamObserver(request.upstream_body)
        read = partial(message_facts, request_body=request.upstream_body)
        return PlainObserver(head.http_status, read, error_type_of_body)

    def framing(self, head: AnswerHead) -> Framing | None:
        """See `Dialect.framing`."""
        return framing_of(head.content_type)

    def final_event(self, request: RequestFacts, head: AnswerHead, seen: ResponseFacts) -> bytes:
        """See `Dialect.final_event`."""
        return final_event(seen)

    def error_body(self, message: str, *, code: str, http_status: int) -> bytes:
        """See `Dialect.error_body`."""
        return error_body(message, code=code, http_status=http_status)

    def error_headers(self, code: str, http_status: int) -> tuple[tuple[bytes, bytes], ...]:
        """See `Dialect.error_headers`."""
        return _HEADERS
