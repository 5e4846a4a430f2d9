"""One life of a call: its intent is committed, it is made, and it is finished exactly once."""

import asyncio
from collections.abc import Callable

import msgspec

from modelmeter.errors import RefusedRequestError
from modelmeter.ledger import Ledger
from modelmeter.ledger.reservations import Opening
from modelmeter.meter.ending import Ending, Pricer, Timing, cached_call, call_of, refused_call
from modelmeter.meter.held_stream import HeldStream, observe
from modelmeter.providers import AnswerHead, Dialect, RequestFacts, ResponseFacts, ResponseObserver
from modelmeter.record import (
    CacheMiss,
    Call,
    CallBound,
    Caller,
    Clock,
    ErrorType,
    Intent,
    Operation,
    Status,
    new_call_id,
)

__all__ = ["CallOpening", "Knows", "Meter", "OpenCall"]


class CallOpening(msgspec.Struct, frozen=True):
    """What a source knows of a call it is about to make."""

    caller: Caller
    provider: str
    operation: Operation
    model: str
    streamed: bool
    input_bytes: int
    output_tokens_max: int | None
    """Of each answer."""
    request_id: str | None = None
    """The caller's own id, which groups attempts; None: the call's id."""
    attempt: int = 0
    cache_miss: CacheMiss | None = None
    """Why the response cache, if it was asked, had no answer."""
    bound: CallBound | None = None
    """The most the call can use, if a budget applies to it."""
    is_held: bool = False
    """Something stops the call that uses more than its bound; else the bound is only counted."""
    model_requested: str | None = None
    """What the caller asked for, where ``downgraded_by`` had ``model`` asked instead."""
    downgraded_by: str | None = None
    asks_again: bool = False
    """A refusal is not the last word: nothing is kept of it."""
    takes_other_model: bool = True
    """Another model can be asked instead."""
    answers: int = 1
    """How many the request asks for."""


Knows = Callable[[str, str, int], bool]
"""Whether a provider's model has a known price at a time."""


class Meter:
    """Opens calls. Whatever is made of a call afterwards is read from the ledger."""

    def __init__(
        self, ledger: Ledger, pricer: Pricer, clock: Clock, *, knows: Knows | None = None
    ) -> None:
        """``knows``, if given, says which models have a price: calls of others are refused."""
        self._ledger = ledger
        self._pricer = pricer
        self._clock = clock
        self._knows = knows

    async def open(self, opening: CallOpening, *, began_ns: int) -> "OpenCall":
        """
        Commit the intent of a call; only then may its first byte go upstream.

        ``began_ns`` is the monotonic time at which the source took the request.

        Raises:
            LedgerUnavailableError: the intent is not committed; the call must not be made.
            BudgetExceededError: the call does not fit a budget and must not be made.
            ThrottledError: calls like it come too fast; it must not be made.
            RefusedRequestError: the model has no known price and such calls are refused.
        """
        call = self.begin(opening, began_ns=began_ns)
        await call.opened()
        return call

    def begin(self, opening: CallOpening, *, began_ns: int) -> "OpenCall":
        """
        Hand in the intent of a call; it may be made once `OpenCall.opened` returns.

        Raises:
            LedgerUnavailableError: the ledger is behind or closed; the call must not be made.
            RefusedRequestError: the model has no known price and such calls are refused.
        """
        intent = _intent(opening, self._clock.time_ns())
        if self._knows is not None and not self._knows(
            intent.provider, intent.model, intent.started_at_ns
        ):
            raise RefusedRequestError(
                f"no price is known for model {intent.model!r} of {intent.provider!r}, and calls "
                "without a known price are refused; ask your operator for a price in [prices]",
                code="unknown_model",
            )
        begun = self._ledger.begin(
            intent
            if opening.bound is None
            else Opening(
                intent, opening.downgraded_by, opening.asks_again, opening.takes_other_model
            )
        )
        call = OpenCall(intent, begun, self._ledger, self._pricer, self._clock, began_ns)
        if opening.is_held:
            call.hold = opening.bound
        return call

    async def answered_from_cache(
        self, opening: CallOpening, facts: ResponseFacts, *, http_status: int, began_ns: int
    ) -> Call:
        """
        Commit a call whose answer, with ``facts``, was in the cache; then it may be given.

        Such a call has no intent and reserves nothing: nothing goes upstream.

        Raises:
            LedgerUnavailableError: the entry is not committed; the answer must not be given.
        """
        elapsed_ns = max(self._clock.monotonic_ns() - began_ns, 0)
        intent = _intent(opening, self._clock.time_ns() - elapsed_ns)
        timing = Timing(
            duration_ns=elapsed_ns, time_to_first_token_ns=elapsed_ns if opening.streamed else None
        )
        call = cached_call(intent, facts, timing, self._pricer, http_status)
        await self._ledger.record(call)
        return call

    async def refused(self, opening: CallOpening, error_type: ErrorType, note: str) -> Call:
        """
        Commit a call that is not made.

        Raises:
            LedgerUnavailableError: the entry is not committed.
        """
        call = refused_call(_intent(opening, self._clock.time_ns()), error_type, note)
        await self._ledger.record(call)
        return call


