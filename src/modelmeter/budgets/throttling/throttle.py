"""A throttle, and whether one more call fits it: pure, from what it stands at."""

from collections.abc import Mapping

import msgspec

from modelmeter.budgets.budget import Scope
from modelmeter.settings.scope import SCOPE_NAMES
from modelmeter.settings.throttles import ThrottleSettings

__all__ = ["WINDOW_SECONDS", "Excess", "Level", "Throttle", "excess_of", "throttle_of"]

WINDOW_SECONDS = 61
"""
Whole seconds that count at any moment, the running one included.

One more than a minute has: so never more than the limit passes in any sixty seconds, wherever
they begin.
"""

RUNNING_RETRY_SECONDS = 1.0
"""When to ask again for a place among the calls at once: nobody knows when one ends."""

_NS = 1_000_000_000


class Throttle(msgspec.Struct, frozen=True):
    """A definition, as the settings gave it."""

    name: str
    scope: Scope
    calls_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent_calls: int | None = None
    queue_seconds: float = 0
    queue_max: int = 1


class Level:
    """What a throttle stands at, within one transaction."""

    __slots__ = ("running", "slots")

    def __init__(self, slots: Mapping[int, tuple[int, int]], running: int) -> None:
        self.slots = dict(slots)
        """Calls and tokens by the second in which they were let through."""
        self.running = running

    def add(self, second: int, calls: int, tokens: int) -> None:
        """Count in a slot; take back with negative numbers."""
        old_calls, old_tokens = self.slots.get(second, (0, 0))
        self.slots[second] = (max(old_calls + calls, 0), max(old_tokens + tokens, 0))


class Excess(msgspec.Struct, frozen=True):
    """Why a call does not fit."""

    limit: str
    """In words, such as ``60 calls a minute``."""
    retry_after_seconds: float
    """When it may fit, as far as anybody can tell."""
    ever_fits: bool = True
    """False: the call alone can use more than the limit."""


def throttle_of(settings: ThrottleSettings) -> Throttle:
    """The throttle of an entry of ``[[throttles]]``."""
    return Throttle(
        name=settings.name,
        scope=Scope(**{name: getattr(settings, name) for name in SCOPE_NAMES}),
        calls_per_minute=settings.calls_per_minute,
        tokens_per_minute=settings.tokens_per_minute,
        concurrent_calls=settings.concurrent_calls,
        queue_seconds=settings.queue_seconds,
        queue_max=settings.queue_max,
    )


def excess_of(throttle: Throttle, level: Level, tokens: int, now_ns: int) -> Excess | None:
    """Why one more call of up to ``tokens`` does not fit; None if it does."""
    if throttle.concurrent_calls is not None and level.running >= throttle.concurrent_calls:
        return Excess(f"{_count(throttle.concurrent_calls, 'call')} at once", RUNNING_RETRY_SECONDS)
    for place, (limit, needed, unit) in enumerate(
        ((throttle.calls_per_minute, 1, "call"), (throttle.tokens_per_minute, tokens, "token"))
    ):
        if limit is None:
            continue
        used = [(second, slot[place]) for second, slot in level.slots.items()]
        over = sum(amount for _, amount in used) + needed - limit
        if over > 0:
            return Excess(
                f"{_count(limit, unit)} a minute",
                _seconds_until(used, over, now_ns),
                needed <= limit,
            )
    return None


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}{'' if number == 1 else 's'}"


def _seconds_until(used: list[tuple[int, int]], over: int, now_ns: int) -> float:
    """When so many of the oldest slots have run out that ``over`` is made up for."""
    free_at_seconds = now_ns / _NS
    for second, amount in sorted(used):
        over -= amount
        free_at_seconds = second + WINDOW_SECONDS
        if over <= 0:
            break
    return max(free_at_seconds - now_ns / _NS, 0.0)
