"""Values over time: the lines of the charts."""

import sqlite3
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum

from modelmeter.errors import RefusedRequestError
from modelmeter.ledger.facts import STATUS_FACTS
from modelmeter.ledger.usage import Dimension, Span, facts, failures
from modelmeter.ledger.usage_filter import UsageFilter
from modelmeter.web.answers import Line, Series
from modelmeter.web.asking import Asked, iso
from modelmeter.web.measures import (
    HISTOGRAMS,
    TOKEN_TYPE_FACTS,
    Facts,
    Measure,
    Metric,
    Quantile,
    measure_of,
    rate_of,
)

__all__ = ["By", "series"]

POINTS_MAX = 200
LINES_MAX = 12
"""Lines of their own; what is beyond comes together as `OTHER`."""
OTHER = "other"

_NS = 1_000_000_000
_DAY_SECONDS = 86_400
_SHORT_STEPS = ((15, 200_000), (30, 200_000), (60, 100_000), (300, 20_000))
"""Seconds, and up to how many calls: their sums are not kept, so calls are added one by one."""
_KEPT_STEPS = (900, 3_600, 21_600, _DAY_SECONDS)
"""Spans whose sums are kept."""


class By(StrEnum):
    """What there is a line for."""

    NONE = "none"
    AGENT = "agent"
    TEAM = "team"
    MODEL = "model"
    PROVIDER = "provider"
    TENANT = "tenant"
    TOKEN_TYPE = "token_type"
    ERROR_TYPE = "error_type"
    PROVIDER_ERROR_TYPE = "provider_error_type"
    STATUS = "status"


Values = dict[str, dict[int, Facts]]
"""Sums by line and by step."""


def series(
    connection: sqlite3.Connection, asked: Asked, metric: Metric, by: By, quantile: Quantile
) -> Series:
    """
    A metric over time, one line a group.

    Raises:
        RefusedRequestError: the metric cannot be taken apart by that (400).
        sqlite3.Error: the ledger cannot be read now.
    """
    steps = _Steps(connection, asked)
    if by in (By.ERROR_TYPE, By.PROVIDER_ERROR_TYPE):
        _only(metric, Metric.ERRORS, by)
        unit, lines = "calls_per_second", _failure_lines(connection, asked, steps, by)
    elif by is By.TOKEN_TYPE:
        _only(metric, Metric.TOKENS, by)
        unit, lines = "tokens_per_second", _fact_lines(connection, asked, steps, TOKEN_TYPE_FACTS)
    elif by is By.STATUS:
        _only(metric, Metric.REQUESTS, by)
        names = {status.value: (fact,) for status, fact in STATUS_FACTS.items()}
        unit, lines = "calls_per_second", _fact_lines(connection, asked, steps, names)
    elif by is By.NONE and metric is Metric.CACHE:
        unit, lines = "calls_per_second", _hits_and_misses(connection, asked, steps)
    elif by is By.NONE and metric in HISTOGRAMS:
        unit, lines = "seconds", _percentiles(connection, asked, steps, metric)
    else:
        measure = measure_of(metric, quantile)
        unit = measure.unit
        lines = _group_lines(connection, asked, steps, measure, Dimension(by.value))
    return Series(
        from_=iso(asked.start),
        to=iso(asked.end),
        time_zone=asked.time_zone.key,
        metric=metric,
        by=by,
        unit=unit,
        step_seconds=steps.seconds,
        times=[iso(datetime.fromtimestamp(start, UTC)) for start in steps.starts],
        series=lines,
    )


