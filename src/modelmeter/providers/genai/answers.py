"""Observes answers in Gemini's dialect: one object, an array of them, or events."""

from collections.abc import Iterator
from typing import Protocol

import msgspec

from modelmeter.errors import WireError
from modelmeter.providers.bodies import ABSENT, UNREADABLE, is_absent
from modelmeter.providers.broken_off import broken_off_facts
from modelmeter.providers.contract import ResponseFacts
from modelmeter.providers.genai.errors import error_type_of_body
from modelmeter.providers.genai.usage import Counted, genai_tokens
from modelmeter.providers.plain import unread_facts
from modelmeter.providers.written import json_length
from modelmeter.record import NO_TOOLS, ErrorType, ToolCalls
from modelmeter.wire.json_array import JsonArrayDecoder
from modelmeter.wire.sse import ServerSentEventDecoder

__all__ = ["ArrayFrames", "EventFrames", "StreamObserver", "generation_facts"]

_SERVER_ERROR = 500
_NO_USAGE = "the provider reported no usage"
_MAPS = "maps"
_BILLED_BY_PROMPT = ("gemini-1", "gemini-2")
"""
Models whose grounding with Google Search costs by the prompt that was grounded; later ones cost by
the query: https://ai.google.dev/gemini-api/docs/google-search (pricing).
"""
_UNREADABLE = "a part of the answer could not be read"


class _Call(msgspec.Struct):
    args: object = None


class _Part(msgspec.Struct, rename="camel"):
    text: object = None
    function_call: _Call | None = None


class _Content(msgspec.Struct):
    parts: list[_Part] | None = None


class _Grounding(msgspec.Struct, rename="camel"):
    web_search_queries: list[object] | None = None
    grounding_chunks: list[object] | None = None


class _Candidate(msgspec.Struct, rename="camel"):
    content: _Content | None = None
    finish_reason: object = None
    grounding_metadata: _Grounding | None = None


class _Feedback(msgspec.Struct, rename="camel"):
    block_reason: object = None


class _Bare(msgspec.Struct, rename="camel"):
    """What is read of an answer in whose candidates something has an unusual type."""

    usage_metadata: msgspec.Raw = ABSENT
    model_version: object = None
    response_id: object = None
    error: msgspec.Raw = ABSENT


class _Answer(_Bare, rename="camel"):
    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None


_decoder = msgspec.json.Decoder(_Answer)
_bare_decoder = msgspec.json.Decoder(_Bare)


class _Generation:
    """The facts of one generation, from one or many answers of the same shape."""

    def __init__(self, requested: str) -> None:
        self._requested = requested.rpartition("/")[2]
        self._counted = Counted(note=_NO_USAGE)
        self._model: str | None = None
        self._id: str | None = None
        self._characters = 0
        self._complete = False
        self._error: ErrorType | None = None
        self._queries = 0
        self._maps = False
        self._unread: str | None = None

    def read(self, data: bytes) -> bool:
        """Take one answer; False if it is not one."""
        try:
            answer = _decoder.decode(data)
            self._take_candidates(answer)
        except msgspec.ValidationError:
            return self._read_bare(data)
        except UNREADABLE:
            self._unread = _UNREADABLE
            return False
        self._take(answer, data)
        return True

    def _read_bare(self, data: bytes) -> bool:
        try:
            answer = _bare_decoder.decode(data)
        except UNREADABLE:
            self._unread = _UNREADABLE
            return False
        self._characters += len(data)
        self._complete = self._complete or b'"finishReason"' in data
        self._take(answer, data)
        return True

    def _take_candidates(self, answer: _Answer) -> None:
        for candidate in answer.candidates or []:
            self._complete = self._complete or candidate.finish_reason is not None
            self._characters += _length(candidate)
            self._queries = max(self._queries, _queries(candidate))
            self._maps = self._maps or _rests_on_maps(candidate)
        if answer.prompt_feedback is not None and answer.prompt_feedback.block_reason is not None:
            self._complete = True
            self._error = ErrorType.CONTENT_FILTER

    def _take(self, answer: _Bare, data: bytes) -> None:
        if isinstance(answer.model_version, str):
            self._model = answer.model_version
        if isinstance(answer.response_id, str):
            self._id = answer.response_id
        if not is_absent(answer.error):
            self._error = error_type_of_body(_SERVER_ERROR, data)
        if not is_absent(answer.usage_metadata):
            self._counted, self._unread = genai_tokens(answer.usage_metadata), None

    def lose(self, reason: str) -> None:
        """No further answer can be read."""
        self._unread = reason

    def facts(self, *, ended: bool) -> ResponseFacts:
        """What was said so far."""
        return ResponseFacts(
            model_answered=self._model,
            tokens=self._counted.tokens,
            ended=ended,
            is_written=self._complete,
            error_type=self._error,
            output_characters=self._characters,
            provider_request_id=self._id,
            service_tier=self._counted.tier,
            tools=self._tools(),
            note=self._unread or self._counted.note,
        )

    def _tools(self) -> ToolCalls:
        by_prompt = (self._model or self._requested).startswith(_BILLED_BY_PROMPT)
        searches = min(self._queries, 1) if by_prompt else self._queries
        used = ToolCalls(
            web_search=searches,
            maps_grounding=int(self._maps),
            cached_audio=self._counted.cached_audio,
            video_input=self._counted.video_input,
            video_output=self._counted.video_output,
        )
        return NO_TOOLS if used == NO_TOOLS else used

    @property
    def complete(self) -> bool:
        """A reason to finish went by."""
        return self._complete


