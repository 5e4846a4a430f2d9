"""Every query names metrics and labels that exist, and is filtered by all that it can be."""

import json

import promql_parser
import pytest
from dashboard_queries import Target, expand, labels_of, selectors, targets
from known_metrics import KNOWN, family

from modelmeter.dashboards.dashboard import dashboard_json
from modelmeter.dashboards.promql import VARIABLES
from modelmeter.dashboards.variables import BUDGET_ALERTS, DEPLOYMENTS
from modelmeter.metrics.panels import PANELS

TARGETS = targets(json.loads(json.dumps(dashboard_json())))
BY_PANEL = {panel.title: panel for panel in PANELS}

OF_PROMETHEUS = {"ALERTS": {"alertname", "alertstate", "budget", "threshold"}}


def ids(target: Target) -> str:
    return f"{target.panel} {target.ref}"


@pytest.mark.parametrize("target", TARGETS, ids=ids)
def test_a_query_names_metrics_and_labels_that_exist(target: Target) -> None:
    for selector in selectors(target.parsed):
        labels = KNOWN[family(selector.name or "")]

        assert labels_of(selector) <= labels


@pytest.mark.parametrize("target", TARGETS, ids=ids)
def test_a_query_is_filtered_by_each_variable_that_its_metric_has(target: Target) -> None:
    for selector in selectors(target.parsed):
        expected = {name: f"${name}" for name in VARIABLES}
        labels = KNOWN[family(selector.name or "")]
        found = {
            matcher.name: matcher.value
            for matcher in selector.matchers.matchers
            if matcher.name in VARIABLES
        }

        assert found == {name: expected[name] for name in VARIABLES if name in labels}


@pytest.mark.parametrize("target", TARGETS, ids=ids)
def test_labels_that_a_query_groups_by_are_labels_of_its_metrics(target: Target) -> None:
    known = {"le"}.union(*(KNOWN[family(each.name or "")] for each in selectors(target.parsed)))
    grouped: set[str] = set()

    def visit(node: promql_parser.Expr) -> bool:
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
            grouped.update(node.modifier.labels)
        return True

    promql_parser.walk(target.parsed, visit)

    assert grouped <= known


@pytest.mark.parametrize("title", BY_PANEL)
def test_a_panel_asks_for_the_metrics_that_it_says(title: str) -> None:
    asked = {
        family(selector.name or "")
        for target in TARGETS
        if target.panel == title
        for selector in selectors(target.parsed)
    }

    assert asked == set(BY_PANEL[title].metrics)


@pytest.mark.parametrize("expr", [DEPLOYMENTS, BUDGET_ALERTS])
def test_an_annotation_asks_for_metrics_and_labels_that_exist(expr: str) -> None:
    for selector in selectors(promql_parser.parse(expr)):
        assert labels_of(selector) <= (KNOWN | OF_PROMETHEUS)[selector.name or ""]


def test_macros_are_filled_in_as_grafana_does_it() -> None:
    target = Target(
        panel="",
        ref="A",
        expr='rate(a{agent_id=~"$agent_id",model=~"$model",provider=~"$provider"}[$__rate_interval])',
        legend="",
        instant=True,
        table=False,
        min_step="75s",
    )

    filled = expand(
        target,
        {"agent_id": ["meetmind.coordinator"], "model": ["gpt-4o", "gpt-4.1"]},
        range_seconds=3600,
        scrape_seconds=15,
    )

    assert filled == (
        'rate(a{agent_id=~"meetmind\\\\.coordinator",model=~"(gpt-4o|gpt-4\\\\.1)",'
        'provider=~".*"}[300s])'
    )
