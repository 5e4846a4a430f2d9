"""The rules of Grafana's dashboard linter, and stricter ones of our own."""

import re
from collections.abc import Callable, Iterator

import promql_parser
from dashboard_queries import Json, Target, labels_of, panels, selectors, targets

__all__ = ["OWN_RULES", "RULES", "Rule"]

Rule = Callable[[Json], Iterator[str]]
"""Yields a line for each finding."""

UNITS = {"reqps", "ops", "short", "none", "currencyUSD", "percent", "percentunit", "s"}
_WITH_UNIT_AND_TEXT = {
    "stat", "timeseries", "gauge", "table", "piechart", "barchart", "bargauge",
}  # fmt: skip


def _variables(dashboard: Json, kind: str) -> list[Json]:
    return [each for each in dashboard["templating"]["list"] if each["type"] == kind]


def _data_source_variable(dashboard: Json) -> Iterator[str]:
    found = _variables(dashboard, "datasource")
    if [each["name"] for each in found] != ["datasource"]:
        yield "the data source variable is not named datasource"
    if [(each["label"], each["query"]) for each in found] != [("Data source", "prometheus")]:
        yield "the data source variable is not labelled Data source"


def _wanted_variable(name: str) -> Rule:
    def rule(dashboard: Json) -> Iterator[str]:
        names = {each["name"] for each in _variables(dashboard, "query")}
        if name not in names:
            yield f"no variable {name}"

    return rule


def _wanted_matcher(name: str) -> Rule:
    def rule(dashboard: Json) -> Iterator[str]:
        for target in targets(dashboard):
            if any(name not in labels_of(each) for each in selectors(target.parsed)):
                yield f"{target.panel}: no matcher for {name}"

    return rule


def _variable_query_parses(dashboard: Json) -> Iterator[str]:
    for variable in _variables(dashboard, "query"):
        found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
        if not found:
            yield f"variable {variable['name']}: not label_values(selector, label)"
            continue
        try:
            promql_parser.parse(found[1])
        except ValueError as error:
            yield f"variable {variable['name']}: {error}"


def _variable_reloads(dashboard: Json) -> Iterator[str]:
    for variable in _variables(dashboard, "query"):
        if variable["refresh"] != 2:
            yield f"variable {variable['name']} is not read again with the time range"


def _panel_data_source(dashboard: Json) -> Iterator[str]:
    for panel in panels(dashboard):
        for holder in (panel, *panel["targets"]):
            if holder["datasource"] != {"type": "prometheus", "uid": "${datasource}"}:
                yield f"{panel['title']}: another data source than the variable"


def _title_and_description(dashboard: Json) -> Iterator[str]:
    for panel in panels(dashboard):
        if panel["type"] in _WITH_UNIT_AND_TEXT and not (panel["title"] and panel["description"]):
            yield f"panel {panel['id']} lacks a title or a description"


def _unit(dashboard: Json) -> Iterator[str]:
    for panel in panels(dashboard):
        if panel["fieldConfig"]["defaults"].get("unit") not in UNITS:
            yield f"{panel['title']}: no known unit"


def _has_targets(dashboard: Json) -> Iterator[str]:
    for panel in panels(dashboard):
        if not panel["targets"]:
            yield f"{panel['title']}: no query"


def _target_parses(dashboard: Json) -> Iterator[str]:
    for target in targets(dashboard):
        try:
            target.parsed  # noqa: B018 - it is parsed by being asked for
        except ValueError as error:
            yield f"{target.panel} {target.ref}: {error}"


def _rate_interval(dashboard: Json) -> Iterator[str]:
    for target in targets(dashboard):
        ranges = re.findall(r"\b(?:rate|irate)\([^\[]*\[([^\]]+)\]", target.expr)
        if any(each != "$__rate_interval" for each in ranges):
            yield f"{target.panel} {target.ref}: a rate over a fixed range"


def _counters_are_rated(dashboard: Json) -> Iterator[str]:
    """Stricter than the linter's: a counter counts wherever it stands, with matchers too."""
    for target in targets(dashboard):
        bare = _bare_selectors(target)
        for name in bare:
            if name.endswith(("_total", "_bucket", "_count", "_sum")):
                yield f"{target.panel} {target.ref}: {name} without rate() or increase()"


