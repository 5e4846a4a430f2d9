"""The tables ``[[budgets]]`` and ``[budgeting]`` of the configuration."""

from decimal import Decimal
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator, model_validator

from modelmeter.settings.scope import Scoped, ScopeSettings

__all__ = ["BUDGETS_MAX", "BudgetSettings", "BudgetingSettings"]

BUDGETS_MAX = 1000
"""Budgets of one ledger."""

_USD_MAX = 10**9
_COUNT_MAX = 10**15
_ROLLING_SECONDS_MAX = 400 * 86_400

Usd = Annotated[Decimal, Field(gt=0, le=_USD_MAX, decimal_places=12)]
Count = Annotated[int, Field(ge=1, le=_COUNT_MAX)]
Percent = Annotated[int, Field(ge=1, le=1000)]
OutputTokens = Annotated[int, Field(ge=1, le=1_000_000)]


class BudgetSettings(ScopeSettings):
    """An entry of ``[[budgets]]``: what may be spent, by whom, in which time."""

    window: Literal["hour", "day", "week", "month", "rolling"]
    seconds: Annotated[int, Field(ge=1, le=_ROLLING_SECONDS_MAX)] | None = None
    """The length of a rolling window."""
    time_zone: str | None = None
    """Of a calendar window; without it the configuration's."""
    limit_usd: Usd | None = None
    """Exactly one of the three limits."""
    limit_tokens: Count | None = None
    limit_calls: Count | None = None
    thresholds: Annotated[tuple[Percent, ...], Field(max_length=20)] = (50, 80, 100)
    """Percent of the limit; each is told once a window."""
    at_limit: Literal["alert", "block", "downgrade"] = "block"
    downgrade: dict[Scoped, Scoped] = Field(default_factory=dict)
    """Models, and the cheaper ones that are asked instead once the limit is reached."""
    shadow: bool = False
    """Only count what would be refused or downgraded."""
    extra: Usd | None = None
    """More for a while, in the unit of the limit."""
    extra_until: AwareDatetime | None = None

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        try:
            if value is not None:
                ZoneInfo(value)
        except (OSError, ValueError, LookupError) as error:
            raise ValueError("give an IANA time zone, such as Europe/Stockholm") from error
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        limits = (self.limit_usd, self.limit_tokens, self.limit_calls)
        if sum(limit is not None for limit in limits) != 1:
            raise ValueError("give exactly one of limit_usd, limit_tokens and limit_calls")
        if (self.window == "rolling") != (self.seconds is not None):
            raise ValueError('seconds is the length of window = "rolling", and of no other')
        if (self.at_limit == "downgrade") != bool(self.downgrade):
            raise ValueError(
                'downgrade = { "model" = "cheaper model" } goes with at_limit = "downgrade"'
            )
        if circular := sorted(self.downgrade.keys() & self.downgrade.values()):
            raise ValueError(f"{circular[0]!r} is downgraded to and from: give the last model")
        if (self.extra is None) != (self.extra_until is None):
            raise ValueError("extra and extra_until go together")
        if self.limit_usd is None and self.extra is not None and self.extra % 1:
            raise ValueError("extra is a whole number of tokens or calls here")
        return self


class BudgetingSettings(BaseModel):
    """The table ``[budgeting]``: what holds for all budgets."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    unpriced: Literal["refuse", "allow"] = "refuse"
    """A call whose price nobody knows, under a limit in USD that blocks or downgrades."""
    without_ledger: Literal["refuse", "allow"] = "refuse"
    """
    A call while the ledger cannot commit, if no budget can stop it: ``allow`` passes it on
    unmetered. One that a budget can stop is always refused.
    """
    without_output_limit: Literal["inject", "refuse"] = "inject"
    """
    A request that limits its output by nothing, where a budget or throttle can stop it: it gets
    a limit, or is refused.
    """
    output_tokens_default: OutputTokens | None = None
    """The limit such a request gets; without it, or above it, what the model's maker publishes."""
    clamp_output: bool = False
    """Where what is left of a budget is less than a call can use, its limit is lowered to fit."""
    clamped_output_tokens_min: OutputTokens = 256
    """A call that could write fewer tokens than this is not worth making."""
