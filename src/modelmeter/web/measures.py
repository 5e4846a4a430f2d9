"""How each metric over time is read off sums."""

from collections.abc import Callable, Sequence
from enum import StrEnum

import msgspec

from modelmeter.ledger.facts import (
    DURATION_FACTS,
    FIRST_TOKEN_FACTS,
    STATUS_FACTS,
    TOKEN_FACTS,
)
from modelmeter.ledger.percentiles import percentile_seconds
from modelmeter.ledger.series import DURATION_EDGES_SECONDS, FIRST_TOKEN_EDGES_SECONDS
from modelmeter.record import ERROR_STATUSES, FAILED_STATUSES, PICO_PER_USD, Status

__all__ = [
    "HISTOGRAMS",
    "TOKEN_TYPE_FACTS",
    "Facts",
    "Measure",
    "Metric",
    "Quantile",
    "measure_of",
    "rate_of",
]

_NS = 1_000_000_000

Facts = tuple[int, ...]


class Metric(StrEnum):
    """What can be shown over time."""

    REQUESTS = "requests"
    COST = "cost"
    TOKENS = "tokens"
    LATENCY = "latency"
    TIME_TO_FIRST_TOKEN = "time_to_first_token"
    CACHE = "cache"
    ERRORS = "errors"
    SUCCESS_RATE = "success_rate"
    ACTIVE = "active"


class Quantile(StrEnum):
    """Which percentile the lines of a latency by group show."""

    P50 = "p50"
    P90 = "p90"
    P99 = "p99"


_SHARES = {Quantile.P50: 0.5, Quantile.P90: 0.9, Quantile.P99: 0.99}


class Measure(msgspec.Struct, frozen=True):
    """How a metric is read off sums."""

    unit: str
    names: tuple[str, ...]
    value: Callable[[Facts, float], float | None]
    """Of the sums and the seconds of a step."""
    weight: Callable[[Facts], float]
    """What the lines with the most of are shown for."""
    nothing: float | None = 0.0
    """The value of a step without calls."""


def _percentile(share: float, edges: Sequence[float]) -> Callable[[Facts, float], float | None]:
    return lambda sums, _seconds: percentile_seconds(sums, edges, share)


def _usd(sums: Facts) -> float:
    return (sums[0] * PICO_PER_USD + sums[1]) / PICO_PER_USD


def _share(sums: Facts, _seconds: float) -> float | None:
    part, *others = sums
    whole = part + sum(others)
    return part / whole if whole else None


def _calls(sums: Facts) -> float:
    return sum(sums)


_ERRORS = tuple(STATUS_FACTS[status] for status in ERROR_STATUSES)
_FAILED = tuple(STATUS_FACTS[status] for status in FAILED_STATUSES)
_SUCCESS = STATUS_FACTS[Status.SUCCESS]


def rate_of(unit: str, *names: str) -> Measure:
    """The sum of some facts, a second."""
    return Measure(unit, names, lambda sums, seconds: sum(sums) / seconds, _calls)


_MEASURES = {
    Metric.REQUESTS: rate_of("calls_per_second", "calls"),
    Metric.COST: Measure("usd", ("cost_usd", "cost_pico"), lambda sums, _seconds: _usd(sums), _usd),
    Metric.TOKENS: rate_of("tokens_per_second", "tokens"),
    Metric.ERRORS: rate_of("calls_per_second", *_ERRORS),
    Metric.SUCCESS_RATE: Measure("ratio", (_SUCCESS, *_FAILED), _share, _calls, None),
    Metric.CACHE: Measure("ratio", ("cached", "cache_missed"), _share, _calls, None),
    Metric.ACTIVE: Measure(
        "calls",
        ("duration_ns",),
        lambda sums, seconds: sums[0] / _NS / seconds,
        lambda sums: sums[0],
    ),
}
HISTOGRAMS = {
    Metric.LATENCY: (DURATION_FACTS, DURATION_EDGES_SECONDS),
    Metric.TIME_TO_FIRST_TOKEN: (FIRST_TOKEN_FACTS, FIRST_TOKEN_EDGES_SECONDS),
}
TOKEN_TYPE_FACTS = {
    "input": ("tokens_input",),
    "output": ("tokens_output",),
    "cache_read": ("tokens_cache_read",),
    "cache_write": (TOKEN_FACTS["cache_write_5m"], TOKEN_FACTS["cache_write_1h"]),
    "reasoning": ("tokens_reasoning",),
    "audio_input": ("tokens_audio_input",),
    "audio_output": ("tokens_audio_output",),
    "image_input": ("tokens_image_input",),
    "image_output": ("tokens_image_output",),
}


def measure_of(metric: Metric, quantile: Quantile) -> Measure:
    """How a metric is read off the sums of a group; a latency as one of its percentiles."""
    if metric not in HISTOGRAMS:
        return _MEASURES[metric]
    names, edges = HISTOGRAMS[metric]
    return Measure("seconds", names, _percentile(_SHARES[quantile], edges), _calls, None)
