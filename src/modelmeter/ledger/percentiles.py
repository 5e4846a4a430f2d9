"""Percentiles from the buckets of a histogram."""

from collections.abc import Sequence
from itertools import accumulate

__all__ = ["percentile_seconds"]


def percentile_seconds(
    counts: Sequence[int], edges_seconds: Sequence[float], share: float
) -> float | None:
    """
    The value below which a ``share`` of the observations lies, as Prometheus estimates it.

    Within a bucket the observations count as evenly spread; above the last edge nothing is known,
    so that edge is the answer (https://prometheus.io/docs/prometheus/latest/querying/functions/).

    Args:
        counts: observations in each bucket, not cumulated, one more than there are edges.
        edges_seconds: upper edges, ascending.
        share: from 0 to 1.

    Returns:
        Seconds; None without observations.
    """
    cumulated = list(accumulate(counts))
    if not cumulated or not cumulated[-1]:
        return None
    rank = share * cumulated[-1]
    place = next(place for place, upto in enumerate(cumulated) if upto >= rank and upto)
    if place == len(edges_seconds):
        return float(edges_seconds[-1])
    lower = float(edges_seconds[place - 1]) if place else 0.0
    before = cumulated[place] - counts[place]
    return lower + (float(edges_seconds[place]) - lower) * (rank - before) / counts[place]
