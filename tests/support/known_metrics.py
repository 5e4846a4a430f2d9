"""Every metric that a gateway shows, and its labels."""

from typing import Final

from modelmeter.metrics import names
from modelmeter.metrics.names import METRICS, Metric

__all__ = ["KNOWN", "family"]

_NAMED = [metric for metric in vars(names).values() if isinstance(metric, Metric)]

KNOWN: Final[dict[str, set[str]]] = {
    metric.name: set(metric.labels) for metric in (*METRICS, *_NAMED)
}
"""Each metric and its labels."""
HISTOGRAMS = {metric.name for metric in METRICS if metric.type == "histogram"}


def family(name: str) -> str:
    """The metric that a histogram's series belongs to."""
    head, _, tail = name.rpartition("_")
    return head if tail in ("bucket", "count", "sum") and head in HISTOGRAMS else name
