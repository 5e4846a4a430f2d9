"""
Bedrock's dialect.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock_Runtime.html
"""

import re
from urllib.parse import unquote

import msgspec

from modelmeter.errors import RefusedRequestError
from modelmeter.providers.anthropic.answers import message_facts
from modelmeter.providers.bedrock.errors import (
    error_body,
    error_name_of_status,
    error_type_of_body,
)
from modelmeter.providers.bedrock.streams import ConverseStreamObserver, InvokeStreamObserver
from modelmeter.providers.bedrock.usage import converse_tokens, invoked_tokens
from modelmeter.providers.bodies import (
    ABSENT,
    BodyCollector,
    decode_request,
    is_absent,
    model_name,
    output_limit,
)
from modelmeter.providers.contract import RequestFacts, ResponseFacts, ResponseObserver
from modelmeter.record import ErrorType, Operation

__all__ = ["BedrockDialect"]

_PATH = re.compile(r"/model/([^/]+)/(converse|converse-stream|invoke|invoke-with-response-stream)")
_STREAMS = frozenset({"converse-stream", "invoke-with-response-stream"})
_EVENT_STREAM = "application/vnd.amazon.eventstream"
_HTTP_ERROR = 400


class _Config(msgspec.Struct):
    max_tokens: object = msgspec.field(default=None, name="maxTokens")
    max_new_tokens: object = None


class _TextConfig(msgspec.Struct):
    max_token_count: object = msgspec.field(default=None, name="maxTokenCount")


class _Request(msgspec.Struct):
    config: _Config | None = msgspec.field(default=None, name="inferenceConfig")
    text_config: _TextConfig | None = msgspec.field(default=None, name="textGenerationConfig")
    max_tokens: object = None
    max_gen_len: object = None


class _Tier(msgspec.Struct):
    type: object = None


class _Converse(msgspec.Struct):
    usage: msgspec.Raw = ABSENT
    service_tier: _Tier | None = msgspec.field(default=None, name="serviceTier")


_request_decoder = msgspec.json.Decoder(_Request)
_converse_decoder = msgspec.json.Decoder(_Converse)


class BedrockDialect:
    """Converse and InvokeModel, streamed and not."""

    def operation(self, method: str, path: str) -> Operation | None:
        """See `Dialect.operation`."""
        match = _PATH.fullmatch(path) if method == "POST" else None
        if match is None:
            return None
        return Operation.CONVERSE if "converse" in match.group(2) else Operation.INVOKE_MODEL

    def read_request(self, operation: Operation, path: str, body: bytes) -> RequestFacts:
        """See `Dialect.read_request`; the model stands in the path."""
        request = decode_request(_request_decoder, body)
        match = _PATH.fullmatch(path)
        if match is None:
            raise RefusedRequestError("the path names no model", code="invalid_model")
        return RequestFacts(
            operation=operation,
            model=model_name(unquote(match.group(1))),
            streamed=match.group(2) in _STREAMS,
            output_tokens_max=_limit(request),
            upstream_body=body,
        )

    def observe(
        self, request: RequestFacts, http_status: int, content_type: str
    ) -> ResponseObserver:
        """See `Dialect.observe`."""
        if content_type.startswith(_EVENT_STREAM):
            if request.operation is Operation.CONVERSE:
                return ConverseStreamObserver()
            return InvokeStreamObserver()
        return _PlainObserver(request.operation, http_status)

    def error_body(self, message: str, *, code: str, http_status: int) -> bytes:
        """See `Dialect.error_body`."""
        return error_body(message)

    def error_headers(self, code: str, http_status: int) -> tuple[tuple[bytes, bytes], ...]:
        """See `Dialect.error_headers`."""
        return (
            (b"content-type", b"application/json"),
            (b"x-amzn-errortype", error_name_of_status(http_status).encode()),
        )


class _PlainObserver:
    """One JSON object, read at its end."""

    def __init__(self, operation: Operation, http_status: int) -> None:
        self._operation = operation
        self._http_status = http_status
        self._collector = BodyCollector()
        self._ended = False

    @property
    def finished(self) -> bool:
        """A plain body has no end mark of its own."""
        return False

    def feed(self, chunk: bytes) -> bytes:
        """Keep ``chunk`` and give it back."""
        self._collector.feed(chunk)
        return chunk

    def end(self) -> bytes:
        """Nothing was held back."""
        self._ended = True
        return b""

    def facts(self) -> ResponseFacts:
        """What the body says."""
        body = self._collector.body()
        if self._http_status >= _HTTP_ERROR:
            kind = error_type_of_body(self._http_status, body or b"")
            return ResponseFacts(ended=self._ended, error_type=kind)
        if body is None:
            return ResponseFacts(ended=self._ended, note="the answer was too large to be read")
        try:
            answer = _converse_decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return ResponseFacts(
                error_type=ErrorType.BAD_RESPONSE if self._ended else None,
                output_characters=len(body),
                note="the answer is not JSON",
            )
        if self._operation is Operation.CONVERSE:
            return self._converse(answer, len(body))
        facts = message_facts(body, ended=self._ended)
        tokens, note = invoked_tokens(body)
        return msgspec.structs.replace(facts, tokens=tokens, error_type=None, note=note)

    def _converse(self, answer: _Converse, size: int) -> ResponseFacts:
        if is_absent(answer.usage):
            return ResponseFacts(
                ended=self._ended, output_characters=size, note="the provider reported no usage"
            )
        tokens, note = converse_tokens(answer.usage)
        tier = answer.service_tier
        return ResponseFacts(
            tokens=tokens,
            ended=self._ended,
            output_characters=size,
            service_tier=tier.type if tier is not None and isinstance(tier.type, str) else None,
            note=note,
        )


def _limit(request: _Request) -> int | None:
    candidates = [request.max_tokens, request.max_gen_len]
    if request.config is not None:
        candidates += [request.config.max_tokens, request.config.max_new_tokens]
    if request.text_config is not None:
        candidates.append(request.text_config.max_token_count)
    limits = [output_limit(candidate) for candidate in candidates]
    return next((limit for limit in limits if limit is not None), None)
