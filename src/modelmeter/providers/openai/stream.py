"""Observes event streams in OpenAI's dialect: chat, legacy completions, and responses."""

import re
from abc import ABC, abstractmethod

import msgspec

from modelmeter.errors import WireLimitError
from modelmeter.providers.bodies import ABSENT, UNREADABLE, is_absent
from modelmeter.providers.broken_off import broken_off_facts
from modelmeter.providers.contract import ResponseFacts
from modelmeter.providers.openai.errors import error_type_of_failure, is_error
from modelmeter.providers.openai.plain import usable_tokens
from modelmeter.providers.openai.tools import searches_of_model, tools_used
from modelmeter.record import NO_TOOLS, ErrorType, TokenCounts
from modelmeter.wire.sse import ServerSentEvent, ServerSentEventDecoder

__all__ = ["ChatStreamObserver", "ResponsesStreamObserver"]

_DONE = b"[DONE]"
_REASON = re.compile(rb'"finish_reason"\s*:\s*"[^"]')
_UNREADABLE = "an event of the stream could not be read"


class _Function(msgspec.Struct):
    arguments: object = None


class _ToolCall(msgspec.Struct):
    function: _Function | None = None


class _Delta(msgspec.Struct):
    content: object = None
    refusal: object = None
    reasoning_content: object = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    text: object = None
    finish_reason: object = None


class _Chunk(msgspec.Struct):
    id: object = None
    model: object = None
    choices: list[_Choice] | None = None
    usage: msgspec.Raw = ABSENT
    service_tier: object = None
    error: msgspec.Raw = ABSENT


class _BareChunk(msgspec.Struct):
    """A chunk in whose choices something has an unusual type."""

    id: object = None
    model: object = None
    usage: msgspec.Raw = ABSENT
    service_tier: object = None
    error: msgspec.Raw = ABSENT


class _Response(msgspec.Struct):
    id: object = None
    model: object = None
    output: msgspec.Raw = ABSENT
    tools: msgspec.Raw = ABSENT
    usage: msgspec.Raw = ABSENT
    service_tier: object = None
    error: msgspec.Raw = ABSENT
    background: object = None


class _ResponsesEvent(msgspec.Struct):
    type: str = ""
    delta: object = None
    response: _Response | None = None


_chunk_decoder = msgspec.json.Decoder(_Chunk)
_bare_decoder = msgspec.json.Decoder(_BareChunk)
_event_decoder = msgspec.json.Decoder(_ResponsesEvent)