class Frames(Protocol):
    """How the parts of a streamed answer are told apart."""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """
        The parts that ``chunk`` completes.

        Raises:
            WireError: they can no longer be told apart.
        """
        ...

    def end(self) -> Iterator[bytes]:
        """The last part, if only its end mark is missing."""
        ...

    @property
    def closed(self) -> bool:
        """The bytes so far can be all there are."""
        ...


class EventFrames:
    """Server-sent events."""

    def __init__(self) -> None:
        self._decoder = ServerSentEventDecoder()

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """See `Frames.feed`."""
        return (event.data for event in self._decoder.feed(chunk))

    def end(self) -> Iterator[bytes]:
        """See `Frames.end`."""
        return (event.data for event in self._decoder.end())

    @property
    def closed(self) -> bool:
        """See `Frames.closed`; an event may lack its blank line."""
        return True


class ArrayFrames:
    """The elements of one JSON array."""

    def __init__(self) -> None:
        self._decoder = JsonArrayDecoder()

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """See `Frames.feed`."""
        return iter(self._decoder.feed(chunk))

    def end(self) -> Iterator[bytes]:
        """See `Frames.end`."""
        return iter(())

    @property
    def closed(self) -> bool:
        """See `Frames.closed`."""
        return self._decoder.closed


class StreamObserver:
    """A streamed answer; its end is the end of its body."""

    def __init__(self, requested: str, frames: Frames) -> None:
        self._frames: Frames | None = frames
        self._generation = _Generation(requested)
        self._ended = False

    @property
    def finished(self) -> bool:
        """Gemini's streams have no end mark."""
        return False

    def feed(self, chunk: bytes) -> bytes:
        """Read ``chunk`` and give it back."""
        if self._frames is not None:
            try:
                for part in self._frames.feed(chunk):
                    self._generation.read(part)
            except WireError as error:
                self._frames = None
                self._generation.lose(str(error))
        return chunk

    def end(self) -> bytes:
        """The body is over; nothing was held back."""
        # A decoder that met a fault behind good answers tells it at its next call.
        self.feed(b"")
        if self._frames is not None:
            try:
                for part in self._frames.end():
                    self._generation.read(part)
            except WireError as error:
                self._frames = None
                self._generation.lose(str(error))
        self._ended = True
        return b""

    def facts(self) -> ResponseFacts:
        """What the stream said so far."""
        complete = self._generation.complete
        facts = self._generation.facts(ended=self._ended and complete)
        frames = self._frames
        # What could not be read may have held the end.
        if self._ended and frames is not None and not (complete and frames.closed):
            return broken_off_facts(facts)
        return facts


def generation_facts(requested: str, body: bytes) -> ResponseFacts:
    """The facts of a whole answer of a model that is one object."""
    generation = _Generation(requested)
    return generation.facts(ended=True) if generation.read(body) else unread_facts(body)


def _queries(candidate: _Candidate) -> int:
    grounding = candidate.grounding_metadata
    return 0 if grounding is None else len(grounding.web_search_queries or [])


def _rests_on_maps(candidate: _Candidate) -> bool:
    """https://ai.google.dev/gemini-api/docs/maps-grounding."""
    grounding = candidate.grounding_metadata
    if grounding is None:
        return False
    chunks = grounding.grounding_chunks or ()
    return any(isinstance(chunk, dict) and chunk.get(_MAPS) is not None for chunk in chunks)


def _length(candidate: _Candidate) -> int:
    """Of what was written: text, and the arguments of a call."""
    length = 0
    parts = None if candidate.content is None else candidate.content.parts
    for part in parts or []:
        if isinstance(part.text, str):
            length += len(part.text)
        if part.function_call is not None:
            length += json_length(part.function_call.args)
    return length
