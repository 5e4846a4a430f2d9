"""Observes Bedrock's event streams: Converse's own events, and an invoked model's chunks."""

from abc import ABC, abstractmethod
from base64 import b64decode
from binascii import Error as Base64Error

import msgspec

from modelmeter.errors import WireError
from modelmeter.providers.anthropic.answers import MessageEvents
from modelmeter.providers.bedrock.errors import error_type_of_exception
from modelmeter.providers.bedrock.usage import converse_tokens, invocation_tokens
from modelmeter.providers.bodies import ABSENT, is_absent
from modelmeter.providers.contract import ResponseFacts
from modelmeter.record import ErrorType, TokenCounts
from modelmeter.wire.event_stream import EventStreamDecoder, EventStreamMessage

__all__ = ["ConverseStreamObserver", "InvokeStreamObserver"]

_NO_USAGE = "the provider reported no usage"
_UNREADABLE = "an event of the stream could not be read"


class _Tier(msgspec.Struct):
    type: object = None


class _Metadata(msgspec.Struct):
    usage: msgspec.Raw = ABSENT
    service_tier: _Tier | None = msgspec.field(default=None, name="serviceTier")


class _Reasoning(msgspec.Struct):
    text: object = None


class _ToolUse(msgspec.Struct):
    input: object = None


class _Delta(msgspec.Struct):
    text: object = None
    reasoning: _Reasoning | None = msgspec.field(default=None, name="reasoningContent")
    tool_use: _ToolUse | None = msgspec.field(default=None, name="toolUse")


class _DeltaEvent(msgspec.Struct):
    delta: _Delta | None = None


class _Chunk(msgspec.Struct):
    bytes: str = ""


class _Metrics(msgspec.Struct):
    metrics: msgspec.Raw = msgspec.field(default=ABSENT, name="amazon-bedrock-invocationMetrics")
    generation: object = None
    output_text: object = msgspec.field(default=None, name="outputText")


_metadata_decoder = msgspec.json.Decoder(_Metadata)
_delta_decoder = msgspec.json.Decoder(_DeltaEvent)
_chunk_decoder = msgspec.json.Decoder(_Chunk)
_metrics_decoder = msgspec.json.Decoder(_Metrics)


class _EventObserver(ABC):
    """What both streams share: frames in, exceptions told, bytes out unchanged."""

    def __init__(self) -> None:
        self._decoder: EventStreamDecoder | None = EventStreamDecoder()
        self._finished = False
        self._tokens: TokenCounts | None = None
        self._characters = 0
        self._error: ErrorType | None = None
        self._note: str | None = None

    @property
    def finished(self) -> bool:
        """The stream's last event went by."""
        return self._finished

    def feed(self, chunk: bytes) -> bytes:
        """Read ``chunk`` and give it back."""
        if self._decoder is None:
            return chunk
        try:
            for message in self._decoder.feed(chunk):
                self._read_message(message)
        except WireError as error:
            self._decoder = None
            self._error = ErrorType.BAD_RESPONSE
            self._note = str(error)
        return chunk

    def end(self) -> bytes:
        """Nothing was held back."""
        return b""

    def _read_message(self, message: EventStreamMessage) -> None:
        if message.headers.get(":message-type") in ("exception", "error"):
            name = message.headers.get(":exception-type")
            self._error = error_type_of_exception(name, message.payload)
            self._finished = True
            return
        try:
            self._read(str(message.headers.get(":event-type", "")), message.payload)
        except (msgspec.DecodeError, UnicodeDecodeError, Base64Error):
            self._note = _UNREADABLE

    @abstractmethod
    def _read(self, event_type: str, payload: bytes) -> None:
        """Take the facts of one event."""

    def _count(self, *texts: object) -> None:
        self._characters += sum(len(text) for text in texts if isinstance(text, str))


class ConverseStreamObserver(_EventObserver):
    """Events of ConverseStream, up to ``metadata``."""

    def __init__(self) -> None:
        super().__init__()
        self._tier: str | None = None

    def _read(self, event_type: str, payload: bytes) -> None:
        if event_type == "contentBlockDelta":
            delta = _delta_decoder.decode(payload).delta
            if delta is not None:
                self._count(
                    delta.text,
                    delta.reasoning.text if delta.reasoning else None,
                    delta.tool_use.input if delta.tool_use else None,
                )
        elif event_type == "metadata":
            self._finished = True
            metadata = _metadata_decoder.decode(payload)
            if not is_absent(metadata.usage):
                self._tokens, self._note = converse_tokens(metadata.usage)
            tier = metadata.service_tier
            self._tier = tier.type if tier is not None and isinstance(tier.type, str) else None

    def facts(self) -> ResponseFacts:
        """What the events so far said."""
        return ResponseFacts(
            tokens=self._tokens,
            ended=self._finished,
            error_type=self._error,
            output_characters=self._characters,
            service_tier=self._tier,
            note=self._note or (None if self._tokens is not None else _NO_USAGE),
        )


class InvokeStreamObserver(_EventObserver):
    """Chunks of an invoked model; Bedrock's own counts come with the last one."""

    def __init__(self) -> None:
        super().__init__()
        self._message = MessageEvents()

    def _read(self, event_type: str, payload: bytes) -> None:
        if event_type != "chunk":
            return
        data = b64decode(_chunk_decoder.decode(payload).bytes, validate=True)
        self._message.read(data)
        body = _metrics_decoder.decode(data)
        self._count(body.generation, body.output_text)
        if not is_absent(body.metrics):
            self._finished = True
            self._tokens, self._note = invocation_tokens(body.metrics)

    def facts(self) -> ResponseFacts:
        """The model's own counts where it is one that has them, else Bedrock's."""
        message = self._message.facts()
        own = message.tokens if self._message.stopped else None
        tokens = own or self._tokens or message.tokens
        return ResponseFacts(
            model_answered=message.model_answered,
            tokens=tokens,
            ended=self._finished,
            error_type=self._error or message.error_type,
            output_characters=self._characters + message.output_characters,
            provider_request_id=message.provider_request_id,
            note=self._note or (None if tokens is not None else message.note),
        )