class _StreamObserver(ABC):
    """What both kinds of streams share: events in, facts kept, bytes out."""

    def __init__(self, *, hides_usage: bool) -> None:
        self._decoder: ServerSentEventDecoder | None = ServerSentEventDecoder()
        self._hides_usage = hides_usage
        self._finished = False
        self._is_written = False
        self._has_reason = False
        """The model has told why it stopped: of some servers that is all the end there is."""
        self._over = False
        self._model: str | None = None
        self._id: str | None = None
        self._tier: str | None = None
        self._tokens: TokenCounts | None = None
        self._characters = 0
        self._error: ErrorType | None = None
        self._note: str | None = None
        self._tools = NO_TOOLS
        self._in_background = False

    @property
    def finished(self) -> bool:
        """The stream's own last event went by."""
        return self._finished

    def feed(self, chunk: bytes) -> bytes:
        """Read ``chunk``; gives it back but for a usage chunk that only we asked for."""
        if self._decoder is None:
            return chunk
        try:
            events = self._decoder.feed(chunk)
        except WireLimitError as error:
            self._note = str(error)
            rest = self._decoder.take_rest()
            self._decoder = None
            return rest if self._hides_usage else chunk
        shown = self._read_all(events)
        if not self._hides_usage:
            return chunk
        # Comments keep a connection alive: they must not wait for the next event.
        return shown + self._decoder.take_comments()

    def end(self) -> bytes:
        """Read an event that lacks its blank line; gives back what was held until it is whole."""
        # A decoder that met a fault behind good events tells it at its next call.
        shown = self.feed(b"")
        self._over = True
        if self._decoder is None:
            return shown
        shown += self._read_all(self._decoder.end()) + self._decoder.take_rest()
        return shown if self._hides_usage else b""

    def facts(self) -> ResponseFacts:
        """What the events so far said."""
        facts = ResponseFacts(
            model_answered=self._model,
            tokens=self._tokens,
            ended=self._finished,
            is_written=self._finished or self._is_written,
            goes_on=self._in_background and not self._finished,
            error_type=self._error,
            output_characters=self._characters,
            provider_request_id=self._id,
            service_tier=self._tier,
            tools=self._tools,
            note=self._note,
        )
        # What could not be read may have held the end; what works on may be asked again.
        is_known = self._over and self._decoder is not None and not facts.goes_on
        is_done = self._finished or self._has_reason
        return broken_off_facts(facts) if is_known and not is_done else facts

    def _read_all(self, events: list[ServerSentEvent]) -> bytes:
        shown = []
        for event in events:
            try:
                hidden = self._read(event.data)
            except UNREADABLE:
                self._note = _UNREADABLE
                hidden = False
            shown.append(event.raw[: event.lead] if hidden else event.raw)
        return b"".join(shown)

    @abstractmethod
    def _read(self, data: bytes) -> bool:
        """Take the facts of one event; True if the caller must not see it."""

    def _take(self, body: _Chunk | _BareChunk | _Response) -> bool:
        """Take what chunks and responses have in common; True if it held usage."""
        if self._model is None and isinstance(body.model, str):
            self._model = body.model
        if self._id is None and isinstance(body.id, str):
            self._id = body.id
        if isinstance(body.service_tier, str):
            self._tier = body.service_tier
        if is_error(body.error):
            self._error = error_type_of_failure(body.error)
        if is_absent(body.usage):
            return False
        tokens, note = usable_tokens(body.usage)
        # Counts are cumulative where a provider repeats them.
        if tokens is not None and (self._tokens is None or tokens.total >= self._tokens.total):
            self._tokens = tokens
        elif tokens is None:
            self._note = note
        return True

    def _count(self, *texts: object) -> None:
        for text in texts:
            if isinstance(text, str):
                self._characters += len(text)


class ChatStreamObserver(_StreamObserver):
    """Chunks of chat and legacy completions, up to ``[DONE]``."""

    def _read(self, data: bytes) -> bool:
        if data == _DONE:
            self._finished = True
            return False
        try:
            chunk = _chunk_decoder.decode(data)
        except msgspec.ValidationError:
            self._take(_bare_decoder.decode(data))
            self._characters += len(data)
            self._has_reason = self._has_reason or _REASON.search(data) is not None
            return False
        held_usage = self._take(chunk)
        if held_usage and self._tokens is not None:
            self._tools = searches_of_model(self._model)
        choices = chunk.choices or []
        if held_usage and all(choice.finish_reason is not None for choice in choices):
            self._is_written = True
        for choice in choices:
            # Old servers of one kind write an empty one until they stop.
            self._has_reason = self._has_reason or bool(choice.finish_reason)
            self._count(choice.text)
            if choice.delta is not None:
                self._read_delta(choice.delta)
        return self._hides_usage and held_usage and not choices

    def _read_delta(self, delta: _Delta) -> None:
        self._count(delta.content, delta.refusal, delta.reasoning_content)
        for call in delta.tool_calls or []:
            if call.function is not None:
                self._count(call.function.arguments)


class ResponsesStreamObserver(_StreamObserver):
    """Events of the Responses API, up to the one that ends the response."""

    def _read(self, data: bytes) -> bool:
        event = _event_decoder.decode(data)
        if event.type.endswith(".delta"):
            self._count(event.delta)
        if event.response is not None:
            self._take(event.response)
            self._in_background = event.response.background is True
            self._tools = tools_used(event.response.output, event.response.tools)
        if event.type in ("response.completed", "response.incomplete", "response.failed"):
            self._finished = True
            if event.type == "response.failed" and self._error is None:
                self._error = ErrorType.SERVER_ERROR
        elif event.type == "error":
            self._finished = True
            self._error = error_type_of_failure(data)
        return False