def _bare_selectors(target: Target) -> set[str]:
    """Metrics that are selected outside of any range."""
    in_ranges: list[str] = []

    def visit(node: promql_parser.Expr) -> bool:
        if isinstance(node, promql_parser.MatrixSelector):
            in_ranges.append(node.vector_selector.name or "")
        return True

    promql_parser.walk(target.parsed, visit)
    everywhere = [each.name or "" for each in selectors(target.parsed)]
    for name in in_ranges:
        everywhere.remove(name)
    return set(everywhere)


def _not_editable(dashboard: Json) -> Iterator[str]:
    if dashboard["editable"]:
        yield "editable"


def _no_loki(dashboard: Json) -> Iterator[str]:
    for panel in panels(dashboard):
        if any(target["datasource"]["type"] == "loki" for target in panel["targets"]):
            yield f"{panel['title']}: a query for Loki, which these rules cannot read"


RULES: dict[str, Rule] = {
    "template-datasource-rule": _data_source_variable,
    "template-job-rule": _wanted_variable("job"),
    "template-instance-rule": _wanted_variable("instance"),
    "template-label-promql-rule": _variable_query_parses,
    "template-on-time-change-reload-rule": _variable_reloads,
    "panel-datasource-rule": _panel_data_source,
    "panel-title-description-rule": _title_and_description,
    "panel-units-rule": _unit,
    "panel-no-targets-rule": _has_targets,
    "target-logql-rule": _no_loki,
    "target-logql-auto-rule": _no_loki,
    "target-promql-rule": _target_parses,
    "target-rate-interval-rule": _rate_interval,
    "target-job-rule": _wanted_matcher("job"),
    "target-instance-rule": _wanted_matcher("instance"),
    "target-counter-agg-rule": _counters_are_rated,
    "uneditable-dashboard": _not_editable,
}
"""By the names that the linter gives them."""


def _stable_ids(dashboard: Json) -> Iterator[str]:
    ids = [panel["id"] for panel in dashboard["panels"]]
    if ids != list(range(1, len(ids) + 1)):
        yield "panel ids do not follow the order"
    if dashboard["id"] is not None or not dashboard["uid"]:
        yield "the dashboard is tied to one installation, or has no uid"


def _no_overlap(dashboard: Json) -> Iterator[str]:
    taken: dict[tuple[int, int], str] = {}
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        if place["x"] + place["w"] > 24:
            yield f"{panel['title']} stands out of the grid"
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                if (x, y) in taken:
                    yield f"{panel['title']} covers {taken[x, y]}"
                    return
                taken[x, y] = panel["title"]


def _legends_are_labels(dashboard: Json) -> Iterator[str]:
    for target in targets(dashboard):
        grouped = {
            label
            for labels in re.findall(r"\bby \(([^)]*)\)", target.expr)
            for label in labels.split(", ")
        }
        for label in re.findall(r"\{\{(\w+)\}\}", target.legend):
            if label not in grouped:
                yield f"{target.panel} {target.ref}: legend {label} is no label of the result"


def _variables_are_used(dashboard: Json) -> Iterator[str]:
    text = " ".join(target.expr for target in targets(dashboard))
    for variable in _variables(dashboard, "query"):
        if f'"${variable["name"]}"' not in text:
            yield f"variable {variable['name']} filters nothing"


def _annotations_ask(dashboard: Json) -> Iterator[str]:
    for annotation in dashboard["annotations"]["list"]:
        if annotation["datasource"]["type"] == "prometheus":
            if annotation["expr"] != annotation["target"]["expr"]:
                yield f"{annotation['name']}: two different queries"
            try:
                promql_parser.parse(annotation["expr"])
            except ValueError as error:
                yield f"{annotation['name']}: {error}"
        elif not annotation.get("builtIn") and not annotation["target"]["tags"]:
            yield f"{annotation['name']}: asks for nothing"


OWN_RULES: dict[str, Rule] = {
    "ids": _stable_ids,
    "grid": _no_overlap,
    "legends": _legends_are_labels,
    "variables": _variables_are_used,
    "annotations": _annotations_ask,
}
