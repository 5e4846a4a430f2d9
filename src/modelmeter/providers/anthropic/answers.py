"""Observes answers in Anthropic's dialect: one message, or the events of one."""

import msgspec

from modelmeter.errors import WireLimitError
from modelmeter.providers.anthropic.errors import error_type_of_failure
from modelmeter.providers.anthropic.free_runs import billed_tools
from modelmeter.providers.anthropic.usage import (
    AnthropicUsage,
    anthropic_tokens,
    merge_usage,
    read_usage,
)
from modelmeter.providers.bodies import ABSENT, UNREADABLE, is_absent
from modelmeter.providers.broken_off import broken_off_facts
from modelmeter.providers.contract import ResponseFacts
from modelmeter.providers.plain import unread_facts
from modelmeter.providers.written import written_length
from modelmeter.record import NO_TOOLS, ErrorType
from modelmeter.wire.sse import ServerSentEventDecoder

__all__ = ["MessageEvents", "MessageStreamObserver", "message_facts"]

_NO_USAGE = "the provider reported no usage"
_UNREADABLE = "an event of the stream could not be read"
_ANSWERS = ("content",)


class _Message(msgspec.Struct):
    id: object = None
    model: object = None
    usage: msgspec.Raw = ABSENT
    error: msgspec.Raw = ABSENT
    """Only where the answer is an error, not a message."""


class _Delta(msgspec.Struct):
    text: object = None
    thinking: object = None
    partial_json: object = None
    stop_reason: object = None


class _Event(msgspec.Struct):
    type: str = ""
    message: _Message | None = None
    delta: _Delta | None = None
    usage: msgspec.Raw = ABSENT


_message_decoder = msgspec.json.Decoder(_Message)
_event_decoder = msgspec.json.Decoder(_Event)


class MessageEvents:
    """The facts of a message that comes as events; Bedrock frames the same events otherwise."""

    def __init__(self) -> None:
        self.begun = False
        """A message has started."""
        self.stopped = False
        self._is_written = False
        self._usage: AnthropicUsage | None = None
        self._model: str | None = None
        self._id: str | None = None
        self._characters = 0
        self._error: ErrorType | None = None
        self._note: str | None = None

    def read(self, data: bytes) -> None:
        """Take one event's JSON; one that cannot be read is noted and skipped."""
        try:
            event = _event_decoder.decode(data)
        except UNREADABLE:
            self._note = _UNREADABLE
            return
        if event.type == "content_block_delta" and event.delta is not None:
            delta = event.delta
            self._characters += _length(delta.text, delta.thinking, delta.partial_json)
        elif event.type == "message_start" and event.message is not None:
            self.begun = True
            self._model = _text(event.message.model)
            self._id = _text(event.message.id)
            self._take_usage(event.message.usage)
        elif event.type == "message_delta":
            self._take_usage(event.usage)
            self._is_written = event.delta is not None and event.delta.stop_reason is not None
        elif event.type == "message_stop":
            self.stopped = True
        elif event.type == "error":
            self._error = error_type_of_failure(data)

    def facts(self) -> ResponseFacts:
        """What the events so far said."""
        tokens, note = None, _NO_USAGE
        if self._usage is not None:
            tokens, reason = anthropic_tokens(self._usage)
            note = reason or ""
        return ResponseFacts(
            model_answered=self._model,
            tokens=tokens,
            ended=self.stopped,
            is_written=self.stopped or self._is_written,
            error_type=self._error,
            output_characters=self._characters,
            provider_request_id=self._id,
            service_tier=None if self._usage is None else self._usage.tier,
            region=None if self._usage is None else self._usage.region,
            tools=NO_TOOLS if self._usage is None else self._usage.tools,
            note=self._note or note or None,
        )

    def lose(self, reason: str) -> None:
        """No further event can be read."""
        self._note = reason

    def _take_usage(self, usage: msgspec.Raw) -> None:
        new, note = read_usage(usage)
        if new is not None:
            self._usage = merge_usage(self._usage, new)
        self._note = self._note or note


class MessageStreamObserver:
    """Server-sent events, up to ``message_stop``, in answer to the body of a request."""

    def __init__(self, request_body: bytes) -> None:
        self._request_body = request_body
        self._decoder: ServerSentEventDecoder | None = ServerSentEventDecoder()
        self._events = MessageEvents()
        self._over = False

    @property
    def finished(self) -> bool:
        """``message_stop`` went by."""
        return self._events.stopped

    def feed(self, chunk: bytes) -> bytes:
        """Read ``chunk`` and give it back."""
        if self._decoder is not None:
            try:
                for event in self._decoder.feed(chunk):
                    self._events.read(event.data)
            except WireLimitError as error:
                self._decoder = None
                self._events.lose(str(error))
        return chunk

    def end(self) -> bytes:
        """Read an event that lacks its blank line; nothing was held back."""
        # A decoder that met a fault behind good events tells it at its next call.
        self.feed(b"")
        if self._decoder is not None:
            for event in self._decoder.end():
                self._events.read(event.data)
        self._over = True
        return b""

    def facts(self) -> ResponseFacts:
        """What the stream said so far."""
        facts = self._events.facts()
        # What could not be read may have held the end.
        if self._over and self._decoder is not None and not facts.ended:
            facts = broken_off_facts(facts)
        if facts.tools is NO_TOOLS:
            return facts
        tools = billed_tools(facts.tools, self._request_body)
        return msgspec.structs.replace(facts, tools=tools)


def message_facts(body: bytes, request_body: bytes = b"") -> ResponseFacts:
    """The facts of a whole message; also of Claude's answers on Bedrock, which runs no tools."""
    try:
        message = _message_decoder.decode(body)
    except UNREADABLE:
        return unread_facts(body)
    usage, note = read_usage(message.usage)
    tokens = None
    if usage is not None:
        tokens, note = anthropic_tokens(usage)
    elif note is None:
        note = _NO_USAGE
    return ResponseFacts(
        model_answered=_text(message.model),
        tokens=tokens,
        ended=True,
        error_type=None if is_absent(message.error) else error_type_of_failure(body),
        output_characters=0 if tokens is not None else written_length(body, _ANSWERS),
        provider_request_id=_text(message.id),
        service_tier=None if usage is None else usage.tier,
        region=None if usage is None else usage.region,
        tools=NO_TOOLS if usage is None else billed_tools(usage.tools, request_body),
        note=note,
    )


def _length(*texts: object) -> int:
    return sum(len(text) for text in texts if isinstance(text, str))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
