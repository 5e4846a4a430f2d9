"""The thirteen panels are those that were promised, and each is whole in itself."""

from itertools import pairwise

import pytest

from modelmeter.metrics.names import ACTIVE_REQUESTS, METRICS
from modelmeter.metrics.panels import DETAILED, OVERVIEW, PANELS, Panel

LABELS = {metric.name: metric.labels for metric in (*METRICS, ACTIVE_REQUESTS)}
PROMISED = {
    OVERVIEW: [
        ("Total LLM Requests", "stat"),
        ("Total Cost (24h)", "stat"),
        ("Cache Hit Rate", "stat"),
        ("Error Rate", "stat"),
    ],
    DETAILED: [
        ("Requests per Agent", "lines"),
        ("Cost per Team", "pie"),
        ("Request Latency Distribution", "lines"),
        ("Token Usage by Model", "stacked"),
        ("Cache Performance", "lines"),
        ("Error Rate by Provider", "lines"),
        ("Cost Breakdown by Model", "bars"),
        ("Active Requests", "lines"),
        ("Request Success Rate", "stat"),
    ],
}


def test_titles_charts_and_order_are_the_promised_ones() -> None:
    found = {
        group: [(panel.title, panel.chart) for panel in PANELS if panel.group == group]
        for group in (OVERVIEW, DETAILED)
    }

    assert found == PROMISED
    assert len(PANELS) == len({panel.key for panel in PANELS}) == 13


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.key)
def test_a_panel_is_split_by_labels_of_its_metrics(panel: Panel) -> None:
    labels = {label for metric in panel.metrics for label in LABELS[metric]}

    assert set(panel.split_by) <= labels
    assert not (panel.split_by and panel.lines)


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.key)
def test_thresholds_rise_from_a_first_one_without_a_bound(panel: Panel) -> None:
    bounds = [threshold.at for threshold in panel.thresholds]

    assert bounds[:1] in ([], [None])
    numbers = [bound for bound in bounds[1:] if bound is not None]
    assert len(numbers) == len(bounds[1:])
    assert all(lower < upper for lower, upper in pairwise(numbers))
