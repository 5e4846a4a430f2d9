"""How an attempt ended, and the entry that follows from it: the one place where a Call is made."""

from typing import Protocol

import msgspec

from modelmeter.pricing.book import Price
from modelmeter.pricing.estimate import OUTPUT_TOKENS_MAX, estimate_tokens, lost_call_tokens
from modelmeter.providers.contract import ResponseFacts
from modelmeter.record import (
    NO_TOOLS,
    RESERVATION,
    Call,
    CallBound,
    CostState,
    ErrorType,
    Intent,
    Operation,
    PicoUsd,
    Status,
    TokenCounts,
    ToolCalls,
)

__all__ = ["Ending", "Pricer", "Timing", "cached_call", "call_of", "lost_call", "refused_call"]

_HTTP_ERROR = 400
_EMBEDDING_OPERATIONS = frozenset({Operation.EMBEDDINGS, Operation.EMBED_CONTENT})
_REDIRECTS = range(300, 400)
_GOES_ON_NOTE = (
    "the provider works on in the background, and what it uses is in no answer of this call; "
    "priced at the most it may use"
)
_LOST_NOTE = "the process ended before the outcome was known; priced at the most it may have used"


class Pricer(Protocol):
    """What the meter asks of a price book."""

    def price(
        self,
        provider: str,
        model: str,
        tokens: TokenCounts,
        at_ns: int,
        *,
        model_answered: str | None = None,
        service_tier: str | None = None,
        region: str | None = None,
        tools: ToolCalls = NO_TOOLS,
    ) -> Price:
        """The exact cost of ``tokens`` at ``at_ns``, or a price that says it is unknown."""
        ...


class Ending(msgspec.Struct, frozen=True):
    """What the source of a call saw of its end."""

    facts: ResponseFacts
    http_status: int | None = None
    """None: the upstream never answered."""
    provider_request_id: str | None = None
    failure: ErrorType | None = None
    """Why the exchange itself broke off: timeout, connection, cancelled."""
    sent: bool = True
    """The request may have reached the upstream."""


class Timing(msgspec.Struct, frozen=True):
    """Nanoseconds of the monotonic clock from the call's start."""

    duration_ns: int
    time_to_first_token_ns: int | None = None


def call_of(intent: Intent, ending: Ending, timing: Timing, pricer: Pricer) -> Call:
    """
    Make the entry of an attempt: its status, what it used, and what that cost.

    A redirect is no answer of a model: it is an error that cost nothing.
    """
    if ending.http_status in _REDIRECTS:
        # No model has seen the request, whatever the answer says.
        ending = msgspec.structs.replace(
            ending,
            facts=ResponseFacts(),
            failure=ending.failure or ErrorType.BAD_RESPONSE,
            sent=False,
        )
    facts = ending.facts
    status, error_type = _status(ending)
    tokens, estimated = _usage(intent, ending)
    if estimated is not None and ending.failure is not ErrorType.BUDGET_EXCEEDED:
        tokens = _within(tokens, intent.bound, facts.tokens)
    price = pricer.price(
        intent.provider,
        intent.model,
        tokens,
        intent.started_at_ns,
        model_answered=facts.model_answered,
        service_tier=facts.service_tier,
        region=facts.region,
        tools=facts.tools,
    )
    state, note = price.state, price.note
    if not tokens.total:
        state, note = CostState.PRICED, None
    if estimated is not None:
        note = estimated
        if state is CostState.PRICED:
            state = CostState.ESTIMATED
    return Call(
        intent=intent,
        status=status,
        error_type=error_type,
        http_status=ending.http_status,
        provider_request_id=ending.provider_request_id or facts.provider_request_id,
        duration_ns=timing.duration_ns,
        time_to_first_token_ns=timing.time_to_first_token_ns,
        model_answered=facts.model_answered,
        tokens=tokens,
        cost=price.cost,
        cost_state=state,
        priced_model=price.priced_model,
        price_source=price.price_source,
        overrun=_exceeds(tokens, price.cost, intent.bound),
        note=note or facts.note,
        tools=facts.tools,
        usage_estimated=estimated is not None,
        card=price.card,
    )


def lost_call(intent: Intent, pricer: Pricer) -> Call:
    """The entry of a call whose outcome nobody saw: its reservation, marked as unknown."""
    bound = intent.bound
    if bound is None or bound.cost is None:
        return _guessed_call(intent, pricer)
    return Call(
        intent=intent,
        status=Status.UNKNOWN,
        tokens=_held(bound),
        cost=bound.cost,
        cost_state=CostState.ESTIMATED,
        price_source=RESERVATION,
        note=_LOST_NOTE,
        usage_estimated=True,
    )


def _guessed_call(intent: Intent, pricer: Pricer) -> Call:
    """A lost call for which no money was held: a high guess, at the price of its tokens."""
    tokens = _most(intent)
    price = pricer.price(intent.provider, intent.model, tokens, intent.started_at_ns)
    if price.state is CostState.UNPRICED:
        read = msgspec.structs.replace(tokens, output=0)
        other = pricer.price(intent.provider, intent.model, read, intent.started_at_ns)
        if other.state is not CostState.UNPRICED:
            # A model without a price of output, one of embeddings say, writes none.
            tokens, price = read, other
    priced = price.state is not CostState.UNPRICED
    return Call(
        intent=intent,
        status=Status.UNKNOWN,
        tokens=tokens,
        cost=price.cost,
        cost_state=CostState.ESTIMATED if priced else CostState.UNPRICED,
        priced_model=price.priced_model,
        price_source=price.price_source,
        note=_LOST_NOTE,
        usage_estimated=True,
        card=price.card,
    )


