"""Turns a provider's answer into OpenAI's shape, whole or event by event."""

from typing import Protocol

import msgspec

from modelmeter.errors import UpstreamError
from modelmeter.providers import ResponseFacts
from modelmeter.record import ErrorType, Intent, Operation
from modelmeter.service.conversation import AnswerReader, broken_off
from modelmeter.service.embeddings import embeddings_body, read_embeddings
from modelmeter.service.routes import Target
from modelmeter.service.wire_request import Asked, WireRequest, reader_for
from modelmeter.service.write_chat import STREAM_END, ChatWriter

__all__ = ["AnswerShape", "shape_for"]

_NS = 1_000_000_000


class AnswerShape(Protocol):
    """The shape of one answer."""

    @property
    def has_begun(self) -> bool:
        """The first token went by; before it an answer may still be given up unseen."""
        ...

    def whole(self, body: bytes, facts: ResponseFacts) -> bytes:
        """
        A whole, good answer.

        Raises:
            UpstreamError: it cannot be read.
        """
        ...

    def feed(self, shown: bytes, facts: ResponseFacts) -> bytes:
        """
        The next bytes of a stream, as its observer lets them through.

        ``facts`` are of interest only before the answer has begun.

        Raises:
            UpstreamError: they cannot be read, or the provider reports an error.
        """
        ...

    def end(self, rest: bytes, facts: ResponseFacts) -> bytes:
        """
        The stream's last bytes; ``rest`` is what its observer held.

        Raises:
            UpstreamError: the stream broke off before its proper end.
        """
        ...

    def cut(self, facts: ResponseFacts) -> bytes:
        """What follows the end that a stream was given where its hold was used up."""
        ...

    def failure(self, message: str, error_type: ErrorType) -> bytes:
        """The event that ends a broken stream."""
        ...


def shape_for(asked: Asked, target: Target, wire: WireRequest, intent: Intent) -> AnswerShape:
    """The shape of the answer to a request."""
    if wire.passes:
        return _AsItIs()
    if asked.operation is Operation.EMBEDDINGS:
        return _Embeddings(asked, target)
    writer = ChatWriter(
        completion_id=f"chatcmpl-{intent.id}",
        created=intent.started_at_ns // _NS,
        model=target.model,
    )
    return _Chat(reader_for(target.kind), writer, wants_usage=asked.wants_usage)


def _failure(message: str, error_type: ErrorType) -> bytes:
    error = {"message": message, "type": str(error_type), "param": None, "code": str(error_type)}
    return b"data: %b\n\n" % msgspec.json.encode({"error": error})


class _AsItIs:
    """An answer in OpenAI's shape from its provider."""

    def __init__(self) -> None:
        self._begun = False

    @property
    def has_begun(self) -> bool:
        return self._begun

    def whole(self, body: bytes, facts: ResponseFacts) -> bytes:
        if not facts.ended or not body.lstrip().startswith(b"{"):
            raise UpstreamError(
                "the provider's answer is no JSON object", error_type=ErrorType.BAD_RESPONSE
            )
        return body

    def feed(self, shown: bytes, facts: ResponseFacts) -> bytes:
        if not self._begun and facts.error_type is not None:
            raise UpstreamError(
                "the provider reported an error in the stream", error_type=facts.error_type
            )
        self._begun = self._begun or facts.output_characters > 0
        return shown

    def end(self, rest: bytes, facts: ResponseFacts) -> bytes:
        if not facts.ended and facts.error_type in (None, ErrorType.BAD_RESPONSE):
            raise broken_off()
        self._begun = True
        return rest

    def cut(self, facts: ResponseFacts) -> bytes:
        return b""

    def failure(self, message: str, error_type: ErrorType) -> bytes:
        return _failure(message, error_type)


class _Chat:
    """A chat completion, translated."""

    def __init__(self, reader: AnswerReader, writer: ChatWriter, *, wants_usage: bool) -> None:
        self._reader = reader
        self._writer = writer
        self._wants_usage = wants_usage
        self._begun = False

    @property
    def has_begun(self) -> bool:
        return self._begun

    def whole(self, body: bytes, facts: ResponseFacts) -> bytes:
        return self._writer.whole(self._reader.read_whole(body), facts.tokens)

    def feed(self, shown: bytes, facts: ResponseFacts) -> bytes:
        pieces = self._reader.feed(shown)
        self._begun = self._begun or bool(pieces)
        return b"".join(self._writer.chunk(piece) for piece in pieces)

    def end(self, rest: bytes, facts: ResponseFacts) -> bytes:
        pieces = [*self._reader.feed(rest), *self._reader.end()]
        last = b"".join(self._writer.chunk(piece) for piece in pieces)
        self._begun = True
        return last + self.cut(facts)

    def cut(self, facts: ResponseFacts) -> bytes:
        usage = b""
        if self._wants_usage and facts.tokens is not None:
            usage = self._writer.usage_chunk(facts.tokens)
        return usage + STREAM_END

    def failure(self, message: str, error_type: ErrorType) -> bytes:
        return _failure(message, error_type)


class _Embeddings:
    """Vectors, translated; they are never streamed."""

    has_begun = True

    def __init__(self, asked: Asked, target: Target) -> None:
        self._target = target
        self._encoding = read_embeddings(asked.fields).encoding_format

    def whole(self, body: bytes, facts: ResponseFacts) -> bytes:
        target = self._target
        return embeddings_body(target.kind, body, target.model, self._encoding, facts.tokens)

    def feed(self, shown: bytes, facts: ResponseFacts) -> bytes:
        raise UpstreamError("embeddings are not streamed", error_type=ErrorType.BAD_RESPONSE)

    def end(self, rest: bytes, facts: ResponseFacts) -> bytes:
        return rest

    def cut(self, facts: ResponseFacts) -> bytes:
        return b""

    def failure(self, message: str, error_type: ErrorType) -> bytes:
        return _failure(message, error_type)
