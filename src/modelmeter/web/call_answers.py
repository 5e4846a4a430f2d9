"""The shapes of the API's answers about calls."""

from modelmeter.web.answers import Answer, Period, Usd

__all__ = ["Attempt", "CallDetail", "CallRow", "CallsPage", "Correction", "CostLine"]


class Attempt(Answer):
    """One attempt at an upstream."""

    id: str
    started_at: str
    provider: str
    model: str
    status: str
    error_type: str | None
    http_status: int | None
    duration_ms: float
    cost_usd: Usd
    cost_state: str


class CallRow(Attempt):
    """One call of a list."""

    agent: str
    team: str
    tenant: str
    operation: str
    streamed: bool
    cached: bool
    time_to_first_token_ms: float | None
    tokens: int
    cost_saved_usd: Usd


class CallsPage(Period):
    """Calls, those that began last first."""

    calls: list[CallRow]
    next: str | None
    """The ``cursor`` of the next page; null: there is none."""


class CostLine(Answer):
    """What the tokens of one kind, or the uses of one tool, cost."""

    kind: str
    tokens: int
    """Or uses."""
    usd_per_million: Usd
    cost_usd: Usd


class Correction(Answer):
    """A later change of a call's cost."""

    at: str
    cost_before_usd: Usd
    cost_after_usd: Usd
    price_source: str | None
    note: str | None


class CallDetail(CallRow):
    """Everything that is known of one call. Prompts and answers are not: nobody keeps them."""

    key_id: str
    request_id: str
    attempt: int
    provider_request_id: str | None
    model_requested: str | None
    """What was asked for, if a budget had a cheaper model called."""
    model_answered: str | None
    cache_miss: str | None
    """Why the response cache did not answer; null where it was not asked."""
    priced_model: str | None
    price_source: str | None
    """Which price: catalogue, listing, and from when it holds."""
    price_since: str | None
    """The day from which it holds; null: no other price before it is known."""
    price_tier: str | None
    price_region: str | None
    note: str | None
    tokens_by_kind: dict[str, int]
    cost_lines: list[CostLine]
    """They add up to the cost; of a cached call, to what it saved."""
    cost_rest_usd: Usd
    """What of the cost is no line's; of a cached call, of what it saved."""
    after_first_token_ms: float | None
    attempts: list[Attempt]
    """All of its request, in their order, this one among them."""
    corrections: list[Correction]
    """Oldest first."""
