"""What some calls add up to, as reports and the API show it."""

from typing import Final

import msgspec

from modelmeter.ledger.facts import STATUS_FACTS
from modelmeter.record import ERROR_STATUSES, FAILED_STATUSES, PICO_PER_USD, Status

__all__ = ["SUM_FACTS", "Sums"]

_BLOCKED = ERROR_STATUSES.index(Status.BLOCKED)
_FAILED = tuple(ERROR_STATUSES.index(status) for status in FAILED_STATUSES)

SUM_FACTS: Final = (
    "calls", "cached", "cache_missed", "tokens", "cost_usd", "cost_pico", "saved_usd", "saved_pico",
    "unpriced", STATUS_FACTS[Status.SUCCESS], *(STATUS_FACTS[status] for status in ERROR_STATUSES),
)  # fmt: skip
"""The facts that `Sums.of` takes, in its order."""


class Sums(msgspec.Struct):
    """What some calls add up to; cost in pico-dollars."""

    calls: int = 0
    errors: int = 0
    """Calls that did not succeed, of every status but success."""
    cached: int = 0
    tokens: int = 0
    cost: int = 0
    unpriced_calls: int = 0
    cost_saved: int = 0
    successes: int = 0
    blocked: int = 0
    failures: int = 0
    """The errors that an error rate is of: see `FAILED_STATUSES`."""
    cache_missed: int = 0
    """Calls that the cache was asked for and did not hold; others never asked it."""

    @classmethod
    def of(cls, facts: tuple[int, ...]) -> "Sums":
        """The sums that the facts named in `SUM_FACTS` are."""
        calls, cached, missed, tokens, usd, pico, saved_usd, saved_pico, unpriced, *statuses = facts
        successes, *errors = statuses
        return cls(
            calls=calls,
            errors=sum(errors),
            cached=cached,
            cache_missed=missed,
            tokens=tokens,
            cost=usd * PICO_PER_USD + pico,
            unpriced_calls=unpriced,
            cost_saved=saved_usd * PICO_PER_USD + saved_pico,
            successes=successes,
            blocked=errors[_BLOCKED],
            failures=sum(errors[place] for place in _FAILED),
        )

    def add(self, other: "Sums") -> None:
        """Add other calls."""
        for field in self.__struct_fields__:
            setattr(self, field, getattr(self, field) + getattr(other, field))
