"""Finds an answer: the models behind a name in their order, retries, circuit breakers."""

import logging
from collections.abc import Callable

import msgspec
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_exponential_jitter

from modelmeter.errors import LLMServiceError, RefusedRequestError
from modelmeter.meter import CallOpening, Meter, OpenCall
from modelmeter.meter.admission import admit
from modelmeter.meter.bounding import Bounding
from modelmeter.meter.told import Headers
from modelmeter.record import CacheMiss, Caller, Clock, ErrorType, new_call_id
from modelmeter.service.attempt import Attempt, Patience
from modelmeter.service.circuit import Circuits
from modelmeter.service.failures import is_transient, service_error
from modelmeter.service.routes import Routes, Target
from modelmeter.service.sender import Sender
from modelmeter.service.wire_request import AimedRequest, Asked, WireRequest, wire_request
from modelmeter.settings.model import Settings

__all__ = ["Errand", "Router"]

logger = logging.getLogger(__name__)

ATTEMPTS_MAX = 100
"""The number of an attempt as it is entered; further ones share it."""


def _nothing() -> None:
    """A caller in this process leaves by cancelling its task."""


class Errand(msgspec.Struct):
    """Who wants a request made, and by which means."""

    caller: Caller
    meter: Meter
    sender: Sender
    began_ns: int
    """Monotonic time at which the request was taken."""
    request_id: str | None = None
    """The caller's own id; it groups the attempts."""
    principal: bytes = b""
    """Whose credentials are used: stored answers are for no one else's."""
    cache_control: bytes | None = None
    """The caller's header."""
    cache_miss: CacheMiss | None = None
    """Why the response cache, if it was asked, had no answer."""
    attempts: int = 0
    """How many were made so far."""
    told: Headers = []
    """What the caller is told of the changes that budgets made to the last attempt."""
    still_wanted: Callable[[], None] = _nothing
    """Raises if the caller has left."""


