"""The figures of the overview, all of one moment."""

import sqlite3

from modelmeter.ledger.busy_spans import from_a_quarter
from modelmeter.ledger.facts import DURATION_FACTS
from modelmeter.ledger.open_calls import open_calls_by_provider
from modelmeter.ledger.percentiles import percentile_seconds
from modelmeter.ledger.reader import newest_seq
from modelmeter.ledger.series import DURATION_EDGES_SECONDS
from modelmeter.ledger.sums import SUM_FACTS, Sums
from modelmeter.ledger.usage import Span, facts
from modelmeter.ledger.usage_filter import UsageFilter
from modelmeter.record import PICO_PER_USD, unpriced_text, usd_text
from modelmeter.web.answers import ActiveCalls, Latency, Summary, Usage, Warned, usage_of
from modelmeter.web.asking import Asked, iso
from modelmeter.web.budgets import pressing_budget

__all__ = ["latency_of", "summary"]

_NS = 1_000_000_000
_DAY_NS = 86_400 * _NS
_MINUTE_SECONDS = 60
_WITH_LATENCY = (*SUM_FACTS, *DURATION_FACTS)


def summary(connection: sqlite3.Connection, asked: Asked) -> Summary:
    """
    What the calls asked about add up to, and what is going on now.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    total, durations = _sums(connection, asked.span, asked.wanted)
    before = [
        Sums.of(sums) for _, _, sums in facts(connection, asked.before, asked.wanted, SUM_FACTS)
    ]
    now_ns = asked.now_ns
    last_minute = _last(now_ns, _MINUTE_SECONDS * _NS)
    minute = facts(connection, last_minute, asked.wanted, ("calls",))
    last_day = from_a_quarter(connection, _last(now_ns, _DAY_NS))
    day = facts(connection, last_day, asked.wanted, ("cost_usd", "cost_pico"))
    figures = Usage.model_validate(usage_of(total))
    return Summary(
        from_=iso(asked.start),
        to=iso(asked.end),
        time_zone=asked.time_zone.key,
        total=figures,
        previous=Usage.model_validate(usage_of(before[0] if before else Sums())),
        requests_per_second=sum(calls for _, _, (calls,) in minute) / _MINUTE_SECONDS,
        cost_24h_usd=usd_text(sum(usd * PICO_PER_USD + pico for _, _, (usd, pico) in day)),
        budget=pressing_budget(connection, asked),
        cache_hit_rate=figures.cache_hit_rate,
        error_rate=figures.error_rate,
        success_rate=figures.success_rate,
        active_requests=[
            ActiveCalls(provider=provider, calls=calls)
            for provider, calls in open_calls_by_provider(connection, asked.wanted)
        ],
        latency=latency_of(durations),
        warnings=_warnings(total),
        newest_seq=newest_seq(connection),
    )


def latency_of(durations: tuple[int, ...]) -> Latency:
    """Percentiles of the counts named in `DURATION_FACTS`."""
    p50, p90, p99 = (
        percentile_seconds(durations, DURATION_EDGES_SECONDS, share) for share in (0.5, 0.9, 0.99)
    )
    return Latency(p50_ms=_ms(p50), p90_ms=_ms(p90), p99_ms=_ms(p99))


def _sums(
    connection: sqlite3.Connection, span: Span, wanted: UsageFilter
) -> tuple[Sums, tuple[int, ...]]:
    rows = facts(connection, span, wanted, _WITH_LATENCY)
    if not rows:
        return Sums(), ()
    ((_, _, sums),) = rows
    return Sums.of(sums[: len(SUM_FACTS)]), sums[len(SUM_FACTS) :]


def _last(now_ns: int, length_ns: int) -> Span:
    # Up to and with this moment: a call that began in it is part of it.
    return Span(now_ns - length_ns + 1, now_ns + 1)


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)


def _warnings(total: Sums) -> list[Warned]:
    if not total.unpriced_calls:
        return []
    message = f"{unpriced_text(total.unpriced_calls)}."
    return [Warned(code="unpriced", message=message, calls=total.unpriced_calls)]
