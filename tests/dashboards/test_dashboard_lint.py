"""The shipped dashboard against the rules of Grafana's linter, and each rule against a fault."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from dashboard_lint import OWN_RULES, RULES
from dashboard_queries import Json, panels

from modelmeter.dashboards.dashboard import dashboard_json

EXCLUSIONS = yaml.safe_load(
    (Path(__file__).parents[2] / "src/modelmeter/dashboards/.lint").read_text()
)["exclusions"]

Change = Callable[[Json], Any]


@pytest.fixture(scope="module")
def dashboard() -> Json:
    """The dashboard as any JSON reader sees it."""
    loaded: Json = json.loads(json.dumps(dashboard_json()))
    return loaded


@pytest.mark.parametrize("rule", RULES)
def test_rule_of_the_linter_holds(rule: str, dashboard: Json) -> None:
    findings = list(RULES[rule](dashboard))
    excluded = EXCLUSIONS.get(rule)

    if excluded is None:
        assert findings == []
        return
    # An exclusion that excludes nothing is out of date.
    assert findings
    assert excluded["reason"]
    allowed = [entry["panel"] for entry in excluded.get("entries", [])]
    assert all(finding.startswith(tuple(allowed)) for finding in findings) or not allowed


@pytest.mark.parametrize("rule", OWN_RULES)
def test_rule_of_our_own_holds(rule: str, dashboard: Json) -> None:
    assert list(OWN_RULES[rule](dashboard)) == []


def _panel(dashboard: Json) -> Json:
    first: Json = panels(dashboard)[0]
    return first


def _target(dashboard: Json) -> Json:
    first: Json = _panel(dashboard)["targets"][0]
    return first


def _variable(dashboard: Json) -> Json:
    last: Json = dashboard["templating"]["list"][-1]
    return last


FAULTS: dict[str, Change] = {
    "template-datasource-rule": lambda d: d["templating"]["list"][0].update(name="DS_PROMETHEUS"),
    "template-label-promql-rule": lambda d: _variable(d)["query"].update(
        query="label_values(a{, b)"
    ),
    "template-on-time-change-reload-rule": lambda d: _variable(d).update(refresh=1),
    "panel-datasource-rule": lambda d: _target(d).update(datasource={"uid": "P18"}),
    "panel-title-description-rule": lambda d: _panel(d).update(description=""),
    "panel-units-rule": lambda d: _panel(d)["fieldConfig"]["defaults"].update(unit="$"),
    "panel-no-targets-rule": lambda d: _panel(d).update(targets=[]),
    "target-logql-rule": lambda d: _target(d).update(datasource={"type": "loki"}),
    "target-logql-auto-rule": lambda d: _target(d).update(datasource={"type": "loki"}),
    "target-promql-rule": lambda d: _target(d).update(expr="sum(rate(a[5m])"),
    "target-rate-interval-rule": lambda d: _target(d).update(expr="sum(rate(a_total[5m]))"),
    "target-counter-agg-rule": lambda d: _target(d).update(expr='sum(a_total{b="c"})'),
    "uneditable-dashboard": lambda d: d.update(editable=True),
    "ids": lambda d: _panel(d).update(id=99),
    "grid": lambda d: _panel(d)["gridPos"].update(w=7),
    "legends": lambda d: _target(d).update(legendFormat="{{team}}"),
    "variables": lambda d: _variable(d).update(name="region"),
    "annotations": lambda d: d["annotations"]["list"][1].update(expr="sum("),
}


@pytest.mark.parametrize("rule", FAULTS)
def test_rule_finds_a_fault(rule: str, dashboard: Json) -> None:
    faulty = deepcopy(dashboard)
    before = list({**RULES, **OWN_RULES}[rule](faulty))

    FAULTS[rule](faulty)

    assert list({**RULES, **OWN_RULES}[rule](faulty)) != before


def test_every_rule_is_tried_with_a_fault_or_excluded() -> None:
    assert set(FAULTS) | set(EXCLUSIONS) == set(RULES) | set(OWN_RULES)
    assert len(RULES) == 17