class _Steps:
    """The steps of a chart: multiples of their length since 1970, up to now."""

    def __init__(self, connection: sqlite3.Connection, asked: Asked) -> None:
        self.span = Span(asked.span.start_ns, max(asked.span.start_ns, asked.span.end_ns))
        until_ns = max(min(asked.span.end_ns, asked.now_ns + 1), self.span.start_ns)
        self.seconds = _step_seconds(connection, self.span, asked.wanted)
        first = self.span.start_ns // _NS // self.seconds * self.seconds
        self.starts = range(first, -(-until_ns // _NS), self.seconds)
        self._until_ns = until_ns

    def covered_seconds(self, start: int) -> float:
        """How much of a step is asked about and has passed; at least one second."""
        start_ns = max(start * _NS, self.span.start_ns)
        end_ns = min((start + self.seconds) * _NS, self._until_ns)
        return max((end_ns - start_ns) / _NS, 1.0)


def _step_seconds(connection: sqlite3.Connection, span: Span, wanted: UsageFilter) -> int:
    length = (span.end_ns - span.start_ns) // _NS
    for step, calls_max in _SHORT_STEPS:
        if length <= step * (POINTS_MAX - 1):
            rows = facts(connection, span, wanted, ("calls",))
            if sum(calls for _, _, (calls,) in rows) <= calls_max:
                return step
    for step in _KEPT_STEPS:
        if length <= step * (POINTS_MAX - 1):
            return step
    return -(-length // (_DAY_SECONDS * (POINTS_MAX - 1))) * _DAY_SECONDS


def _group_lines(
    connection: sqlite3.Connection,
    asked: Asked,
    steps: _Steps,
    measure: Measure,
    dimension: Dimension,
) -> list[Line]:
    kept = None
    if dimension is not Dimension.NONE:
        totals = facts(connection, steps.span, asked.wanted, measure.names, by=dimension)
        totals.sort(key=lambda row: (-measure.weight(row[2]), row[0]))
        kept = [name for name, _, _ in totals]
        if len(kept) > LINES_MAX:
            kept = kept[:LINES_MAX]
    rows = facts(
        connection,
        steps.span,
        asked.wanted,
        measure.names,
        by=dimension,
        kept=kept,
        other=OTHER,
        step_seconds=steps.seconds,
    )
    values: Values = defaultdict(dict)
    for name, at, sums in rows:
        values[name][at] = sums
    names = ["all"] if kept is None else [*kept, *(values.keys() - set(kept))]
    by_line = {"all": values.get("", {})} if kept is None else values
    return [_line(name, by_line.get(name, {}), steps, measure) for name in names]


def _line(name: str, values: Mapping[int, Facts], steps: _Steps, measure: Measure) -> Line:
    shown: list[float | None] = []
    for start in steps.starts:
        sums = values.get(start)
        shown.append(
            measure.nothing if sums is None else measure.value(sums, steps.covered_seconds(start))
        )
    return Line(name=name, values=shown)


def _fact_lines(
    connection: sqlite3.Connection,
    asked: Asked,
    steps: _Steps,
    names: Mapping[str, tuple[str, ...]],
) -> list[Line]:
    """A line for each of several facts that occurs."""
    wanted = [fact for facts_of_line in names.values() for fact in facts_of_line]
    rows = facts(connection, steps.span, asked.wanted, wanted, step_seconds=steps.seconds)
    lines = []
    for name, facts_of_line in names.items():
        places = [wanted.index(fact) for fact in facts_of_line]
        values = {at: tuple(sums[place] for place in places) for _, at, sums in rows}
        if any(any(sums) for sums in values.values()):
            lines.append(_line(name, values, steps, rate_of("", *facts_of_line)))
    return lines


def _hits_and_misses(connection: sqlite3.Connection, asked: Asked, steps: _Steps) -> list[Line]:
    names = ("cached", "cache_missed")
    rows = facts(connection, steps.span, asked.wanted, names, step_seconds=steps.seconds)
    hits = {at: (cached,) for _, at, (cached, _missed) in rows}
    misses = {at: (missed,) for _, at, (_cached, missed) in rows}
    rate = rate_of("")
    return [_line("hits", hits, steps, rate), _line("misses", misses, steps, rate)]


def _percentiles(
    connection: sqlite3.Connection, asked: Asked, steps: _Steps, metric: Metric
) -> list[Line]:
    names, _ = HISTOGRAMS[metric]
    rows = facts(connection, steps.span, asked.wanted, names, step_seconds=steps.seconds)
    values = {at: sums for _, at, sums in rows}
    return [_line(quantile, values, steps, measure_of(metric, quantile)) for quantile in Quantile]


def _failure_lines(
    connection: sqlite3.Connection, asked: Asked, steps: _Steps, by: By
) -> list[Line]:
    rows = failures(connection, steps.span, asked.wanted, step_seconds=steps.seconds)
    values: defaultdict[str, defaultdict[int, int]] = defaultdict(lambda: defaultdict(int))
    totals: defaultdict[str, int] = defaultdict(int)
    for provider, why, _, calls in rows:
        totals[_failure_name(provider, why, by)] += calls
    ranked = sorted(totals, key=lambda name: (-totals[name], name))
    kept = set(ranked[:LINES_MAX])
    for provider, why, at, calls in rows:
        name = _failure_name(provider, why, by)
        values[name if name in kept else OTHER][at] += calls
    rate = rate_of("")
    names = [*ranked[:LINES_MAX], *(values.keys() - kept)]
    return [
        _line(name, {at: (calls,) for at, calls in values[name].items()}, steps, rate)
        for name in names
    ]


def _failure_name(provider: str, why: str, by: By) -> str:
    return why if by is By.ERROR_TYPE else f"{provider} {why}"


def _only(metric: Metric, fitting: Metric, by: By) -> None:
    if metric is not fitting:
        raise RefusedRequestError(
            f"by: {by.value} goes with metric={fitting.value}", code="invalid_combination"
        )
