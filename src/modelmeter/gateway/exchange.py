"""One metered call between its caller and its upstream: bytes through, facts to the meter."""

import asyncio
import logging

from modelmeter.errors import LedgerError, UpstreamError
from modelmeter.gateway.answer_keeper import AnswerKeeper
from modelmeter.gateway.asgi import Headers, header
from modelmeter.gateway.client_side import ClientSide
from modelmeter.gateway.passage import headers_passed_on
from modelmeter.gateway.patience import Patience
from modelmeter.gateway.refusals import (
    CALL_ID_HEADER,
    CALLER_TOO_SLOW,
    cause_of,
    log_cut,
    log_no_answer,
    send_error,
)
from modelmeter.gateway.upstream import Upstream, UpstreamAnswer, UpstreamRequest
from modelmeter.meter import Ending, OpenCall
from modelmeter.providers import (
    AnswerHead,
    Dialect,
    RequestFacts,
    ResponseFacts,
    ResponseObserver,
)
from modelmeter.record import Clock, ErrorType
from modelmeter.settings.limits import Limits
from modelmeter.wire.header_rules import is_relayable

__all__ = ["Exchange"]

logger = logging.getLogger(__name__)

_REQUEST_ID_HEADERS = (b"x-request-id", b"request-id", b"x-amzn-requestid", b"apim-request-id")
_REQUEST_ID_BYTES_MAX = 256
_HTTP_STATUS_OF = {ErrorType.TIMEOUT: 504}
_BAD_GATEWAY = 502
_CONTENT_ENCODING = b"content-encoding"