class Router:
    """Routes the requests of one event loop."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        bounding: Bounding,
        circuits: Circuits | None = None,
    ) -> None:
        """``circuits``: those of other routers of the process; None: this is the only one."""
        self.routes = Routes(settings)
        self.circuits = Circuits(settings.routing, clock) if circuits is None else circuits
        routing = self._routing = settings.routing
        self._backoff_seconds = wait_exponential_jitter(
            initial=routing.backoff_initial_seconds,
            max=routing.backoff_seconds_max,
            jitter=routing.backoff_initial_seconds,
        )
        self._patience = Patience.of(settings.routing, settings.limits)
        self._clock = clock
        self._bounding = bounding

    async def answer(self, asked: Asked, errand: Errand) -> Attempt:
        """
        The first attempt that succeeds; of a streamed answer, up to its first token.

        Each attempt is an entry of the ledger under one request id. What is the caller's own
        fault is tried once.

        Raises:
            RefusedRequestError: no attempt can be made of it.
            LLMServiceError: all failed; the error is the last one's.
            BudgetExceededError: it does not fit a budget.
            ThrottledError: calls like it come too fast.
            LedgerError: a call cannot be entered.
        """
        targets = self.routes.targets(asked.model)
        if errand.request_id is None:
            errand.request_id = new_call_id(self._clock.time_ns())
        refusal: RefusedRequestError | None = None
        failure: LLMServiceError | None = None
        left_alone: tuple[Target, WireRequest] | None = None
        for target in targets:
            try:
                wire = wire_request(asked, target)
                await errand.sender.prepare(target)
            except RefusedRequestError as error:
                refusal = refusal or error
                continue
            try:
                return await self._ask(asked, target, wire, errand)
            except LLMServiceError as error:
                if not is_transient(error.error_type):
                    raise
                if error.error_type == ErrorType.CIRCUIT_OPEN:
                    left_alone = left_alone or (target, wire)
                else:
                    failure = error
        if failure is not None:
            raise failure
        if left_alone is not None:
            raise await self._refused(*left_alone, errand)
        raise refusal or RefusedRequestError(f"no model answers to {asked.model!r}")

    async def _ask(
        self, asked: Asked, target: Target, wire: WireRequest, errand: Errand
    ) -> Attempt:
        """One model, as often as it may be asked."""
        circuit = self.circuits.of(target)
        async for turn in AsyncRetrying(
            retry=retry_if_exception(self._is_asked_again),
            stop=stop_after_attempt(self._routing.attempts),
            wait=self._pause_seconds,
            before_sleep=_log_retry,
            reraise=True,
        ):
            with turn:
                if not circuit.allow():
                    raise _left_alone(target, call_id=None)
                try:
                    attempt = await self._attempt(asked, target, wire, errand)
                except LLMServiceError as error:
                    if is_transient(error.error_type):
                        circuit.failed()
                    else:
                        circuit.succeeded()
                    raise
                circuit.succeeded()
                return attempt
        raise RefusedRequestError(f"no attempt was made of {target.model!r}")

    async def _attempt(
        self, asked: Asked, target: Target, wire: WireRequest, errand: Errand
    ) -> Attempt:
        async def open_call(_: AimedRequest, opening: CallOpening) -> OpenCall:
            return await self._bounding.open(
                errand.meter, opening, began_ns=errand.began_ns, still_wanted=errand.still_wanted
            )

        admitted = await admit(
            AimedRequest(asked, target, wire),
            self._bounding,
            target.kind,
            lambda aimed: self._opening(aimed.target, aimed.wire, errand),
            open_call,
        )
        errand.attempts += 1
        errand.told = admitted.told
        attempt = Attempt(admitted.request, admitted.opened, self._patience)
        await attempt.begin(errand.sender)
        return attempt

    async def _refused(self, target: Target, wire: WireRequest, errand: Errand) -> LLMServiceError:
        """Enter a request of which no attempt is made, for every model of it is left alone."""
        opening = self._opening(target, wire, errand)
        note = "the model kept failing and is left alone for a while"
        call = await errand.meter.refused(opening, ErrorType.CIRCUIT_OPEN, note)
        return _left_alone(target, call_id=call.intent.id)

    def _opening(self, target: Target, wire: WireRequest, errand: Errand) -> CallOpening:
        facts = wire.facts
        return CallOpening(
            caller=errand.caller,
            provider=target.provider,
            operation=facts.operation,
            model=target.model,
            streamed=facts.streamed,
            input_bytes=len(wire.body),
            output_tokens_max=facts.output_tokens_max,
            answers=facts.answers,
            request_id=errand.request_id,
            attempt=min(errand.attempts, ATTEMPTS_MAX),
            cache_miss=errand.cache_miss,
        )

    def _is_asked_again(self, error: BaseException) -> bool:
        """Whether the same model is asked once more after an error."""
        if not isinstance(error, LLMServiceError) or not is_transient(error.error_type):
            return False
        if error.error_type in (ErrorType.CIRCUIT_OPEN, ErrorType.TIMEOUT):
            return False
        wanted = error.retry_after_seconds
        return wanted is None or wanted <= self._routing.retry_after_seconds_max

    def _pause_seconds(self, state: RetryCallState) -> float:
        """As long as the provider wants, else longer each time."""
        error = _error_of(state)
        wanted = None if error is None else error.retry_after_seconds
        return self._backoff_seconds(state) if wanted is None else wanted


def _error_of(state: RetryCallState) -> LLMServiceError | None:
    error = None if state.outcome is None else state.outcome.exception()
    return error if isinstance(error, LLMServiceError) else None


def _log_retry(state: RetryCallState) -> None:
    """Each attempt is an entry of the ledger, so that this is for who looks closely."""
    error = _error_of(state)
    if error is not None:
        logger.debug("%s; asked again in %.2f s", error.error_type, state.upcoming_sleep)


def _left_alone(target: Target, *, call_id: str | None) -> LLMServiceError:
    return service_error(
        f"{target.provider}: {target.model} kept failing and is left alone for a while",
        error_type=ErrorType.CIRCUIT_OPEN,
        provider=target.provider,
        call_id=call_id,
    )
