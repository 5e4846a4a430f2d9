"""Observes answers in Gemini's dialect: one object, an array of them, or events."""

from collections.abc import Iterator
from typing import Protocol

import msgspec

from modelmeter.errors import WireError
from modelmeter.providers.bodies import ABSENT, UNREADABLE, is_absent
from modelmeter.providers.contract import ResponseFacts
from modelmeter.providers.genai.errors import error_type_of_body
from modelmeter.providers.genai.usage import genai_tokens
from modelmeter.providers.plain import not_json
from modelmeter.record import ErrorType, TokenCounts
from modelmeter.wire.json_array import JsonArrayDecoder
from modelmeter.wire.sse import ServerSentEventDecoder

__all__ = ["ArrayFrames", "EventFrames", "StreamObserver", "generation_facts"]

_NO_USAGE = "the provider reported no usage"
_UNREADABLE = "a part of the answer could not be read"


class _Part(msgspec.Struct):
    text: object = None


class _Content(msgspec.Struct):
    parts: list[_Part] | None = None


class _Candidate(msgspec.Struct, rename="camel"):
    content: _Content | None = None
    finish_reason: object = None


class _Feedback(msgspec.Struct, rename="camel"):
    block_reason: object = None


class _Answer(msgspec.Struct, rename="camel"):
    candidates: list[_Candidate] | None = None
    usage_metadata: msgspec.Raw = ABSENT
    model_version: object = None
    response_id: object = None
    prompt_feedback: _Feedback | None = None
    error: msgspec.Raw = ABSENT


_decoder = msgspec.json.Decoder(_Answer)


class _Generation:
    """The facts of one generation, from one or many answers of the same shape."""

    def __init__(self) -> None:
        self._tokens: TokenCounts | None = None
        self._model: str | None = None
        self._id: str | None = None
        self._characters = 0
        self._complete = False
        self._error: ErrorType | None = None
        self._note: str | None = _NO_USAGE

    def read(self, data: bytes) -> bool:
        """Take one answer; False if it is not JSON."""
        try:
            answer = _decoder.decode(data)
        except UNREADABLE:
            self._note = _UNREADABLE
            return False
        if isinstance(answer.model_version, str):
            self._model = answer.model_version
        if isinstance(answer.response_id, str):
            self._id = answer.response_id
        for candidate in answer.candidates or []:
            self._complete = self._complete or candidate.finish_reason is not None
            self._characters += _length(candidate)
        if answer.prompt_feedback is not None and answer.prompt_feedback.block_reason is not None:
            self._complete = True
            self._error = ErrorType.CONTENT_FILTER
        if not is_absent(answer.error):
            self._error = error_type_of_body(500, data)
        if not is_absent(answer.usage_metadata):
            self._tokens, self._note = genai_tokens(answer.usage_metadata)
        return True

    def facts(self, *, ended: bool) -> ResponseFacts:
        """What was said so far."""
        return ResponseFacts(
            model_answered=self._model,
            tokens=self._tokens,
            ended=ended,
            error_type=self._error,
            output_characters=self._characters,
            provider_request_id=self._id,
            note=self._note,
        )

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


class StreamObserver:
    """A streamed answer; its end is the end of its body."""

    def __init__(self, frames: Frames) -> None:
        self._frames: Frames | None = frames
        self._generation = _Generation()
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
            except WireError:
                self._frames = None
        return chunk

    def end(self) -> bytes:
        """The body is over; nothing was held back."""
        if self._frames is not None:
            try:
                for part in self._frames.end():
                    self._generation.read(part)
            except WireError:
                self._frames = None
        self._ended = True
        return b""

    def facts(self) -> ResponseFacts:
        """What the stream said so far."""
        return self._generation.facts(ended=self._ended and self._generation.complete)


def generation_facts(body: bytes) -> ResponseFacts:
    """The facts of a whole answer that is one object."""
    generation = _Generation()
    return generation.facts(ended=True) if generation.read(body) else not_json(body)


def _length(candidate: _Candidate) -> int:
    if candidate.content is None:
        return 0
    texts = [part.text for part in candidate.content.parts or []]
    return sum(len(text) for text in texts if isinstance(text, str))
