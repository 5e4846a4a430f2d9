"""OpenAI's dialect: https://platform.openai.com/docs/api-reference."""

import re
from urllib.parse import quote, unquote

from modelmeter.providers.contract import AnswerHead, RequestFacts, ResponseFacts, ResponseObserver
from modelmeter.providers.demand import RequestDemand
from modelmeter.providers.framing import Framing, framing_of
from modelmeter.providers.openai.demand import openai_demand
from modelmeter.providers.openai.errors import error_body, error_type_of_body
from modelmeter.providers.openai.final_event import final_event
from modelmeter.providers.openai.limits import limit_openai_output
from modelmeter.providers.openai.plain import body_facts
from modelmeter.providers.openai.requests import read_openai_request
from modelmeter.providers.openai.stream import ChatStreamObserver, ResponsesStreamObserver
from modelmeter.providers.other_model import body_with_model
from modelmeter.providers.plain import PlainObserver
from modelmeter.record import Operation

__all__ = ["OpenAIDialect"]

_OPERATIONS = {
    "/chat/completions": Operation.CHAT,
    "/responses": Operation.RESPONSES,
    "/embeddings": Operation.EMBEDDINGS,
    "/completions": Operation.TEXT_COMPLETION,
}
_DEPLOYMENT = re.compile(r"(?:/openai)?/deployments/([^/]+)(/.+)")
_PLAIN_PATH = re.compile(rf"(?:(?:/openai)?/deployments/.+)?(?:{'|'.join(_OPERATIONS)})")
_HEADERS = ((b"content-type", b"application/json"),)
_OK = 200


class OpenAIDialect:
    """Chat completions, responses, embeddings and legacy completions."""

    def operation(self, method: str, path: str) -> Operation | None:
        """See `Dialect.operation`; the path of OpenAI comes without its ``/v1``."""
        if method != "POST":
            return None
        known = _OPERATIONS.get(path)
        if known is None and (match := _DEPLOYMENT.fullmatch(path)):
            known = _OPERATIONS.get(match.group(2))
        return known

    def names_operation(self, plain_path: str) -> bool:
        """See `Dialect.names_operation`."""
        return _PLAIN_PATH.fullmatch(plain_path) is not None

    def read_request(self, operation: Operation, path: str, body: bytes) -> RequestFacts:
        """See `Dialect.read_request`."""
        match = None if path in _OPERATIONS else _DEPLOYMENT.fullmatch(path)
        deployment = None if match is None else unquote(match.group(1))
        return read_openai_request(operation, body, model_of_path=deployment)

    def demand(
        self, operation: Operation, model: str, body: bytes, output_tokens_max: int | None
    ) -> RequestDemand:
        """See `Dialect.demand`."""
        return openai_demand(operation, model, body, output_tokens_max)

    def limit_output(self, request: RequestFacts, tokens: int) -> RequestFacts:
        """See `Dialect.limit_output`."""
        return limit_openai_output(request, tokens)

    def ask_model(self, path: str, body: bytes, model: str) -> tuple[str, bytes]:
        """See `Dialect.ask_model`; an Azure path names its deployment."""
        match = None if path in _OPERATIONS else _DEPLOYMENT.fullmatch(path)
        if match is None:
            return path, body_with_model(body, model)
        other = f"{path[: match.start(1)]}{quote(model, safe='')}{path[match.end(1) :]}"
        return other, body_with_model(body, model)

    def observe(self, request: RequestFacts, head: AnswerHead) -> ResponseObserver:
        """See `Dialect.observe`."""
        if head.http_status != _OK or not head.content_type.startswith("text/event-stream"):
            return PlainObserver(head.http_status, body_facts, error_type_of_body)
        if request.operation is Operation.RESPONSES:
            return ResponsesStreamObserver(hides_usage=False)
        return ChatStreamObserver(hides_usage=request.hides_usage_chunk)

    def framing(self, head: AnswerHead) -> Framing | None:
        """See `Dialect.framing`."""
        return framing_of(head.content_type)

    def final_event(self, request: RequestFacts, head: AnswerHead, seen: ResponseFacts) -> bytes:
        """See `Dialect.final_event`."""
        return final_event(request, seen)

    def error_body(self, message: str, *, code: str, http_status: int) -> bytes:
        """See `Dialect.error_body`."""
        return error_body(message, code=code, http_status=http_status)

    def error_headers(self, code: str, http_status: int) -> tuple[tuple[bytes, bytes], ...]:
        """See `Dialect.error_headers`."""
        return _HEADERS