class Exchange:
    """
    Relays one answer and settles its call before the answer's last byte goes out.

    When the caller leaves, the rest of the answer is read on within a bound, for its usage comes
    last. However the exchange ends, the call is finished exactly once.
    """

    def __init__(
        self,
        client: ClientSide,
        upstream: Upstream,
        call: OpenCall,
        facts: RequestFacts,
        dialect: Dialect,
        limits: Limits,
        clock: Clock,
        *,
        told: Headers | None = None,
        keeper: AnswerKeeper | None = None,
    ) -> None:
        """
        ``told``: headers for the caller beside the upstream's own.

        ``keeper`` sees the answer of a call for which caching is configured.
        """
        self._told = told
        self._keeper = keeper
        self._client = client
        self._upstream = upstream
        self._call = call
        self._facts = facts
        self._dialect = dialect
        self._limits = limits
        self._clock = clock
        self._patience = Patience(limits.upstream_total_timeout_seconds)
        self._answer: UpstreamAnswer | None = None
        self._observer: ResponseObserver | None = None
        self._held = b""
        self._failure: ErrorType | None = None
        self._cause: str | None = None
        self._sent = True
        self._bytes = 0
        self._bytes_when_gone = 0
        self._writing = False

    async def run(self, request: UpstreamRequest) -> None:
        """Make the call, relay its answer, settle it."""
        try:
            with self._patience:
                self._client.watch(self._client_left)
                self._patience.allow(self._limits.upstream_first_byte_timeout_seconds)
                await self._relay(request)
        except TimeoutError:
            self._failure = self._reason_of_timeout()
        except UpstreamError as error:
            self._failure = self._failure or ErrorType(error.error_type)
            self._cause = cause_of(error)
            self._sent = error.sent
        except asyncio.CancelledError:
            self._failure = ErrorType.CANCELLED
            await self._settle()
            if self._client.is_cut:
                self._log_cut("stopping")
            raise
        except Exception:
            logger.exception("call %s met a fault of the gateway", self._call.intent.id)
            self._failure = ErrorType.SERVER_ERROR
        finally:
            self._client.unwatch()
            if self._answer is not None:
                self._answer.close()
        await self._conclude()

    async def _relay(self, request: UpstreamRequest) -> None:
        answer = await self._upstream.send(request)
        self._answer = answer
        if not is_relayable(answer.status):
            raise UpstreamError(
                "the upstream answered with a redirect, which is never followed, or with no answer",
                error_type=ErrorType.BAD_RESPONSE,
            )
        head = AnswerHead(answer.status, answer.headers)
        observer = self._call.observe(self._dialect, self._facts, head)
        if self._keeper is not None:
            observer = self._keeper.watch(observer, answer)
        self._observer = observer
        while True:
            self._patience.allow(
                self._limits.stream_tail_seconds
                if observer.finished
                else self._limits.upstream_idle_timeout_seconds
            )
            chunk = await answer.read()
            if not chunk:
                break
            self._count(chunk)
            out = observer.feed(chunk)
            if self._call.is_cut:
                self._held += out
                return
            await self._pass_on(answer, out, observer.finished)
        self._held += observer.end()

    def _count(self, chunk: bytes) -> None:
        self._bytes += len(chunk)
        if self._facts.streamed:
            self._call.first_token()
        if self._bytes > self._limits.response_bytes_max:
            raise UpstreamError(
                "the upstream's answer is larger than allowed", error_type=ErrorType.BAD_RESPONSE
            )
        drained = self._bytes - self._bytes_when_gone
        if self._client.gone and drained > self._limits.drain_after_disconnect_bytes_max:
            raise UpstreamError(
                "the caller left and the rest is long", error_type=ErrorType.CANCELLED
            )

    async def _pass_on(self, answer: UpstreamAnswer, out: bytes, finished: bool) -> None:
        """Forward what must not wait; the last bytes wait for the commit."""
        if finished:
            self._held += out
            return
        if self._facts.streamed:
            ready = out
        else:
            ready, self._held = self._held, out
        if ready and not self._client.gone:
            self._writing = True
            if self._client.started:
                await self._client.write(ready)
            else:
                await self._begin(answer, ready)
            self._writing = False

    async def _begin(self, answer: UpstreamAnswer, ready: bytes) -> None:
        if self._length(answer) is None and self._client.begin_at_once(
            answer.status, self._headers(answer), ready
        ):
            return
        await self._start(answer)
        await self._client.write(ready)

    async def _start(self, answer: UpstreamAnswer) -> None:
        headers = self._headers(answer)
        length = self._length(answer)
        if length is not None:
            headers.append((b"content-length", length))
        await self._client.start(answer.status, headers)

    def _length(self, answer: UpstreamAnswer) -> bytes | None:
        """How long the answer will be; None if nobody knows, or it may be shortened."""
        if self._facts.hides_usage_chunk or self._call.is_held:
            return None
        return header(answer.headers, b"content-length")

    def _headers(self, answer: UpstreamAnswer) -> Headers:
        headers = headers_passed_on(answer, self._limits, self._clock)
        if self._call.is_held:
            headers = [(name, value) for name, value in headers if name != _CONTENT_ENCODING]
        headers.append((CALL_ID_HEADER, self._call.intent.id.encode()))
        if self._told:
            headers += self._told
        if self._keeper is not None:
            headers.append(self._keeper.header)
        return headers

    async def _conclude(self) -> None:
        try:
            await self._settle()
        except LedgerError as error:
            # No caller may see an answer complete whose outcome is not on the disk.
            await self._break_off(str(error), "ledger_unavailable", 503)
            return
        if self._client.gone:
            return
        if self._failure is not None:
            status = _HTTP_STATUS_OF.get(self._failure, _BAD_GATEWAY)
            slow = self._failure is ErrorType.CANCELLED
            code = CALLER_TOO_SLOW if slow else f"upstream_{self._failure}"
            await self._break_off(_explain(self._failure), code, status)
            return
        if self._answer is not None:
            await self._finish(self._answer)

    async def _finish(self, answer: UpstreamAnswer) -> None:
        client = self._client
        if not client.started and self._held:
            whole = client.answer_at_once(answer.status, self._headers(answer), self._held)
            if whole:
                return
        # The call is settled; a caller that does not fetch the rest must not hold its place.
        late = asyncio.get_running_loop().call_later(
            self._limits.upstream_idle_timeout_seconds, client.abort
        )
        try:
            if not client.started:
                await self._start(answer)
            await client.finish(self._held)
        finally:
            late.cancel()

    async def _settle(self) -> None:
        facts = ResponseFacts() if self._observer is None else self._observer.facts()
        answer = self._answer
        failure = self._failure
        if failure is None and self._client.gone:
            failure = ErrorType.CANCELLED
        await self._call.finish(
            Ending(
                facts=facts,
                http_status=None if answer is None else answer.status,
                provider_request_id=None if answer is None else _request_id(answer.headers),
                failure=failure,
                sent=self._sent,
            )
        )

    async def _break_off(self, message: str, code: str, http_status: int) -> None:
        """An error in the provider's shape if nothing was sent yet; else the answer stays cut."""
        if self._client.gone:
            return
        if self._client.started:
            self._log_cut(code)
            return
        intent = self._call.intent
        cause = self._cause or message
        log_no_answer(cause, intent.provider, call_id=intent.id, model=intent.model)
        await send_error(
            self._client,
            self._dialect,
            message,
            code=code,
            http_status=http_status,
            call_id=intent.id,
        )

    def _log_cut(self, reason: str) -> None:
        intent = self._call.intent
        log_cut(reason, intent.provider, call_id=intent.id, model=intent.model)

    def _client_left(self) -> None:
        self._bytes_when_gone = self._bytes
        self._patience.limit(self._limits.drain_after_disconnect_seconds)

    def _reason_of_timeout(self) -> ErrorType | None:
        if self._observer is not None and self._observer.finished:
            self._held += self._observer.end()
            return None
        if self._client.gone or self._writing:
            return ErrorType.CANCELLED
        return ErrorType.TIMEOUT


def _request_id(headers: Headers) -> str | None:
    for name in _REQUEST_ID_HEADERS:
        value = header(headers, name)
        if value is not None and len(value) <= _REQUEST_ID_BYTES_MAX:
            return value.decode("ascii", "replace")
    return None


def _explain(failure: ErrorType) -> str:
    if failure is ErrorType.TIMEOUT:
        return "the upstream did not answer in time"
    if failure is ErrorType.BAD_RESPONSE:
        return "the upstream's answer cannot be passed on"
    return "the upstream could not be reached or broke off its answer"
