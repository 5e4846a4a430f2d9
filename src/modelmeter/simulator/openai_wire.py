"""
OpenAI's wire format, and Azure OpenAI's: routes, errors, headers, models.

https://platform.openai.com/docs/api-reference; Azure differs by its headers and by content
filter results in its streams.
"""

import msgspec

from modelmeter.record import ErrorType
from modelmeter.simulator.exchange import (
    Answer,
    Ask,
    Fault,
    FaultError,
    Framing,
    Headers,
    HttpRequest,
    Plain,
    Surface,
)
from modelmeter.simulator.framing import NamedEventFraming
from modelmeter.simulator.openai_chat import ChatSurface, CompletionSurface
from modelmeter.simulator.openai_embeddings import EmbeddingSurface
from modelmeter.simulator.openai_responses import ResponsesSurface
from modelmeter.simulator.words import Ids

__all__ = ["OpenAIWire"]

_MODELS = (
    *("gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini", "gpt-5", "gpt-5-mini", "gpt-5.4"),
    *("gpt-5.6-luna", "gpt-6-sol", "o3", "o4-mini", "gpt-3.5-turbo-instruct"),
    *("text-embedding-3-small", "text-embedding-3-large"),
)
_MODELS_CREATED = 1_715_367_049
_REQUESTS_LIMIT = 10_000
_TOKENS_LIMIT = 30_000_000

_FAULTS: dict[ErrorType, tuple[int, str, str | None, str]] = {
    ErrorType.INVALID_REQUEST: (400, "invalid_request_error", None, "Invalid request."),
    ErrorType.AUTHENTICATION: (
        401,
        "invalid_request_error",
        "invalid_api_key",
        "Incorrect API key provided. You can find your API key at the provider's console.",
    ),
    ErrorType.PERMISSION: (
        403,
        "invalid_request_error",
        "model_not_allowed",
        "Your project does not have access to this model.",
    ),
    ErrorType.NOT_FOUND: (
        404,
        "invalid_request_error",
        "model_not_found",
        "The model does not exist or you do not have access to it.",
    ),
    ErrorType.CONTEXT_LENGTH: (
        400,
        "invalid_request_error",
        "context_length_exceeded",
        "Your input exceeds the context window of this model. Please adjust your input.",
    ),
    ErrorType.CONTENT_FILTER: (
        400,
        "invalid_request_error",
        "content_filter",
        "The response was filtered due to the prompt triggering the content management policy.",
    ),
    ErrorType.RATE_LIMIT: (
        429,
        "requests",
        "rate_limit_exceeded",
        "Rate limit reached for requests per min (RPM). Please try again later.",
    ),
    ErrorType.TIMEOUT: (504, "server_error", None, "The request timed out."),
    ErrorType.OVERLOADED: (
        503,
        "server_error",
        None,
        "The engine is currently overloaded, please try again later.",
    ),
    ErrorType.SERVER_ERROR: (
        500,
        "server_error",
        None,
        "The server had an error while processing your request. Sorry about that!",
    ),
}


class OpenAIWire:
    """OpenAI's (or, as ``up``, Azure's) routes under ``/v1``."""

    json_type = b"application/json"

    def __init__(self, name: str = "openai", *, azure: bool = False) -> None:
        self.name = name
        self._azure = azure
        self._surfaces: dict[tuple[str, ...], Surface] = {
            ("v1", "chat", "completions"): ChatSurface(azure=azure),
            ("v1", "completions"): CompletionSurface(azure=azure),
            ("v1", "responses"): ResponsesSurface(azure=azure),
            ("v1", "embeddings"): EmbeddingSurface(azure=azure),
        }

    def route(self, request: HttpRequest) -> Surface | Plain | None:
        """Find the operation."""
        if request.method == "POST":
            return self._surfaces.get(request.segments)
        if request.method != "GET" or request.segments[:2] != ("v1", "models"):
            return None
        match request.segments[2:]:
            case ():
                models = [_model(name) for name in _MODELS]
                return Plain({"object": "list", "data": models})
            case (name,) if name in _MODELS:
                return Plain(_model(name))
            case _:
                raise FaultError(Fault(ErrorType.NOT_FOUND))

    def request_id(self, ids: Ids) -> str:
        """Azure's ids are UUIDs."""
        return ids.uuid("request") if self._azure else f"req_{ids.hex('request', 32)}"

    def credential(self, request: HttpRequest) -> str | None:
        """A bearer token, or Azure's ``api-key``."""
        bearer = request.headers.get("authorization", "")
        scheme, _, token = bearer.partition(" ")
        if scheme.lower() == "bearer":
            return token.strip()
        return request.headers.get("api-key")

    def headers(self, ids: Ids, ask: Ask | None, answer: Answer | None) -> Headers:
        """Ids, timing and what is left of the rate limits."""
        request_id = self.request_id(ids).encode()
        if self._azure:
            return ((b"apim-request-id", request_id), (b"x-request-id", request_id))
        spent = int(ids.hex("limits", 3), 16)
        tokens = ask.input_tokens if ask else 0
        latency = answer.latency_ms if answer else 1
        return (
            (b"x-request-id", request_id),
            (b"openai-organization", b"simulated"),
            (b"openai-processing-ms", str(latency).encode()),
            (b"openai-version", b"2020-10-01"),
            (b"x-ratelimit-limit-requests", str(_REQUESTS_LIMIT).encode()),
            (b"x-ratelimit-limit-tokens", str(_TOKENS_LIMIT).encode()),
            (b"x-ratelimit-remaining-requests", str(_REQUESTS_LIMIT - 1 - spent).encode()),
            (b"x-ratelimit-remaining-tokens", str(max(0, _TOKENS_LIMIT - tokens)).encode()),
            (b"x-ratelimit-reset-requests", b"6ms"),
            (b"x-ratelimit-reset-tokens", b"2ms"),
        )

    def status(self, fault: Fault) -> int:
        """The status asked for, or OpenAI's usual one."""
        return fault.http_status or _known(fault)[0]

    def fault(self, fault: Fault, request: HttpRequest, ids: Ids) -> tuple[Headers, bytes]:
        """Write an error."""
        headers: Headers = (
            (b"content-type", b"application/json"),
            *self.headers(ids, None, None),
        )
        if fault.retry_after is not None:
            headers += ((b"retry-after", fault.retry_after.encode()),)
        return headers, msgspec.json.encode(_error(fault))

    def fault_in_stream(self, fault: Fault, framing: Framing, ids: Ids) -> bytes:
        """Write an error as an event."""
        if isinstance(framing, NamedEventFraming):
            _, kind, code, message = _known(fault)
            event = {
                "type": "error",
                "code": code or kind,
                "message": fault.message or message,
                "param": None,
                "sequence_number": 0,
            }
            return framing.fault(self.status(fault), "error", msgspec.json.encode(event))
        return framing.fault(self.status(fault), "error", msgspec.json.encode(_error(fault)))


def _known(fault: Fault) -> tuple[int, str, str | None, str]:
    return _FAULTS.get(fault.error_type, _FAULTS[ErrorType.SERVER_ERROR])


def _error(fault: Fault) -> dict[str, object]:
    _, kind, code, message = _known(fault)
    return {
        "error": {
            "message": fault.message or message,
            "type": kind,
            "param": "messages" if fault.error_type is ErrorType.CONTEXT_LENGTH else None,
            "code": code,
        }
    }


def _model(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": _MODELS_CREATED, "owned_by": "system"}
