"""One call of a wrapped client, from its request to its entry, whoever carries the bytes."""

from collections.abc import Iterable

import msgspec

from modelmeter.errors import (
    BudgetExceededError,
    LedgerError,
    RefusedRequestError,
    ThrottledError,
)
from modelmeter.meter import Ending, OpenCall
from modelmeter.providers import AnswerHead, Dialect, RequestFacts, ResponseFacts, ResponseObserver
from modelmeter.record import ErrorType

__all__ = ["REFUSED", "Headers", "Refusal", "WatchedCall", "refusal"]

REFUSED = (RefusedRequestError, BudgetExceededError, ThrottledError, LedgerError)
"""Why a request is not sent."""

_REQUEST_ID_HEADERS = (b"x-request-id", b"request-id", b"x-amzn-requestid", b"apim-request-id")
_REQUEST_ID_BYTES_MAX = 256
Headers = list[tuple[bytes, bytes]]


class Refusal(msgspec.Struct, frozen=True):
    """The answer to a request that is not sent, in the provider's own error shape."""

    http_status: int
    headers: Headers
    body: bytes


def refusal(dialect: Dialect, error: Exception) -> Refusal:
    """The answer that makes an SDK raise what it raises when its provider refuses."""
    status, after, code = 503, 1, "ledger_unavailable"
    is_final = not isinstance(error, LedgerError)
    if isinstance(error, RefusedRequestError):
        status, code = error.http_status, error.refusal_code
        after = error.retry_after_seconds or 0
    elif isinstance(error, BudgetExceededError):
        status, after, code = 429, error.retry_after_seconds, error.code
        is_final = not error.frees_soon
    elif isinstance(error, ThrottledError):
        status, after, code = 429, int(-(-error.retry_after_seconds // 1)), error.code
    headers = [*dialect.error_headers(code, status), (b"retry-after", str(after).encode())]
    if is_final:
        headers.append((b"x-should-retry", b"false"))
    body = dialect.error_body(str(error), code=code, http_status=status)
    return Refusal(status, headers, body)


class WatchedCall:
    """A call under way: its answer's bytes go through, and its ending is told at the end."""

    def __init__(
        self, call: OpenCall, path: str, facts: RequestFacts, dialect: Dialect, told: Headers
    ) -> None:
        self.path = path
        """Where it is to be sent, behind the client's base address."""
        self.facts = facts
        self.told = told
        """What the caller is told with the answer."""
        self.settled = False
        self._call = call
        self._dialect = dialect
        self._observer: ResponseObserver | None = None
        self._head: AnswerHead | None = None
        self._held = b""

    def answered(self, http_status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """The answer's status and headers have come."""
        self._head = AnswerHead(http_status, [(name.lower(), value) for name, value in headers])
        self._observer = self._call.observe(self._dialect, self.facts, self._head)

    def feed(self, chunk: bytes) -> bytes:
        """The next bytes of the body; gives those that need not wait for the settlement."""
        if self._observer is None:
            return chunk
        if self.facts.streamed:
            self._call.first_token()
        out = self._observer.feed(chunk)
        if self._observer.finished or self.is_cut:
            self._held += out
            return b""
        if self.facts.streamed:
            return out
        ready, self._held = self._held, out
        return ready

    def end(self) -> bytes:
        """The body is over; gives the last bytes, to be passed on after the settlement."""
        last, self._held = self._held, b""
        return last if self._observer is None or self.is_cut else last + self._observer.end()

    @property
    def is_held(self) -> bool:
        """The body may have other bytes than the provider's, and fewer."""
        return self._call.is_held

    @property
    def is_cut(self) -> bool:
        """What was held for the stream is used up: nothing more of it is to be read."""
        return self._call.is_cut

    @property
    def finished(self) -> bool:
        """The stream's own end mark went by."""
        return self._observer is not None and self._observer.finished

    async def settle(self, failure: ErrorType | None, *, sent: bool = True) -> None:
        """
        Commit the outcome, once.

        Raises:
            LedgerError: it is not on the disk yet; the ledger goes on trying.
        """
        if self.settled:
            return
        self.settled = True
        facts = ResponseFacts() if self._observer is None else self._observer.facts()
        head = self._head
        await self._call.finish(
            Ending(
                facts=facts,
                http_status=None if head is None else head.http_status,
                provider_request_id=None if head is None else _request_id(head),
                failure=failure,
                sent=sent,
            )
        )


def _request_id(head: AnswerHead) -> str | None:
    found = (head.header(name) for name in _REQUEST_ID_HEADERS)
    return next((name for name in found if 0 < len(name) <= _REQUEST_ID_BYTES_MAX), None)
