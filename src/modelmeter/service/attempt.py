"""One attempt at one provider: metered, within its time, its answer turned into OpenAI's shape."""

import asyncio
from collections.abc import AsyncGenerator

import msgspec

from modelmeter.errors import LLMServiceError, UpstreamError
from modelmeter.meter import Ending, OpenCall
from modelmeter.providers import AnswerHead, ResponseFacts, ResponseObserver, dialect_for
from modelmeter.record import Call, ErrorType
from modelmeter.service.answer_shape import AnswerShape, shape_for
from modelmeter.service.failures import message_in, retry_after_seconds, service_error
from modelmeter.service.sender import ProviderAnswer, Sender
from modelmeter.service.wire_request import AimedRequest
from modelmeter.settings.limits import Limits
from modelmeter.settings.routing import RoutingSettings

__all__ = ["Attempt", "Patience"]

_HTTP_ERROR = 400
_GOOD = range(200, 300)
_REQUEST_ID_HEADERS = (b"x-request-id", b"request-id", b"x-amzn-requestid", b"apim-request-id")
_REQUEST_ID_BYTES_MAX = 256
_EVENTS = "text/event-stream"
_NO_FACTS = ResponseFacts()


class Patience(msgspec.Struct, frozen=True):
    """The bounds of an attempt."""

    first_token_seconds: float
    idle_seconds: float
    call_seconds: float
    tail_seconds: float
    """How long the end of the body is waited for after a stream's end mark."""
    bytes_max: int

    @classmethod
    def of(cls, routing: RoutingSettings, limits: Limits) -> "Patience":
        """As configured."""
        return cls(
            first_token_seconds=routing.first_token_timeout_seconds,
            idle_seconds=limits.upstream_idle_timeout_seconds,
            call_seconds=routing.call_timeout_seconds,
            tail_seconds=limits.stream_tail_seconds,
            bytes_max=limits.response_bytes_max,
        )