def _intent(opening: CallOpening, started_at_ns: int) -> Intent:
    call_id = new_call_id(started_at_ns)
    return Intent(
        id=call_id,
        request_id=opening.request_id or call_id,
        attempt=opening.attempt,
        started_at_ns=started_at_ns,
        caller=opening.caller,
        provider=opening.provider,
        operation=opening.operation,
        model=opening.model,
        streamed=opening.streamed,
        input_bytes=opening.input_bytes,
        output_tokens_max=opening.output_tokens_max,
        model_requested=opening.model_requested,
        bound=opening.bound,
        cache_miss=opening.cache_miss,
        answers=opening.answers,
    )


class OpenCall:
    """A call between its intent and its outcome."""

    def __init__(
        self,
        intent: Intent,
        begun: asyncio.Future[None],
        ledger: Ledger,
        pricer: Pricer,
        clock: Clock,
        began_ns: int,
    ) -> None:
        self.intent = intent
        self._begun = begun
        self._ledger = ledger
        self._pricer = pricer
        self._clock = clock
        self._began_ns = began_ns
        self._asked_ns = began_ns
        self._first_token_ns: int | None = None
        self._settling: asyncio.Future[None] | None = None
        self._outcome: Call | None = None
        self.hold: CallBound | None = None
        """What the call may use: a stream that uses more is cut. None: nothing stops it."""
        self._stream: HeldStream | None = None
        self.on_settled: Callable[[], None] | None = None
        """Called once the outcome is committed, or cannot be."""

    async def opened(self) -> None:
        """
        Wait until the intent is committed; then the call may be made.

        Raises:
            LedgerUnavailableError, BudgetExceededError, ThrottledError: as `Meter.open`.
        """
        await self._ledger.opened(self.intent.id, self._begun)
        self._asked_ns = self._clock.monotonic_ns()

    def withdraw(self) -> None:
        """The call is not made after all."""
        self._ledger.withdraw(self.intent.id, self._begun)

    def first_token(self) -> None:
        """Note the time of the first byte of the answer's body; later ones change nothing."""
        if self._first_token_ns is None:
            self._first_token_ns = self._clock.monotonic_ns()

    def observe(
        self, dialect: Dialect, request: RequestFacts, head: AnswerHead
    ) -> ResponseObserver:
        """What reads the answer, and ends a stream where what is held for it is used up."""
        observer = observe(dialect, request, head, self.hold)
        if isinstance(observer, HeldStream):
            self._stream = observer
        return observer

    @property
    def is_held(self) -> bool:
        """The answer may have other bytes than the provider's, and fewer."""
        return self._stream is not None

    @property
    def is_cut(self) -> bool:
        """What was held for the stream is used up, and it was ended: no more is to be read."""
        return self._stream is not None and self._stream.is_cut

    async def finish(self, ending: Ending) -> None:
        """
        Commit the outcome; the last byte of the answer may go out after this returns.

        A stream that was cut ended for that reason, whatever came after.

        The first ending stands: a later call waits for the first one's commit. A caller that is
        cancelled while it waits leaves the commit under way.

        Raises:
            LedgerError: the outcome is not committed yet; the ledger goes on trying.
        """
        if self._settling is None:
            if self.is_cut:
                ending = msgspec.structs.replace(ending, failure=ErrorType.BUDGET_EXCEEDED)
            call = self._outcome = call_of(self.intent, ending, self._timing(), self._pricer)
            overhead_ns = max(self._asked_ns - self._began_ns, 0)
            self._settling = self._ledger.settle(call, overhead_ns=overhead_ns)
            if self.on_settled is not None:
                self._settling.add_done_callback(self._tell_settled)
        await asyncio.shield(self._settling)

    @property
    def outcome(self) -> Call | None:
        """The call's entry, once it has ended."""
        return self._outcome

    def _tell_settled(self, _: asyncio.Future[None]) -> None:
        if self.on_settled is not None:
            self.on_settled()

    @property
    def succeeded(self) -> bool:
        """The call has ended, and well."""
        return self._outcome is not None and self._outcome.status is Status.SUCCESS

    def _timing(self) -> Timing:
        now_ns = self._clock.monotonic_ns()
        first_ns = self._first_token_ns
        return Timing(
            duration_ns=max(now_ns - self._asked_ns, 0),
            time_to_first_token_ns=None if first_ns is None else max(first_ns - self._asked_ns, 0),
        )
