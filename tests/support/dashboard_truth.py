"""What the panels must show, worked out from the ledger's entries alone."""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from modelmeter.ledger.series import DURATION_EDGES_SECONDS, FIRST_TOKEN_EDGES_SECONDS
from modelmeter.record import TOKEN_TYPES

__all__ = ["QUANTILES", "TRUTHS", "Entry", "Values", "entries", "matching"]

PICO = 10**12
Values = dict[tuple[str, ...], float]
"""A number for each line, slice or bar, by its labels; one without labels for a single number."""

_ENTRIES = """
SELECT agent_id, team, model, provider, status, error_type, cost_pico_usd, duration_ns, cached,
       cache_miss, cost_saved_pico_usd, cost_state,
       time_to_first_token_ns,
       tokens_input, tokens_output, tokens_cache_read,
       tokens_cache_write_5m + tokens_cache_write_1h, tokens_reasoning, tokens_audio_input,
       tokens_audio_output, tokens_image_input, tokens_image_output
FROM entry
"""


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """What of an entry the panels are about."""

    agent_id: str
    team: str
    model: str
    provider: str
    status: str
    error_type: str | None
    cost_pico_usd: int
    duration_ns: int
    cached: int
    cache_miss: str | None
    """None: a hit, or the cache was not asked."""
    cost_saved_pico_usd: int
    cost_state: str
    first_token_ns: int | None
    tokens_by_type: tuple[int, ...]
    """In the order of `TOKEN_TYPES`."""

    @property
    def tokens(self) -> int:
        """All of them."""
        return sum(self.tokens_by_type)

    @property
    def why(self) -> str:
        """The error type of a call that did not succeed; the status of one without."""
        return self.error_type or self.status


def entries(ledger: Path) -> list[Entry]:
    """All entries of a ledger."""
    connection = sqlite3.connect(ledger)
    try:
        rows = connection.execute(_ENTRIES).fetchall()
    finally:
        connection.close()
    first_count = len(Entry.__struct_fields__) - 1
    return [msgspec.convert((*row[:first_count], row[first_count:]), Entry) for row in rows]


def matching(
    found: Iterable[Entry], chosen: Mapping[str, Sequence[str]], labels: Iterable[str]
) -> list[Entry]:
    """The entries that the dashboard's variables leave, for a metric with these labels."""
    applied = {name: values for name, values in chosen.items() if values and name in labels}
    return [
        entry
        for entry in found
        if all(getattr(entry, name) in values for name, values in applied.items())
    ]


def durations(found: Iterable[Entry]) -> list[float]:
    """Seconds of the calls whose end was seen, in rising order."""
    return sorted(
        entry.duration_ns / 1e9 for entry in found if entry.status not in ("unknown", "blocked")
    )


def first_tokens(found: Iterable[Entry]) -> list[float]:
    """Seconds to the first bytes of streamed answers, in rising order."""
    return sorted(e.first_token_ns / 1e9 for e in found if e.first_token_ns is not None)


def _count(found: Sequence[Entry]) -> Values:
    return {(): float(len(found))}


def _cost(found: Sequence[Entry]) -> Values:
    return {(): sum(entry.cost_pico_usd for entry in found) / PICO}


def _saved(found: Sequence[Entry]) -> Values:
    return {(): sum(entry.cost_saved_pico_usd for entry in found) / PICO}


def _unpriced(found: Sequence[Entry]) -> Values:
    return {(): float(sum(entry.cost_state == "unpriced" for entry in found))}


def _by(*names: str) -> Callable[[Sequence[Entry]], Values]:
    def counted(found: Sequence[Entry]) -> Values:
        keys = (tuple(getattr(entry, name) for name in names) for entry in found)
        return {key: float(count) for key, count in Counter(keys).items()}

    return counted


def _cost_by(name: str) -> Callable[[Sequence[Entry]], Values]:
    def summed(found: Sequence[Entry]) -> Values:
        sums: defaultdict[tuple[str, ...], int] = defaultdict(int)
        for entry in found:
            sums[getattr(entry, name),] += entry.cost_pico_usd
        return {key: pico / PICO for key, pico in sums.items()}

    return summed


def _tokens(found: Sequence[Entry]) -> Values:
    sums: defaultdict[tuple[str, ...], int] = defaultdict(int)
    for entry in found:
        if entry.tokens:
            sums[entry.model,] += entry.tokens
    return {key: float(tokens) for key, tokens in sums.items()}


def _tokens_by_type(found: Sequence[Entry]) -> Values:
    columns = zip(*(entry.tokens_by_type for entry in found), strict=True)
    sums = dict(zip(TOKEN_TYPES, map(sum, columns), strict=False))
    return {(name,): float(tokens) for name, tokens in sums.items() if tokens}


def _share(found: Sequence[Entry], *statuses: str) -> Values:
    counted = [e for e in found if e.status in ("success", "error", "timeout", "unknown")]
    if not counted:
        return {}
    return {(): 100 * sum(entry.status in statuses for entry in counted) / len(counted)}


def _errors(found: Sequence[Entry]) -> Values:
    return _by("provider", "why")([entry for entry in found if entry.status != "success"])


def _hits_and_misses(found: Sequence[Entry]) -> Values:
    return {
        ("hits",): float(sum(entry.cached for entry in found)),
        ("misses",): float(sum(entry.cache_miss is not None for entry in found)),
    }


def _hit_rate(found: Sequence[Entry]) -> Values:
    uses = _hits_and_misses(found)
    asked = sum(uses.values())
    return {(): 100 * uses["hits",] / asked} if asked else {}


TRUTHS: dict[str, tuple[Callable[[Sequence[Entry]], Values], tuple[str, ...]]] = {
    "Total LLM Requests": (_count, ("agent_id", "model", "provider")),
    "Total Cost (24h)": (_cost, ("agent_id", "model", "provider")),
    "Cache Hit Rate": (_hit_rate, ("agent_id", "model")),
    "Error Rate": (
        lambda found: _share(found, "error", "timeout", "unknown") or {(): 0.0},
        ("agent_id", "model", "provider"),
    ),
    "Saved by the Cache (24h)": (_saved, ("agent_id", "model", "provider")),
    "Unpriced Calls": (_unpriced, ("model", "provider")),
    "Requests per Agent": (_by("agent_id"), ("agent_id", "model", "provider")),
    "Cost per Team": (_cost_by("team"), ("agent_id", "model", "provider")),
    "Token Usage by Model": (_tokens, ("agent_id", "model", "provider")),
    "Token Usage by Type": (_tokens_by_type, ("agent_id", "model", "provider")),
    "Cache Performance": (_hits_and_misses, ("agent_id", "model")),
    "Error Rate by Provider": (_errors, ("agent_id", "model", "provider")),
    "Cost Breakdown by Model": (_cost_by("model"), ("agent_id", "model", "provider")),
    "Request Success Rate": (
        lambda found: _share(found, "success"),
        ("agent_id", "model", "provider"),
    ),
}
"""The truth of a panel, and the variables that its metric has labels for."""

QUANTILES: dict[str, tuple[Callable[[Sequence[Entry]], list[float]], tuple[float, ...]]] = {
    "Request Latency Distribution": (durations, DURATION_EDGES_SECONDS),
    "Time to First Token": (first_tokens, FIRST_TOKEN_EDGES_SECONDS),
}
"""Panels whose lines are quantiles: what they are quantiles of, and the histogram's edges."""
