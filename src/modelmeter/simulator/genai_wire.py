"""
Gemini's wire format: routes, errors, models.

https://ai.google.dev/api/generate-content, https://ai.google.dev/gemini-api/docs/troubleshooting
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
from modelmeter.simulator.framing import pretty_json
from modelmeter.simulator.genai_content import EmbedSurface, GenerateSurface, count_contents
from modelmeter.simulator.words import Ids

__all__ = ["GenaiWire"]

_MODELS = (
    *("gemini-2.5-flash", "gemini-2.5-pro", "gemini-2.5-flash-lite", "gemini-3.5-flash"),
    *("gemini-3.8-flash", "gemini-embedding-001", "gemini-embedding-2"),
)
_FAMILIES = ("gemini-", "gemma-", "text-embedding-", "embedding-", "learnlm-")
_VERSIONS = ("v1", "v1beta", "v1alpha")
_JSON = b"application/json; charset=UTF-8"

_FAULTS: dict[ErrorType, tuple[int, str, str]] = {
    ErrorType.INVALID_REQUEST: (400, "INVALID_ARGUMENT", "Invalid JSON payload received."),
    ErrorType.AUTHENTICATION: (
        400,
        "INVALID_ARGUMENT",
        "API key not valid. Please pass a valid API key.",
    ),
    ErrorType.PERMISSION: (403, "PERMISSION_DENIED", "The caller does not have permission"),
    ErrorType.NOT_FOUND: (404, "NOT_FOUND", "The model is not found for this API version."),
    ErrorType.CONTEXT_LENGTH: (
        400,
        "INVALID_ARGUMENT",
        "The input token count (1048577) exceeds the maximum number of tokens allowed (1048576).",
    ),
    ErrorType.CONTENT_FILTER: (400, "INVALID_ARGUMENT", "The prompt was blocked."),
    ErrorType.RATE_LIMIT: (
        429,
        "RESOURCE_EXHAUSTED",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    ErrorType.TIMEOUT: (504, "DEADLINE_EXCEEDED", "The deadline expired before completion."),
    ErrorType.OVERLOADED: (
        503,
        "UNAVAILABLE",
        "The model is overloaded. Please try again later.",
    ),
    ErrorType.SERVER_ERROR: (500, "INTERNAL", "An internal error has occurred."),
}


class GenaiWire:
    """Gemini's routes under ``/v1beta`` and ``/v1``."""

    name = "genai"
    json_type = _JSON

    def route(self, request: HttpRequest) -> Surface | Plain | None:
        """Find the operation; it stands behind the model's colon."""
        match request.segments:
            case (version, "models") if version in _VERSIONS and request.method == "GET":
                return Plain({"models": [_model(name) for name in _MODELS]})
            case (version, "models", last) if version in _VERSIONS:
                return self._model_route(request, last)
            case _:
                return None

    def _model_route(self, request: HttpRequest, last: str) -> Surface | Plain | None:
        model, _, verb = last.partition(":")
        if not model.startswith(_FAMILIES):
            message = f"models/{model[:100]} is not found for API version v1beta."
            raise FaultError(Fault(ErrorType.NOT_FOUND, message=message))
        if request.method == "GET" and not verb:
            return Plain(_model(model))
        if request.method != "POST":
            return None
        match verb:
            case "generateContent" | "streamGenerateContent":
                return GenerateSurface(model, streamed=verb != "generateContent")
            case "embedContent" | "batchEmbedContents":
                return EmbedSurface(model, batch=verb != "embedContent")
            case "countTokens":
                tokens = count_contents(request)
                details = [{"modality": "TEXT", "tokenCount": tokens}]
                return Plain({"totalTokens": tokens, "promptTokensDetails": details})
            case _:
                return None

    def request_id(self, ids: Ids) -> str:
        """Gemini's headers carry none; this one is that of the body."""
        return ids.base62("response", 22)

    def credential(self, request: HttpRequest) -> str | None:
        """``x-goog-api-key``, the query's ``key``, or a bearer token."""
        key = request.headers.get("x-goog-api-key")
        if key is not None:
            return key
        for part in request.query.decode("ascii", "replace").split("&"):
            name, _, value = part.partition("=")
            if name == "key":
                return value
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else None

    def headers(self, ids: Ids, ask: Ask | None, answer: Answer | None) -> Headers:
        """Timing, and what Google's front end adds."""
        latency = answer.latency_ms if answer else 1
        return (
            (b"vary", b"Origin, X-Origin, Referer"),
            (b"server", b"scaffolding on HTTPServer2"),
            (b"x-content-type-options", b"nosniff"),
            (b"server-timing", f"gfet4t7; dur={latency}".encode()),
        )

    def status(self, fault: Fault) -> int:
        """The status asked for, or Google's usual one."""
        return fault.http_status or _known(fault)[0]

    def fault(self, fault: Fault, request: HttpRequest, ids: Ids) -> tuple[Headers, bytes]:
        """Write an error; of a stream without ``alt=sse`` in an array."""
        headers: Headers = ((b"content-type", _JSON), *self.headers(ids, None, None))
        if fault.retry_after is not None:
            headers += ((b"retry-after", fault.retry_after.encode()),)
        error = self._error(fault)
        in_array = request.raw_path.endswith(b"streamGenerateContent")
        if in_array and b"alt=sse" not in request.query:
            return headers, pretty_json(msgspec.json.encode([error]))
        return headers, pretty_json(msgspec.json.encode(error))

    def fault_in_stream(self, fault: Fault, framing: Framing, ids: Ids) -> bytes:
        """Write an error as one more event."""
        return framing.fault(self.status(fault), "error", msgspec.json.encode(self._error(fault)))

    def _error(self, fault: Fault) -> dict[str, object]:
        status = self.status(fault)
        _, name, message = _known(fault)
        if fault.error_type is ErrorType.AUTHENTICATION and status == 401:
            name = "UNAUTHENTICATED"
        error: dict[str, object] = {
            "code": status,
            "message": fault.message or message,
            "status": name,
        }
        if fault.error_type is ErrorType.AUTHENTICATION and status == 400:
            error["details"] = [
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "API_KEY_INVALID",
                    "domain": "googleapis.com",
                    "metadata": {"service": "generativelanguage.googleapis.com"},
                }
            ]
        elif fault.retry_after is not None:
            error["details"] = [
                {
                    "@type": "type.googleapis.com/google.rpc.RetryInfo",
                    "retryDelay": f"{fault.retry_after}s",
                }
            ]
        return {"error": error}


def _known(fault: Fault) -> tuple[int, str, str]:
    return _FAULTS.get(fault.error_type, _FAULTS[ErrorType.SERVER_ERROR])


def _model(name: str) -> dict[str, object]:
    embeds = "embedding" in name
    return {
        "name": f"models/{name}",
        "version": "001",
        "displayName": name.replace("-", " ").title(),
        "inputTokenLimit": 2_048 if embeds else 1_048_576,
        "outputTokenLimit": 1 if embeds else 65_536,
        "supportedGenerationMethods": ["embedContent"]
        if embeds
        else ["generateContent", "countTokens"],
    }
