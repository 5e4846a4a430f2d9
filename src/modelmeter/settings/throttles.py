"""The tables ``[[throttles]]`` of the configuration: how fast calls may come."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from modelmeter.settings.scope import ScopeSettings

__all__ = ["THROTTLES_MAX", "ThrottleSettings"]

THROTTLES_MAX = 1000
"""Throttles of one configuration."""

_COUNT_MAX = 10**12
_QUEUE_SECONDS_MAX = 120
"""A signed request is good for five minutes."""

Count = Annotated[int, Field(ge=1, le=_COUNT_MAX)]


class ThrottleSettings(ScopeSettings):
    """An entry of ``[[throttles]]``; all processes on one ledger share its quota."""

    calls_per_minute: Count | None = None
    """At least one of the three limits."""
    tokens_per_minute: Count | None = None
    """Held by the bound of a call while it runs, then what it used."""
    concurrent_calls: Count | None = None
    queue_seconds: Annotated[float, Field(ge=0, le=_QUEUE_SECONDS_MAX)] = 0
    """How long a call may wait for its turn, in no promised order; 0: it is refused at once."""
    queue_max: Annotated[int, Field(ge=1, le=10_000)] = 100
    """Calls that wait at once, in one process; further ones are refused."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.calls_per_minute is self.tokens_per_minute is self.concurrent_calls is None:
            raise ValueError(
                "give at least one of calls_per_minute, tokens_per_minute and concurrent_calls"
            )
        return self
