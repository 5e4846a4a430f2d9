"""Metrics: a view of the ledger's series, in the formats that Prometheus reads."""

from modelmeter.metrics.birth_hold import BirthHold
from modelmeter.metrics.exposition import Exposition
from modelmeter.metrics.names import METRICS, Metric, ProcessSample

__all__ = ["METRICS", "BirthHold", "Exposition", "Metric", "ProcessSample"]
