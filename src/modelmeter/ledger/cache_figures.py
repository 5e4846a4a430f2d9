"""How agents' calls fared with the response cache in a span of time."""

import sqlite3

import msgspec

from modelmeter.ledger.usage import Span
from modelmeter.ledger.usage_filter import UsageFilter, filter_condition, filter_parameters
from modelmeter.record import PICO_PER_USD, CacheMiss

__all__ = ["CacheUse", "cache_use"]

_USE = f"""
SELECT agent_id, cached, cache_miss, count(*), sum(cost_saved_pico_usd / 1000000000000),
       sum(cost_saved_pico_usd % 1000000000000)
FROM entry
WHERE started_at_ns >= :start AND started_at_ns < :end
  AND (cached OR cache_miss IS NOT NULL) AND {filter_condition("entry")}
GROUP BY 1, 2, 3 ORDER BY 1
"""  # noqa: S608 - made of constants; every value is bound


EVERYTHING = UsageFilter()


class CacheUse(msgspec.Struct):
    """One agent's calls for which caching is configured."""

    agent_id: str
    hits: int = 0
    saved: int = 0
    """What its hits would have cost, in pico-dollars."""
    misses: dict[CacheMiss, int] = msgspec.field(default_factory=dict)
    """By why."""

    @property
    def calls(self) -> int:
        """Hits and misses."""
        return self.hits + sum(self.misses.values())

    @property
    def hit_rate_percent(self) -> float:
        """Share of the calls that were hits; 0 without calls."""
        return 100 * self.hits / self.calls if self.calls else 0.0


def cache_use(
    connection: sqlite3.Connection, span: Span, wanted: UsageFilter = EVERYTHING
) -> list[CacheUse]:
    """
    The use that each agent made of the cache with those of its calls that are ``wanted``.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    parameters = {**filter_parameters(wanted), "start": span.start_ns, "end": span.end_ns}
    agents: dict[str, CacheUse] = {}
    for agent_id, cached, miss, count, saved_usd, saved_pico in connection.execute(
        _USE, parameters
    ):
        use = agents.setdefault(agent_id, CacheUse(agent_id))
        if cached:
            use.hits += count
            use.saved += saved_usd * PICO_PER_USD + saved_pico
        else:
            use.misses[CacheMiss(miss)] = count
    return list(agents.values())
