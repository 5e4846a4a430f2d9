"""Observes Bedrock's event streams: Converse's own events, and an invoked model's chunks."""

from abc import ABC, abstractmethod

import msgspec

from modelmeter.errors import WireError
from modelmeter.providers.anthropic.answers import MessageEvents
from modelmeter.providers.bedrock.answers import Performance, ServiceTier, tier_name
from modelmeter.providers.bedrock.blocks import delta_length
from modelmeter.providers.bedrock.errors import error_type_of_exception
from modelmeter.providers.bedrock.invoked import (
    InvokedBody,
    model_behind,
    read_invoked,
    text_length,
)
from modelmeter.providers.bedrock.usage import (
    NO_USAGE,
    converse_tokens,
    invocation_tokens,
    invoked_tokens,
)
from modelmeter.providers.bodies import ABSENT, is_absent
from modelmeter.providers.broken_off import broken_off_facts
from modelmeter.providers.contract import ResponseFacts
from modelmeter.record import ErrorType, TokenCounts
from modelmeter.wire.event_stream import EventStreamDecoder, EventStreamMessage

__all__ = ["ConverseStreamObserver", "InvokeStreamObserver"]

_UNREADABLE = "an event of the stream could not be read"


class _Metadata(msgspec.Struct, rename="camel"):
    usage: msgspec.Raw = ABSENT
    service_tier: ServiceTier | None = None
    performance_config: Performance | None = None


class _Chunk(msgspec.Struct):
    data: bytes = msgspec.field(default=b"", name="bytes")


_metadata_decoder = msgspec.json.Decoder(_Metadata)
_chunk_decoder = msgspec.json.Decoder(_Chunk)


class _EventObserver(ABC):
    """What both streams share: frames in, exceptions told, bytes out unchanged."""

    def __init__(self) -> None:
        self._decoder: EventStreamDecoder | None = EventStreamDecoder()
        self._ended = False
        self._over = False
        self._characters = 0
        self._error: ErrorType | None = None
        self._note: str | None = None

    @property
    def finished(self) -> bool:
        """The stream's last event went by, or an exception, which nothing follows."""
        return self._ended or self._error is not None

    def feed(self, chunk: bytes) -> bytes:
        """Read ``chunk`` and give it back."""
        self._observe(chunk)
        return chunk

    def end(self) -> bytes:
        """Nothing was held back."""
        # A decoder that met a fault behind good messages tells it at its next call.
        self._observe(b"")
        self._over = True
        return b""

    def facts(self) -> ResponseFacts:
        """What the events so far said."""
        facts = self._facts()
        # What could not be read may have held the end.
        if not self._over or self._decoder is None:
            return facts
        is_broken_off = self._lacks_end() or (not self._ended and self._decoder.is_amid_message)
        return broken_off_facts(facts) if is_broken_off else facts

    def _observe(self, chunk: bytes) -> None:
        if self._decoder is None:
            return
        try:
            for message in self._decoder.feed(chunk):
                self._read_message(message)
        except WireError as error:
            self._decoder = None
            self._note = f"the stream could not be read: {error}"
            # No SDK reads a message beyond the cap either: botocore's own is 24 MB.
            if not self.finished:
                self._error = ErrorType.BAD_RESPONSE

    def _read_message(self, message: EventStreamMessage) -> None:
        headers = message.headers
        if headers.get(":message-type") in ("exception", "error"):
            name = headers.get(":exception-type", headers.get(":error-code"))
            self._error = error_type_of_exception(name, message.payload)
            return
        try:
            self._read(str(headers.get(":event-type", "")), message.payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._note = _UNREADABLE

    @abstractmethod
    def _read(self, event_type: str, payload: bytes) -> None:
        """Take the facts of one event."""

    @abstractmethod
    def _facts(self) -> ResponseFacts:
        """What they said, whether or not more was to come."""

    @abstractmethod
    def _lacks_end(self) -> bool:
        """No event went by behind which the model has nothing to say."""


class ConverseStreamObserver(_EventObserver):
    """Events of ConverseStream, up to ``metadata``."""

    def __init__(self) -> None:
        super().__init__()
        self._tokens: TokenCounts | None = None
        self._usage_note: str | None = NO_USAGE
        self._tier: str | None = None
        self._stopped = False

    def _read(self, event_type: str, payload: bytes) -> None:
        if event_type == "contentBlockDelta":
            self._characters += delta_length(payload)
        elif event_type == "messageStop":
            self._stopped = True
        elif event_type == "metadata":
            self._ended = True
            metadata = _metadata_decoder.decode(payload)
            self._tokens, self._usage_note = converse_tokens(metadata.usage)
            self._tier = tier_name(metadata.service_tier, metadata.performance_config)

    def _lacks_end(self) -> bool:
        return not self._stopped and not self._ended

    def _facts(self) -> ResponseFacts:
        return ResponseFacts(
            tokens=self._tokens,
            ended=self._ended and self._error is None,
            error_type=self._error,
            output_characters=self._characters,
            service_tier=self._tier,
            note=self._note or self._usage_note,
        )


class InvokeStreamObserver(_EventObserver):
    """
    Chunks of an invoked model; Bedrock's own counts come with the last one.

    The model's own counts are the better ones: they tell reasoning and the lifetimes of cache
    writes.
    """

    def __init__(self, model: str, tier: str | None = None) -> None:
        """``tier`` is the one that the answer's headers name."""
        super().__init__()
        self._model = model
        self._tier = tier
        self._message = MessageEvents()
        self._own: TokenCounts | None = None
        self._metered: TokenCounts | None = None
        self._usage_note: str | None = None
        self._answered: object = None
        self._first_text = b""
        self._has_chunk = False

    def _read(self, event_type: str, payload: bytes) -> None:
        if event_type != "chunk":
            return
        self._has_chunk = True
        data = _chunk_decoder.decode(payload).data
        body = read_invoked(data)
        if not is_absent(body.metrics):
            self._ended = True
            self._metered, self._usage_note = invocation_tokens(body.metrics)
        if isinstance(body.type, str):
            self._message.read(data)
            self._ended = self._ended or self._message.stopped
        else:
            self._read_other(body, data)

    def _read_other(self, body: InvokedBody, data: bytes) -> None:
        length = text_length(body)
        self._characters += length
        if length and not self._first_text:
            self._first_text = data
        self._answered = body.model or self._answered
        # Titan and Llama spread theirs over the chunks; Bedrock's are the same and in one place.
        if not is_absent(body.usage) or not is_absent(body.metadata):
            self._own, note = invoked_tokens(body)
            self._usage_note = self._usage_note or note

    def _lacks_end(self) -> bool:
        """Claude's streams alone have an end that is known; of others nothing at all is too few."""
        if self._message.begun:
            return not self._ended
        return not self._ended and not self._has_chunk

    def _facts(self) -> ResponseFacts:
        """The model's own counts where they can be believed, else Bedrock's."""
        message = self._message.facts()
        whole = message.tokens if self._message.stopped else self._own
        tokens = whole or self._metered or message.tokens
        error = self._error or message.error_type
        note = None if tokens is not None else self._usage_note or message.note
        return ResponseFacts(
            model_answered=model_behind(self._model, message.model_answered or self._answered),
            tokens=tokens,
            ended=self._ended and error is None,
            is_written=self._ended or message.is_written,
            error_type=error,
            output_characters=self._characters + message.output_characters,
            first_text=self._first_text,
            provider_request_id=message.provider_request_id,
            service_tier=self._tier or message.service_tier,
            note=self._note or note,
        )