class Attempt:
    """
    `begin` waits until the answer is whole or, of a stream, until its first token.

    Until then a failure raises, and another attempt can be made unseen. Afterwards the answer is
    in ``body`` or comes from `chunks`. However it ends, the call is settled exactly once, before
    the answer's last bytes are given.
    """

    def __init__(self, aimed: AimedRequest, call: OpenCall, patience: Patience) -> None:
        asked, target, wire = aimed.asked, aimed.target, aimed.wire
        self.target = target
        self.body = b""
        """A whole answer."""
        self.age_seconds: float | None = None
        """It is new."""
        self._call = call
        self._wire = wire
        self._patience = patience
        self._streamed = asked.streamed
        self._ends = asyncio.get_running_loop().time() + patience.call_seconds
        self._shape: AnswerShape = shape_for(asked, target, wire, call.intent)
        self._answer: ProviderAnswer | None = None
        self._observer: ResponseObserver | None = None
        self._first = b""
        self._held = b""
        self._size = 0
        self._over = False
        self._closed = False
        self._cancelled = False

    @property
    def call_id(self) -> str:
        """The id of the call's entry."""
        return self._call.intent.id

    @property
    def outcome(self) -> Call | None:
        """The call's entry, once the answer has come to its end."""
        return self._call.outcome

    @property
    def succeeded(self) -> bool:
        """The call has ended, and well."""
        return self._call.succeeded

    @property
    def facts(self) -> ResponseFacts:
        """What the answer said so far."""
        return ResponseFacts() if self._observer is None else self._observer.facts()

    def caller_left(self) -> None:
        """Whoever asked is gone: however much is read on, the call counts as cancelled."""
        self._cancelled = True

    async def begin(self, sender: Sender) -> None:
        """
        Make the request; see the class.

        Raises:
            LLMServiceError: it failed, and is settled.
            LedgerError: its outcome is not on the disk.
        """
        try:
            await self._first_part(sender)
        except UpstreamError as error:
            await self._fail(error)
        except asyncio.CancelledError:
            await self._settle(ErrorType.CANCELLED)
            raise
        except Exception:
            # Whatever nobody foresaw: the call has ended, and its entry says so.
            await self._settle(ErrorType.SERVER_ERROR)
            raise
        finally:
            if not self._streamed or self._call.outcome is not None:
                self._close()

    async def _first_part(self, sender: Sender) -> None:
        loop = asyncio.get_running_loop()
        patience = self._patience
        first = patience.first_token_seconds if self._streamed else patience.call_seconds
        until = min(loop.time() + first, self._ends)
        try:
            async with asyncio.timeout_at(until):
                answer = self._answer = await sender.send(self.target, self._wire)
                if answer.status not in _GOOD and answer.status < _HTTP_ERROR:
                    raise UpstreamError(
                        "the provider answered with a redirect, which is never followed",
                        error_type=ErrorType.BAD_RESPONSE,
                    )
                head = AnswerHead(answer.status, answer.headers)
                dialect = dialect_for(self.target.kind)
                self._observer = self._call.observe(dialect, self._wire.facts, head)
                if answer.status >= _HTTP_ERROR or not self._streamed:
                    await self._whole(answer)
                elif self._wire.passes and not head.content_type.startswith(_EVENTS):
                    raise UpstreamError(
                        "the provider's answer is no stream of events",
                        error_type=ErrorType.BAD_RESPONSE,
                    )
                else:
                    await self._until_first_token()
        except TimeoutError as error:
            raise UpstreamError(
                "the provider did not answer in time", error_type=ErrorType.TIMEOUT
            ) from error

    async def _whole(self, answer: ProviderAnswer) -> None:
        parts = []
        while chunk := await answer.read():
            self._count(chunk)
            parts.append(self._watch(chunk))
        body = b"".join(parts)
        facts = self._end_of_body()
        if answer.status >= _HTTP_ERROR:
            error_type = facts.error_type or ErrorType.SERVER_ERROR
            text = message_in(body) or f"the provider answered {answer.status}"
            raise UpstreamError(text, error_type=error_type)
        if facts.error_type not in (None, ErrorType.CONTENT_FILTER) or not body:
            raise UpstreamError(
                message_in(body) or "the provider's answer cannot be read",
                error_type=facts.error_type or ErrorType.BAD_RESPONSE,
            )
        self.body = self._shape.whole(body, facts)
        await self._settle(None)

    async def _until_first_token(self) -> None:
        while not self._shape.has_begun:
            out = await self._next()
            if out is None:
                break
            self._first += out
        self._call.first_token()

    async def _next(self) -> bytes | None:
        """The next bytes in OpenAI's shape; None: the body is over, and its tail is held."""
        answer, observer = self._answer, self._observer
        if answer is None or observer is None:
            raise UpstreamError("there is no answer", error_type=ErrorType.CONNECTION)
        finished = observer.finished
        if finished:
            chunk = await self._read_tail(answer)
        else:
            chunk = await answer.read()
        if chunk:
            self._count(chunk)
            shown = self._watch(chunk)
            # Once the answer has begun nothing of its facts is asked before its end.
            facts = _NO_FACTS if self._shape.has_begun else observer.facts()
            out = self._shape.feed(shown, facts)
            if self._call.is_cut:
                self._held += out + self._shape.cut(observer.facts())
                self._over = True
                return None
            if not observer.finished:
                return out
            # The end mark and what belongs to it wait for the call's settlement.
            self._held += out
            return b""
        rest = observer.end()
        self._held += self._shape.end(rest, observer.facts())
        self._over = True
        return None

    async def _read_tail(self, answer: ProviderAnswer) -> bytes:
        """After the end mark nothing is missing: what does not come soon is not waited for."""
        try:
            async with asyncio.timeout(self._patience.tail_seconds):
                return await answer.read()
        except (TimeoutError, UpstreamError):
            return b""

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """
        A streamed answer's events, first what was read in `begin`.

        A failure ends it with an event that tells the error, as OpenAI's streams do.

        Raises:
            LedgerError: the outcome is not on the disk; the answer stays cut.
        """
        failure: ErrorType | None = None
        try:
            if self._first:
                yield self._first
            while not self._over:
                out = await self._next_in_time()
                if out:
                    yield out
        except UpstreamError as error:
            failure = self._kind(error)
            self._held = self._shape.failure(error.message, failure)
        except (GeneratorExit, asyncio.CancelledError):
            await self._settle(ErrorType.CANCELLED)
            raise
        except Exception:
            await self._settle(ErrorType.SERVER_ERROR)
            raise
        finally:
            self._close()
        await self._settle(failure)
        if self._held:
            yield self._held

    async def abandon(self) -> None:
        """
        Settle a call whose answer was not read to its end, or not begun to be read.

        Raises:
            LedgerError: the outcome is not on the disk.
        """
        self._close()
        await self._settle(ErrorType.CANCELLED)

    async def _next_in_time(self) -> bytes | None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(
                min(loop.time() + self._patience.idle_seconds, self._ends)
            ):
                return await self._next()
        except TimeoutError as error:
            raise UpstreamError(
                "the provider stopped in the middle of its answer", error_type=ErrorType.TIMEOUT
            ) from error

    def _watch(self, chunk: bytes) -> bytes:
        return chunk if self._observer is None else self._observer.feed(chunk)

    def _end_of_body(self) -> ResponseFacts:
        if self._observer is None:
            return ResponseFacts()
        self._observer.end()
        return self._observer.facts()

    def _count(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size > self._patience.bytes_max:
            raise UpstreamError(
                "the provider's answer is larger than allowed", error_type=ErrorType.BAD_RESPONSE
            )

    async def _fail(self, error: UpstreamError) -> None:
        answer = self._answer
        status = None if answer is None else answer.status
        error_type = self._kind(error)
        answered = status is not None and status >= _HTTP_ERROR
        await self._settle(None if answered else error_type, sent=error.sent)
        raise self._error(error.message, error_type, status if answered else None) from error

    def _kind(self, error: UpstreamError) -> ErrorType:
        """Of an error that a stream reports, its observer knows more than its reader."""
        kind = ErrorType(error.error_type)
        return (self.facts.error_type or kind) if kind is ErrorType.SERVER_ERROR else kind

    def _error(
        self, message: str, error_type: ErrorType, http_status: int | None
    ) -> LLMServiceError:
        headers = [] if self._answer is None else self._answer.headers
        return service_error(
            f"{self.target.provider}: {message}",
            error_type=error_type,
            provider=self.target.provider,
            call_id=self.call_id,
            http_status=http_status,
            retry_after_seconds=retry_after_seconds(headers),
        )

    async def _settle(self, failure: ErrorType | None, *, sent: bool = True) -> None:
        answer = self._answer
        facts = self.facts
        if failure is None and self._cancelled:
            failure = ErrorType.CANCELLED
        if failure is ErrorType.CANCELLED:
            # Who leaves because of an error that the stream told has cancelled nothing.
            failure = facts.error_type or failure
        await self._call.finish(
            Ending(
                facts=facts,
                http_status=None if answer is None else answer.status,
                provider_request_id=None if answer is None else _request_id(answer.headers),
                failure=failure,
                sent=sent,
            )
        )

    def _close(self) -> None:
        if self._answer is not None and not self._closed:
            self._closed = True
            self._answer.close()


def _request_id(headers: list[tuple[bytes, bytes]]) -> str | None:
    for name in _REQUEST_ID_HEADERS:
        for key, value in headers:
            if key == name and len(value) <= _REQUEST_ID_BYTES_MAX:
                return value.decode("ascii", "replace")
    return None