def _most(intent: Intent) -> TokenCounts:
    """What was held for a call, else a high guess."""
    if intent.bound is not None:
        return _held(intent.bound)
    return lost_call_tokens(intent.input_bytes, intent.output_tokens_max, intent.answers)


def _held(bound: CallBound) -> TokenCounts:
    return TokenCounts(input=bound.tokens - bound.output_tokens, output=bound.output_tokens)


def refused_call(intent: Intent, error_type: ErrorType, note: str) -> Call:
    """The entry of a call that was refused before any upstream saw it; it cost nothing."""
    return Call(
        intent=intent,
        status=Status.BLOCKED,
        error_type=error_type,
        tokens=TokenCounts(),
        cost=PicoUsd(0),
        cost_state=CostState.PRICED,
        note=note,
    )


def cached_call(
    intent: Intent, facts: ResponseFacts, timing: Timing, pricer: Pricer, http_status: int
) -> Call:
    """The entry of a call that was answered from the cache: no tokens, no cost, what it saved."""
    price = pricer.price(
        intent.provider,
        intent.model,
        facts.tokens or TokenCounts(),
        intent.started_at_ns,
        model_answered=facts.model_answered,
        service_tier=facts.service_tier,
        region=facts.region,
        tools=facts.tools,
    )
    return Call(
        intent=intent,
        status=Status.SUCCESS,
        http_status=http_status,
        duration_ns=timing.duration_ns,
        time_to_first_token_ns=timing.time_to_first_token_ns,
        model_answered=facts.model_answered,
        tokens=TokenCounts(),
        cost=PicoUsd(0),
        cost_state=CostState.PRICED,
        priced_model=price.priced_model,
        price_source=price.price_source,
        cached=True,
        cost_saved=price.cost,
    )


def _within(
    guess: TokenCounts, bound: CallBound | None, reported: TokenCounts | None
) -> TokenCounts:
    """A guess never exceeds what was held for the call, which is a true bound; a report may."""
    if bound is None:
        return guess
    seen = reported or TokenCounts()
    return msgspec.structs.replace(
        guess,
        input=min(guess.input, max(bound.tokens - bound.output_tokens, seen.input)),
        output=min(guess.output, max(bound.output_tokens - guess.reasoning, seen.output)),
    )


def _exceeds(tokens: TokenCounts, cost: int, bound: CallBound | None) -> bool:
    if bound is None:
        return False
    return tokens.total > bound.tokens or (bound.cost is not None and cost > bound.cost)


def _status(ending: Ending) -> tuple[Status, ErrorType | None]:
    if ending.failure is ErrorType.CANCELLED:
        return Status.CANCELLED, ErrorType.CANCELLED
    error_type = ending.failure or ending.facts.error_type
    if error_type is ErrorType.TIMEOUT:
        return Status.TIMEOUT, error_type
    if error_type is not None:
        return Status.ERROR, error_type
    if ending.http_status is None or ending.http_status >= _HTTP_ERROR:
        return Status.ERROR, ErrorType.SERVER_ERROR
    return Status.SUCCESS, None


def _usage(intent: Intent, ending: Ending) -> tuple[TokenCounts, str | None]:
    """What was used, and why it is an estimate if it is one."""
    facts = ending.facts
    if not ending.sent:
        return TokenCounts(), None
    answered = ending.http_status is not None
    if answered and ending.http_status is not None and ending.http_status >= _HTTP_ERROR:
        return facts.tokens or TokenCounts(), None
    if facts.tokens is not None and facts.ended:
        return facts.tokens, None
    if facts.goes_on and facts.tokens is None:
        return _most(intent), _GOES_ON_NOTE
    guess = estimate_tokens(intent.input_bytes, *_written(intent, facts))
    why = _why_estimated(ending)
    if facts.tokens is None:
        is_cut = ending.failure is ErrorType.BUDGET_EXCEEDED
        return guess, why if is_cut else facts.note or why
    # A stream that broke off: the counts so far are true but may lack what came after them.
    seen = facts.tokens
    missing = max(guess.output - seen.output - seen.reasoning, 0)
    is_whole = facts.error_type is None or facts.is_written
    if not missing and ending.failure is None and is_whole:
        return seen, None
    return msgspec.structs.replace(seen, output=seen.output + missing), why


def _written(intent: Intent, facts: ResponseFacts) -> tuple[int, int]:
    """How many characters the model wrote, and how many tokens they can be at most."""
    if intent.operation in _EMBEDDING_OPERATIONS:
        # However many numbers came, none of them is output.
        return 0, 0
    return facts.output_characters, OUTPUT_TOKENS_MAX * intent.answers


def _why_estimated(ending: Ending) -> str:
    if ending.failure is ErrorType.BUDGET_EXCEEDED:
        return "cut where it had used up what was held for it"
    if ending.failure is not None and ending.http_status is None:
        return "no answer came; the provider may have billed the request"
    if ending.failure is not None or ending.facts.error_type is not None:
        return "the answer broke off before the provider reported its usage"
    return "the provider reported no usage"
