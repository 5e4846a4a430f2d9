"""What stands above the panels: variables to filter by, annotations to draw over them, links."""

from typing import Final

from modelmeter.dashboards.panel_json import DATA_SOURCE, Json
from modelmeter.dashboards.promql import VARIABLES, filtered

__all__ = ["BUDGET_ALERTS", "DEPLOYMENTS", "POSTED_TAGS", "annotations", "links", "variables"]

DEPLOYMENTS: Final = "max by (version) (llm_deployment_timestamp_seconds) * 1000"
"""Its value is the mark's time in milliseconds, so that it stands where it happened."""
_BUDGET_RULES = (
    'max by (alertname, budget, threshold) (ALERTS{alertname=~"LLMBudget.*", alertstate="firing"})'
)
_HALF_SPENT = (
    "max by (budget) (llm_budget_spent_usd) / max by (budget) (llm_budget_limit_usd) >= 0.5"
)
BUDGET_ALERTS: Final = (
    f"{_BUDGET_RULES} or on (budget) "
    f'label_replace(label_replace({_HALF_SPENT}, "threshold", "50%", "", ""), '
    '"alertname", "LLMBudgetSpent", "", "")'
)
"""By the alert rules; where those are not loaded, by what budgets spent."""
POSTED_TAGS: Final = ("deployment", "budget", "alert")
"""What `modelmeter annotate` and posted notifications are tagged with."""

_STEP: Final = "60s"
_QUERIES: Final = {
    "agent_id": "label_values(llm_requests_total, agent_id)",
    "model": f"label_values({filtered('llm_requests_total', ('agent_id', 'provider'))}, model)",
    "provider": "label_values(llm_requests_total, provider)",
}
_NAMES: Final = {"agent_id": "Agent", "model": "Model", "provider": "Provider"}
_EVERY_TIME_RANGE: Final = 2
_ALPHABETICAL: Final = 1
_BUILT_IN: Final[Json] = {"type": "grafana", "uid": "-- Grafana --"}


def variables() -> list[Json]:
    """The data source, then each label that queries are filtered by."""
    data_source: Json = {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "regex": "",
        "refresh": 1,
        "hide": 0,
        "includeAll": False,
        "multi": False,
        "options": [],
        "skipUrlSync": False,
    }
    return [data_source, *(_label_variable(name) for name in VARIABLES)]


def _label_variable(name: str) -> Json:
    return {
        "name": name,
        "label": _NAMES[name],
        "type": "query",
        "datasource": DATA_SOURCE,
        "definition": _QUERIES[name],
        "query": {"qryType": 1, "query": _QUERIES[name], "refId": f"variable-{name}"},
        "regex": "",
        "refresh": _EVERY_TIME_RANGE,
        "sort": _ALPHABETICAL,
        "hide": 0,
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "options": [],
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "skipUrlSync": False,
    }


def annotations() -> list[Json]:
    """Grafana's own, deployments and budget alerts from Prometheus, and posted notes by tag."""
    own: Json = {
        "builtIn": 1,
        "datasource": _BUILT_IN,
        "enable": True,
        "hide": True,
        "iconColor": "rgba(0, 211, 255, 1)",
        "name": "Annotations & Alerts",
        "type": "dashboard",
    }
    posted: Json = {
        "datasource": _BUILT_IN,
        "enable": True,
        "hide": False,
        "iconColor": "purple",
        "name": "Posted Notes",
        "target": {
            "refId": "Posted",
            "type": "tags",
            "tags": list(POSTED_TAGS),
            "matchAny": True,
            "limit": 100,
        },
    }
    return [
        own,
        _from_prometheus(
            "Deployments",
            DEPLOYMENTS,
            colour="blue",
            title="Deployment of {{version}}",
            tags="version",
        )
        | {"useValueForTime": True},
        _from_prometheus(
            "Budget Alerts",
            BUDGET_ALERTS,
            colour="red",
            title="{{alertname}}",
            tags="budget,threshold",
        )
        | {"textFormat": "Budget {{budget}} {{threshold}}"},
        posted,
    ]


def _from_prometheus(name: str, expr: str, *, colour: str, title: str, tags: str) -> Json:
    """
    An annotation by a query.

    The query stands in two places: Grafana reads ``target`` from 11.6 on, ``expr`` before.
    """
    return {
        "datasource": DATA_SOURCE,
        "enable": True,
        "hide": False,
        "iconColor": colour,
        "name": name,
        "expr": expr,
        "step": _STEP,
        "titleFormat": title,
        "tagKeys": tags,
        "target": {
            "refId": name.replace(" ", ""),
            "expr": expr,
            "interval": _STEP,
            "instant": False,
            "range": True,
        },
    }


def links(page_url: str, runbooks_url: str) -> list[Json]:
    """To the gateway's own page and to the runbooks, where their addresses are known."""
    wanted = (
        ("modelmeter", "The gateway's own page", page_url),
        ("Runbooks", "What to look at and do", runbooks_url),
    )
    return [
        {
            "title": title,
            "tooltip": tooltip,
            "type": "link",
            "url": url,
            "icon": "external link",
            "targetBlank": True,
            "asDropdown": False,
            "includeVars": False,
            "keepTime": False,
            "tags": [],
        }
        for title, tooltip, url in wanted
        if url
    ]
