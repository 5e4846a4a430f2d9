"""The small vocabulary that the dashboard's queries are written in."""

from collections.abc import Iterable
from typing import Final

import msgspec

__all__ = [
    "CALLER",
    "DAY",
    "FIVE_MINUTES_MIN_STEP",
    "RANGE",
    "RATE",
    "VARIABLES",
    "Query",
    "filtered",
    "or_idle",
]

VARIABLES: Final = ("agent_id", "model", "provider")
CALLER: Final = VARIABLES
"""The labels of everything that is counted by call."""

RATE: Final = "$__rate_interval"
RANGE: Final = "$__range"
DAY: Final = "24h"
FIVE_MINUTES_MIN_STEP: Final = "75s"
"""Grafana makes ``$__rate_interval`` at least four times the smallest step: five minutes."""


class Query(msgspec.Struct, frozen=True):
    """One target of a panel."""

    expr: str
    legend: str = ""
    """What a line is called, with ``{{label}}`` for labels."""
    instant: bool = False
    """One value at the end of the range, not a line over it."""
    table: bool = False
    """The answer as a table, a column a label."""
    min_step: str = ""


def filtered(metric: str, labels: Iterable[str] = CALLER, *matchers: str) -> str:
    """Select a metric by the dashboard's variables for ``labels``, and by further matchers."""
    chosen = [f'{label}=~"${label}"' for label in labels]
    return f"{metric}{{{','.join([*chosen, *matchers])}}}"


def or_idle(expr: str, presence: str, label: str, words: str = "no traffic") -> str:
    """
    The result of ``expr``; while ``presence`` has none, a 0 named ``words``.

    A panel without a series says "No data", which a healthy system without calls never should.
    """
    zero = f'label_replace(vector(0), "{label}", "{words}", "", "")'
    return f"{expr} or ({zero} unless on () {presence})"
