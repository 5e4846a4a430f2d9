"""The shapes of the API's answers."""

from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict

from modelmeter.ledger.sums import Sums
from modelmeter.record import usd_text

__all__ = [
    "Breakdown",
    "BreakdownRow",
    "BudgetFigure",
    "Change",
    "ErrorAnswer",
    "Latency",
    "Line",
    "Names",
    "Series",
    "Summary",
    "Usage",
    "Warned",
    "change_of",
    "usage_of",
]

Usd = str
"""An exact decimal number, such as ``"0.00331"``."""


class Answer(BaseModel):
    """Frozen, and nothing unsaid in the schema."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ErrorBody(Answer):
    """What went wrong: ``code`` for programs, ``message`` for people."""

    code: str
    message: str


class ErrorAnswer(Answer):
    """Every answer with a status of 400 and above."""

    error: ErrorBody


class Usage(Answer):
    """What some calls add up to. Rates are from 0 to 1, null without calls to take them of."""

    calls: int
    errors: int
    """Calls that did not succeed: of every status but success, as in ``llm_errors_total``."""
    cached: int
    cache_missed: int
    """Calls that the response cache was asked for and did not hold."""
    tokens: int
    cost_usd: Usd
    cost_saved_usd: Usd
    unpriced_calls: int
    error_rate: float | None
    """Failed calls, of those that succeeded or failed; blocked and cancelled ones are neither."""
    success_rate: float | None
    cache_hit_rate: float | None


class Latency(Answer):
    """Time from a call's request to the end of its answer, from a histogram; null without calls."""

    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None


class Warned(Answer):
    """Something the viewer should know about the numbers."""

    code: Literal["unpriced"]
    message: str
    calls: int


class ActiveCalls(Answer):
    """Calls under way at a provider."""

    provider: str
    calls: int


class BudgetFigure(Answer):
    """A budget at a look; amounts are exact, in its unit (usd, tokens or calls)."""

    name: str
    unit: str
    window: str
    limit: str
    settled: str
    reserved: str
    percent: str
    """Of the limit, settled, rounded to a tenth; 100 from the limit on only."""
    forecast: str | None
    """What is settled at the window's end if it goes on like this; null: too early, or it rolls."""
    resets_at: str | None
    """Null: the window rolls."""


class Period(Answer):
    """The time an answer is about, in ISO 8601."""

    from_: str
    to: str
    time_zone: str

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=lambda name: name.rstrip("_"),
        populate_by_name=True,
    )


class Summary(Period):
    """What the overview shows in figures."""

    total: Usage
    previous: Usage
    """The same sums for the period before, as far as it had come by then."""
    requests_per_second: float
    """Calls that began in the last minute, by 60."""
    cost_24h_usd: Usd
    budget: BudgetFigure | None
    """
    The day's budget in USD that counts just the calls asked about, of whatever time; of several the
    one of which the largest part is spent.
    """
    cache_hit_rate: float | None
    error_rate: float | None
    success_rate: float | None
    active_requests: list[ActiveCalls]
    latency: Latency
    warnings: list[Warned]
    newest_seq: int
    """Grows with every call that ends."""


class Line(Answer):
    """One line of a chart; a value for each time, null where there is nothing to show."""

    name: str
    values: list[float | None]


class Series(Period):
    """Values over time. A step begins at its time and is ``step_seconds`` long."""

    metric: str
    by: str
    unit: str
    step_seconds: int
    times: list[str]
    series: list[Line]


class Change(Answer):
    """Growth against the period before: 0.5 is half as much again; null where there was none."""

    calls: float | None
    tokens: float | None
    cost: float | None


class BreakdownRow(Usage):
    """One group."""

    name: str
    share: float | None
    """Its part of the whole cost, from 0 to 1."""
    latency: Latency | None
    change: Change | None


class Breakdown(Period):
    """Groups of calls, the dearest first; they add up to the total."""

    by: str
    total: Usage
    rows: list[BreakdownRow]
    other: BreakdownRow | None
    """All groups beyond the limit together."""


class Names(Answer):
    """What can be filtered by, as seen in the time asked about."""

    agent: list[str]
    team: list[str]
    model: list[str]
    provider: list[str]
    tenant: list[str]


def usage_of(sums: Sums) -> dict[str, object]:
    """The fields of `Usage`."""
    counted = sums.successes + sums.failures
    return {
        "calls": sums.calls,
        "errors": sums.errors,
        "cached": sums.cached,
        "cache_missed": sums.cache_missed,
        "tokens": sums.tokens,
        "cost_usd": usd_text(sums.cost),
        "cost_saved_usd": usd_text(sums.cost_saved),
        "unpriced_calls": sums.unpriced_calls,
        "error_rate": ratio(sums.failures, counted),
        "success_rate": ratio(sums.successes, counted),
        "cache_hit_rate": ratio(sums.cached, sums.cached + sums.cache_missed),
    }


def change_of(now: Sums, before: Sums) -> Change:
    """Growth of the sums."""
    return Change(
        calls=_growth(now.calls, before.calls),
        tokens=_growth(now.tokens, before.tokens),
        cost=_growth(now.cost, before.cost),
    )


def ratio(part: int, whole: int) -> float | None:
    """``part`` of ``whole``; None of nothing."""
    return float(Decimal(part) / Decimal(whole)) if whole else None


def _growth(now: int, before: int) -> float | None:
    return ratio(now - before, before)
