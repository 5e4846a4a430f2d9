"""What a ledger's calls of late add up to, for programs."""

import sqlite3
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from modelmeter.ledger.facts import DURATION_FACTS
from modelmeter.ledger.reader import GroupBy, report
from modelmeter.ledger.sums import Sums
from modelmeter.ledger.usage import Span, facts
from modelmeter.ledger.usage_filter import UsageFilter
from modelmeter.ledger.windows import window
from modelmeter.service.cost_calculator import usd_float

__all__ = ["usage_stats"]

_NS = 1_000_000_000
_NS_PER_MS = 1_000_000


def usage_stats(
    connection: sqlite3.Connection,
    wanted: UsageFilter,
    time_range: str,
    now_ns: int,
    time_zone: ZoneInfo,
) -> dict[str, object]:
    """
    Sums over ``time_range``, as `modelmeter report --window` takes it; costs in USD.

    Raises:
        SettingsError: there is no such span.
        sqlite3.Error: the ledger cannot be read now.
    """
    now = datetime.fromtimestamp(now_ns // _NS, UTC)
    start, end = window(time_range, now, time_zone)
    # A call of this very moment belongs to a span that ends now.
    span = Span(int(start.timestamp()) * _NS, max(int(end.timestamp()) * _NS, now_ns + 1))
    end = datetime.fromtimestamp(-(-span.end_ns // _NS), UTC)
    by_provider = report(connection, start, end, GroupBy.PROVIDER, time_zone, wanted)
    by_agent = report(connection, start, end, GroupBy.AGENT, time_zone, wanted)
    total = by_provider.total
    return {
        "time_range": time_range,
        "total_requests": total.calls,
        "cached_requests": total.cached,
        "failed_requests": total.errors,
        "total_tokens": total.tokens,
        "total_cost": usd_float(total.cost),
        "average_latency_ms": _average_ms(connection, span, wanted),
        "cache_hit_rate": total.cached / total.calls if total.calls else 0.0,
        "provider_breakdown": {row.name: _shown(row.sums) for row in by_provider.rows},
        "agent_breakdown": {row.name: _shown(row.sums) for row in by_agent.rows},
    }


def _average_ms(connection: sqlite3.Connection, span: Span, wanted: UsageFilter) -> float:
    """Of the calls that have a duration: refused and lost ones have none."""
    rows = facts(connection, span, wanted, ("duration_ns", *DURATION_FACTS))
    duration_ns = sum(sums[0] for _, _, sums in rows)
    calls = sum(sum(sums[1:]) for _, _, sums in rows)
    return duration_ns / calls / _NS_PER_MS if calls else 0.0


def _shown(sums: Sums) -> dict[str, object]:
    return {
        "requests": sums.calls,
        "cached_requests": sums.cached,
        "failed_requests": sums.errors,
        "tokens": sums.tokens,
        "cost": usd_float(sums.cost),
    }
