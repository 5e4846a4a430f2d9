"""
Bedrock's wire format: routes, errors, headers.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock_Runtime.html
"""

import re

import msgspec

from modelmeter.record import ErrorType
from modelmeter.simulator.bedrock_converse import ConverseSurface
from modelmeter.simulator.bedrock_invoke import invoke_surface
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

__all__ = ["BedrockWire"]

_MODEL = re.compile(
    r"(?:(?:us|eu|apac|global|jp|au|us-gov|ca)\.)?"
    r"(?:amazon|anthropic|meta|mistral|cohere|deepseek|google|moonshotai|nvidia|openai|qwen|writer"
    r"|zai)\.[\w.:-]+"
    r"|arn:aws[\w-]*:bedrock:[\w/.:-]+"
)
_CREDENTIAL = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/,\s]+)/")

_FAULTS: dict[ErrorType, tuple[int, str, str]] = {
    ErrorType.INVALID_REQUEST: (400, "ValidationException", "Malformed input request."),
    ErrorType.AUTHENTICATION: (
        403,
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
    ),
    ErrorType.PERMISSION: (
        403,
        "AccessDeniedException",
        "You don't have access to the model with the specified model ID.",
    ),
    ErrorType.NOT_FOUND: (
        404,
        "ResourceNotFoundException",
        "Could not resolve the foundation model from the provided model identifier.",
    ),
    ErrorType.CONTEXT_LENGTH: (
        400,
        "ValidationException",
        "Input is too long for requested model.",
    ),
    ErrorType.CONTENT_FILTER: (
        400,
        "ValidationException",
        "Output blocked by content filtering policy",
    ),
    ErrorType.RATE_LIMIT: (
        429,
        "ThrottlingException",
        "Too many requests, please wait before trying again.",
    ),
    ErrorType.TIMEOUT: (408, "ModelTimeoutException", "Model has timed out in processing."),
    ErrorType.OVERLOADED: (
        503,
        "ServiceUnavailableException",
        "Bedrock is unable to process your request.",
    ),
    ErrorType.SERVER_ERROR: (
        500,
        "InternalServerException",
        "The system encountered an unexpected error during processing. Try your request again.",
    ),
}


class BedrockWire:
    """Bedrock's routes under ``/model/{id}``."""

    name = "bedrock"
    json_type = b"application/json"

    def route(self, request: HttpRequest) -> Surface | Plain | None:
        """Find the operation, by the path and the family of the model."""
        if request.method != "POST" or len(request.segments) != 3:
            return None
        root, model, verb = request.segments
        if root != "model":
            return None
        if verb in ("converse", "converse-stream"):
            _check_model(model)
            return ConverseSurface(model, streamed=verb == "converse-stream")
        if verb in ("invoke", "invoke-with-response-stream"):
            _check_model(model)
            return invoke_surface(model, streamed=verb != "invoke")
        return None

    def request_id(self, ids: Ids) -> str:
        """A UUID."""
        return ids.uuid("request")

    def credential(self, request: HttpRequest) -> str | None:
        """The access key id of the signature, or a bearer token."""
        authorization = request.headers.get("authorization", "")
        signed = _CREDENTIAL.match(authorization)
        if signed is not None:
            return signed.group(1)
        scheme, _, token = authorization.partition(" ")
        return token.strip() if scheme.lower() == "bearer" else None

    def headers(self, ids: Ids, ask: Ask | None, answer: Answer | None) -> Headers:
        """The request's id; for invoke also counts and latency."""
        headers: Headers = ((b"x-amzn-requestid", self.request_id(ids).encode()),)
        if ask is None or answer is None or ask.operation != "invoke_model" or ask.streamed:
            return headers
        if answer.directive.no_usage or answer.directive.usage_invalid:
            return headers
        tokens = answer.tokens
        given = str(tokens.input + tokens.image_input).encode()
        headers += (
            (b"x-amzn-bedrock-invocation-latency", str(answer.latency_ms).encode()),
            (b"x-amzn-bedrock-input-token-count", given),
        )
        if ask.embedded_texts:
            return headers
        made = str(tokens.output + tokens.reasoning).encode()
        return (
            *headers,
            (b"x-amzn-bedrock-output-token-count", made),
            (b"x-amzn-bedrock-cache-read-input-token-count", str(tokens.cache_read).encode()),
            (
                b"x-amzn-bedrock-cache-write-input-token-count",
                str(tokens.cache_write_5m + tokens.cache_write_1h).encode(),
            ),
        )

    def status(self, fault: Fault) -> int:
        """The status asked for, or Bedrock's usual one."""
        return fault.http_status or _known(fault)[0]

    def fault(self, fault: Fault, request: HttpRequest, ids: Ids) -> tuple[Headers, bytes]:
        """Write an error; its kind stands in a header."""
        _, kind, message = _known(fault)
        headers: Headers = (
            (b"content-type", b"application/json"),
            (b"x-amzn-requestid", self.request_id(ids).encode()),
            (b"x-amzn-errortype", f"{kind}:http://internal.amazon.com/coral/".encode()),
        )
        if fault.retry_after is not None:
            headers += ((b"retry-after", fault.retry_after.encode()),)
        return headers, msgspec.json.encode({"message": fault.message or message})

    def fault_in_stream(self, fault: Fault, framing: Framing, ids: Ids) -> bytes:
        """Write an exception message."""
        status, kind, message = _known(fault)
        payload = msgspec.json.encode({"message": fault.message or message})
        return framing.fault(status, kind, payload)


def _known(fault: Fault) -> tuple[int, str, str]:
    return _FAULTS.get(fault.error_type, _FAULTS[ErrorType.SERVER_ERROR])


def _check_model(model: str) -> None:
    if _MODEL.fullmatch(model) is None:
        message = "The provided model identifier is invalid."
        raise FaultError(Fault(ErrorType.INVALID_REQUEST, message=message))
