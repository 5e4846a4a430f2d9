"""The record: one attempt at an upstream, before and after its outcome is known."""

import msgspec

from modelmeter.record.bound import CallBound
from modelmeter.record.caller import Caller
from modelmeter.record.rate_card import RateCard
from modelmeter.record.tokens import TokenCounts
from modelmeter.record.tools import NO_TOOLS, ToolCalls
from modelmeter.record.usd import PicoUsd
from modelmeter.record.vocabulary import CacheMiss, CostState, ErrorType, Operation, Status

__all__ = ["Call", "Intent"]


class Intent(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of a call before its first byte goes upstream."""

    id: str
    """UUIDv7, ours; never the provider's."""
    request_id: str
    """Groups the attempts of one request of the caller."""
    attempt: int
    """0 for the first, then what the caller's SDK counts."""
    started_at_ns: int
    """UTC, nanoseconds since 1970."""
    caller: Caller
    provider: str
    operation: Operation
    model: str
    """As it was asked of the upstream."""
    streamed: bool
    input_bytes: int
    """Length of the request's body: bounds the input of a call whose outcome is lost."""
    output_tokens_max: int | None
    """The output limit that the request sets for each answer, if any."""
    model_requested: str | None = None
    """What the caller asked for, where a budget had another model asked; None: the same."""
    bound: CallBound | None = None
    """The most it can use, which budgets hold for it; None: no budget applies."""
    cache_miss: CacheMiss | None = None
    """Why the response cache had no answer; None: a hit, or it was not asked."""
    answers: int = 1
    """How many answers the request asks for."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt with its outcome: an entry of the ledger, never changed afterwards."""

    intent: Intent
    status: Status
    error_type: ErrorType | None = None
    http_status: int | None = None
    """What the upstream answered; None if it answered nothing."""
    provider_request_id: str | None = None
    duration_ns: int = 0
    time_to_first_token_ns: int | None = None
    model_answered: str | None = None
    tokens: TokenCounts
    cost: PicoUsd
    cost_state: CostState
    priced_model: str | None = None
    """The catalogue's id of the model whose price was taken."""
    price_source: str | None = None
    """Which catalogue and version, with the date from which the price holds."""
    cached: bool = False
    cost_saved: PicoUsd = PicoUsd(0)
    overrun: bool = False
    """It used more than was held for it."""
    note: str | None = None
    """Why the entry is estimated or unpriced, for people."""
    tools: ToolCalls = NO_TOOLS
    usage_estimated: bool = False
    """The tokens are a guess, for the provider did not tell them or was not believed."""
    card: RateCard | None = None
    """The rates of the cost, and the terms under which they were asked for."""

    @property
    def model(self) -> str:
        """The model as metrics and reports name it: as it was asked."""
        return self.intent.model

    @property
    def error(self) -> str | None:
        """Why it did not succeed: its error type or, without one, its status; None: it did."""
        return None if self.status is Status.SUCCESS else self.error_type or self.status
