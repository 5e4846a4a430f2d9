"""What to do about a low hit rate: which agents miss, and why."""

from collections.abc import Iterable

import msgspec

from modelmeter.ledger.cache_figures import CacheUse
from modelmeter.record import CacheMiss

__all__ = ["AIM_PERCENT", "CALLS_MIN", "CacheAdvice", "cache_advice"]

AIM_PERCENT = 30.0
"""The hit rate below which something is worth doing."""
CALLS_MIN = 20
"""An agent with fewer calls tells nothing."""
REASON_SHARE_MIN_PERCENT = 25.0
"""A reason for fewer of an agent's misses is not worth a line."""

_WHAT_TO_DO = {
    CacheMiss.FIRST_SEEN: (
        "were for requests never seen before",
        "keep times, ids and names out of its prompts, or turn caching off in [[cache.rules]]",
    ),
    CacheMiss.EXPIRED: (
        "were for requests answered before, longer ago than their time to live",
        "raise ttl_seconds for this agent in [[cache.rules]]",
    ),
    CacheMiss.EVICTED: (
        "were for requests whose answers had made room",
        "raise bytes_max in [cache], or the maxmemory of the Redis",
    ),
    CacheMiss.NOT_STORED: (
        "were for requests whose answers were cut, refused or too long to be kept",
        "raise the limit of output tokens in the requests, or answer_bytes_max in [cache]",
    ),
    CacheMiss.TEMPERATURE: (
        "asked for a temperature above the ceiling",
        "lower the temperature of the requests, or raise temperature_max in [[cache.rules]]",
    ),
    CacheMiss.NO_STORE: (
        "said Cache-Control: no-store",
        "leave that header out of the agent's requests",
    ),
    CacheMiss.NO_CACHE: (
        "said Cache-Control: no-cache",
        "leave that header out of the agent's requests",
    ),
    CacheMiss.MAX_AGE: (
        "said Cache-Control: max-age, and the stored answers were older",
        "raise max-age in the agent's requests",
    ),
    CacheMiss.UNAVAILABLE: (
        "came while the cache's store did not answer",
        "look at the Redis that `store` in [cache] names",
    ),
}


class CacheAdvice(msgspec.Struct, frozen=True):
    """One reason for an agent's low hit rate, and what helps."""

    agent_id: str
    calls: int
    hit_rate_percent: float
    reason: CacheMiss
    share_percent: float
    """Of the agent's misses."""
    text: str
    """For people."""


def cache_advice(
    uses: Iterable[CacheUse], *, aim_percent: float = AIM_PERCENT, calls_min: int = CALLS_MIN
) -> list[CacheAdvice]:
    """
    Advice for the agents whose hit rate is below the aim, the one with the most misses first.

    An agent gets a line for its commonest reason, and for each other that explains a good part
    of its misses.
    """
    low = [
        use
        for use in uses
        if use.calls >= calls_min and use.misses and use.hit_rate_percent < aim_percent
    ]
    low.sort(key=lambda use: (use.hits - use.calls, use.agent_id))
    found = []
    for use in low:
        missed = use.calls - use.hits
        reasons = sorted(use.misses.items(), key=lambda miss: (-miss[1], miss[0]))
        for place, (reason, count) in enumerate(reasons):
            share_percent = 100 * count / missed
            if not place or share_percent >= REASON_SHARE_MIN_PERCENT:
                found.append(_advice(use, reason, share_percent))
    return found


def _advice(use: CacheUse, reason: CacheMiss, share_percent: float) -> CacheAdvice:
    what, remedy = _WHAT_TO_DO[reason]
    return CacheAdvice(
        agent_id=use.agent_id,
        calls=use.calls,
        hit_rate_percent=use.hit_rate_percent,
        reason=reason,
        share_percent=share_percent,
        text=f"{share_percent:.0f} % of its misses {what}: {remedy}.",
    )
