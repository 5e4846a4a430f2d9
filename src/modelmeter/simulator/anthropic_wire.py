"""
Anthropic's wire format: routes, errors, headers.

https://platform.claude.com/docs/en/api/messages, https://platform.claude.com/docs/en/api/errors
"""

import msgspec

from modelmeter.record import ErrorType
from modelmeter.simulator.anthropic_messages import MessagesSurface, count_prompt
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
from modelmeter.simulator.words import Ids

__all__ = ["AnthropicWire"]

_MODELS = (
    *("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5", "claude-sonnet-4-6"),
    *("claude-sonnet-4-5-20250929", "claude-haiku-4-5-20251001"),
)
_REQUESTS_LIMIT = 4_000
_TOKENS_LIMIT = 2_000_000

_FAULTS: dict[ErrorType, tuple[int, str, str]] = {
    ErrorType.INVALID_REQUEST: (400, "invalid_request_error", "Invalid request."),
    ErrorType.AUTHENTICATION: (401, "authentication_error", "invalid x-api-key"),
    ErrorType.PERMISSION: (
        403,
        "permission_error",
        "Your API key does not have permission to use the specified resource.",
    ),
    ErrorType.NOT_FOUND: (404, "not_found_error", "Not found"),
    ErrorType.CONTEXT_LENGTH: (
        400,
        "invalid_request_error",
        "prompt is too long: 1000001 tokens > 1000000 maximum",
    ),
    ErrorType.CONTENT_FILTER: (
        400,
        "invalid_request_error",
        "Output blocked by content filtering policy",
    ),
    ErrorType.RATE_LIMIT: (
        429,
        "rate_limit_error",
        "This request would exceed your organization's rate limit of 4,000 requests per minute.",
    ),
    ErrorType.TIMEOUT: (504, "timeout_error", "Request timed out."),
    ErrorType.OVERLOADED: (529, "overloaded_error", "Overloaded"),
    ErrorType.SERVER_ERROR: (500, "api_error", "Internal server error"),
}


class AnthropicWire:
    """Anthropic's routes under ``/v1``."""

    name = "anthropic"
    json_type = b"application/json"

    def __init__(self) -> None:
        self._messages = MessagesSurface()

    def route(self, request: HttpRequest) -> Surface | Plain | None:
        """Find the operation."""
        match (request.method, *request.segments):
            case ("POST", "v1", "messages"):
                return self._messages
            case ("POST", "v1", "messages", "count_tokens"):
                return Plain({"input_tokens": count_prompt(request)})
            case ("GET", "v1", "models"):
                return Plain(
                    {
                        "data": [_model(name) for name in _MODELS],
                        "has_more": False,
                        "first_id": _MODELS[0],
                        "last_id": _MODELS[-1],
                    }
                )
            case ("GET", "v1", "models", name) if name in _MODELS:
                return Plain(_model(name))
            case ("GET", "v1", "models", name):
                raise FaultError(Fault(ErrorType.NOT_FOUND, message=f"model: {name[:100]}"))
            case _:
                return None

    def request_id(self, ids: Ids) -> str:
        """``req_`` and 24 letters and digits."""
        return f"req_01{ids.base62('request', 22)}"

    def credential(self, request: HttpRequest) -> str | None:
        """A bearer token, as SDKs of 2026 send it, or ``x-api-key``."""
        key = request.headers.get("x-api-key")
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return token.strip() if key is None and scheme.lower() == "bearer" else key

    def headers(self, ids: Ids, ask: Ask | None, answer: Answer | None) -> Headers:
        """Ids and what is left of the rate limits."""
        spent = int(ids.hex("limits", 3), 16) % _REQUESTS_LIMIT
        tokens = ask.input_tokens if ask else 0
        left = max(0, _TOKENS_LIMIT - tokens) // 1000 * 1000
        reset = b"2026-11-01T00:00:00Z"
        return (
            (b"request-id", self.request_id(ids).encode()),
            (b"anthropic-organization-id", b"00000000-0000-4000-8000-000000000000"),
            (b"anthropic-ratelimit-requests-limit", str(_REQUESTS_LIMIT).encode()),
            (b"anthropic-ratelimit-requests-remaining", str(_REQUESTS_LIMIT - spent).encode()),
            (b"anthropic-ratelimit-requests-reset", reset),
            (b"anthropic-ratelimit-tokens-limit", str(_TOKENS_LIMIT).encode()),
            (b"anthropic-ratelimit-tokens-remaining", str(left).encode()),
            (b"anthropic-ratelimit-tokens-reset", reset),
        )

    def status(self, fault: Fault) -> int:
        """The status asked for, or Anthropic's usual one."""
        return fault.http_status or _known(fault)[0]

    def fault(self, fault: Fault, request: HttpRequest, ids: Ids) -> tuple[Headers, bytes]:
        """Write an error."""
        headers: Headers = (
            (b"content-type", b"application/json"),
            (b"request-id", self.request_id(ids).encode()),
            (b"x-should-retry", b"true" if self.status(fault) >= 429 else b"false"),
        )
        if fault.retry_after is not None:
            headers += ((b"retry-after", fault.retry_after.encode()),)
        return headers, self._error(fault, ids)

    def fault_in_stream(self, fault: Fault, framing: Framing, ids: Ids) -> bytes:
        """Write an event named ``error``."""
        return framing.fault(self.status(fault), "error", self._error(fault, ids))

    def _error(self, fault: Fault, ids: Ids) -> bytes:
        _, kind, message = _known(fault)
        return msgspec.json.encode(
            {
                "type": "error",
                "error": {"type": kind, "message": fault.message or message},
                "request_id": self.request_id(ids),
            }
        )


def _known(fault: Fault) -> tuple[int, str, str]:
    return _FAULTS.get(fault.error_type, _FAULTS[ErrorType.SERVER_ERROR])


def _model(name: str) -> dict[str, object]:
    return {
        "type": "model",
        "id": name,
        "display_name": name.replace("-", " ").title(),
        "created_at": "2026-01-01T00:00:00Z",
    }
