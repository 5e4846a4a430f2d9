"""Metrics: a view of the ledger's series, in the formats that Prometheus reads."""

from modelmeter.metrics.exposition import Exposition
from modelmeter.metrics.names import METRICS, Metric, ProcessSample

__all__ = ["METRICS", "Exposition", "Metric", "ProcessSample"]
