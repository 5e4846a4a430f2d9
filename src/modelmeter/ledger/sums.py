"""What some calls add up to, as reports and the API show it."""

from typing import Final

import msgspec

from modelmeter.ledger.facts import ERROR_STATUSES, STATUS_FACTS
from modelmeter.record import PICO_PER_USD, Status

__all__ = ["SUM_FACTS", "Sums"]

_FAILURES = tuple(STATUS_FACTS[status] for status in ERROR_STATUSES if status is not Status.BLOCKED)

SUM_FACTS: Final = (
    "calls", "cached", "cache_missed", "tokens", "cost_usd", "cost_pico", "saved_usd", "saved_pico",
    "unpriced", STATUS_FACTS[Status.SUCCESS], STATUS_FACTS[Status.BLOCKED], *_FAILURES,
)  # fmt: skip
"""The facts that `Sums.of` takes, in its order."""


class Sums(msgspec.Struct):
    """What some calls add up to; cost in pico-dollars."""

    calls: int = 0
    errors: int = 0
    cached: int = 0
    tokens: int = 0
    cost: int = 0
    unpriced_calls: int = 0
    cost_saved: int = 0
    successes: int = 0
    blocked: int = 0
    cache_missed: int = 0
    """Calls that the cache was asked for and did not hold; others never asked it."""

    @property
    def failures(self) -> int:
        """Calls that were made and failed: what an error rate counts."""
        return self.errors - self.blocked

    @classmethod
    def of(cls, facts: tuple[int, ...]) -> "Sums":
        """The sums that the facts named in `SUM_FACTS` are."""
        calls, cached, missed, tokens, usd, pico, saved_usd, saved_pico, unpriced, *statuses = facts
        successes, blocked, *errors = statuses
        return cls(
            calls=calls,
            errors=blocked + sum(errors),
            cached=cached,
            cache_missed=missed,
            tokens=tokens,
            cost=usd * PICO_PER_USD + pico,
            unpriced_calls=unpriced,
            cost_saved=saved_usd * PICO_PER_USD + saved_pico,
            successes=successes,
            blocked=blocked,
        )

    def add(self, other: "Sums") -> None:
        """Add other calls."""
        for field in self.__struct_fields__:
            setattr(self, field, getattr(self, field) + getattr(other, field))
