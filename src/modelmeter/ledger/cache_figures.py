"""How agents' calls fared with the response cache in a span of time."""

import sqlite3
from datetime import datetime

import msgspec

from modelmeter.record import PICO_PER_USD, CacheMiss

__all__ = ["CacheUse", "cache_use"]

_NS_PER_MICROSECOND = 1000
_NS_PER_SECOND = 1_000_000_000
_USE = """
SELECT agent_id, cached, cache_miss, count(*), sum(cost_saved_pico_usd / 1000000000000),
       sum(cost_saved_pico_usd % 1000000000000)
FROM entry
WHERE started_at_ns >= ? AND started_at_ns < ? AND (cached OR cache_miss IS NOT NULL)
GROUP BY 1, 2, 3 ORDER BY 1
"""


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


def cache_use(connection: sqlite3.Connection, start: datetime, end: datetime) -> list[CacheUse]:
    """
    The use that each agent made of the cache from ``start`` up to before ``end``.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    agents: dict[str, CacheUse] = {}
    rows = connection.execute(_USE, (_ns(start), _ns(end)))
    for agent_id, cached, miss, count, saved_usd, saved_pico in rows:
        use = agents.setdefault(agent_id, CacheUse(agent_id))
        if cached:
            use.hits += count
            use.saved += saved_usd * PICO_PER_USD + saved_pico
        else:
            use.misses[CacheMiss(miss)] = count
    return list(agents.values())


def _ns(moment: datetime) -> int:
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * _NS_PER_SECOND + moment.microsecond * _NS_PER_MICROSECOND
