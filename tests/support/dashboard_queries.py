"""What a dashboard asks Prometheus, found in its JSON and put as Grafana would put it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import promql_parser

__all__ = ["Json", "Target", "expand", "labels_of", "panels", "selectors", "targets"]

Json = dict[str, Any]

_SECONDS_OF_UNIT = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_TO_PARSE = {
    "$__rate_interval": "5m",
    "$__range": "1h",
    "$__interval": "1m",
}


class Target(msgspec.Struct, frozen=True):
    """One query of a panel."""

    panel: str
    ref: str
    expr: str
    legend: str
    instant: bool
    table: bool
    min_step: str

    @property
    def parsed(self) -> promql_parser.Expr:
        """The syntax tree, with macros of Grafana filled in."""
        return promql_parser.parse(_fill(self.expr, _TO_PARSE))


def panels(dashboard: Json) -> list[Json]:
    """All panels but rows."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def targets(dashboard: Json) -> list[Target]:
    """All queries of all panels."""
    return [
        Target(
            panel=panel["title"],
            ref=target["refId"],
            expr=target["expr"],
            legend=target["legendFormat"],
            instant=target["instant"],
            table=target["format"] == "table",
            min_step=target.get("interval", ""),
        )
        for panel in panels(dashboard)
        for target in panel["targets"]
    ]


def expand(
    target: Target,
    chosen: Mapping[str, Sequence[str]],
    *,
    range_seconds: int,
    scrape_seconds: float,
    rate_seconds: float | None = None,
) -> str:
    """
    The query that Grafana sends: macros and variables filled in.

    ``chosen`` holds the chosen values of each variable; a variable without any is All. The rate
    interval is max($__interval + scrape interval, 4 * scrape interval), where the target's
    smallest step stands for the scrape interval if it has one, and $__interval is not below it.
    ``rate_seconds`` is a rate interval of the caller's choice.
    """
    step = max(_seconds(target.min_step), scrape_seconds)
    macros = {
        "$__rate_interval": _duration(rate_seconds or 4 * step),
        "$__range": f"{range_seconds}s",
        "$__interval": _duration(step),
    }
    for variable in ("agent_id", "model", "provider"):
        values = chosen.get(variable, ())
        macros[f"${variable}"] = _interpolated(values) if values else ".*"
    return _fill(target.expr.replace("${datasource}", ""), macros)


def selectors(expr: promql_parser.Expr) -> Iterator[promql_parser.VectorSelector]:
    """Every selector of a query."""
    found: list[promql_parser.VectorSelector] = []

    def visit(node: promql_parser.Expr) -> bool:
        # The selector inside of a range is visited too.
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node)
        return True

    promql_parser.walk(expr, visit)
    return iter(found)


def labels_of(selector: promql_parser.VectorSelector) -> set[str]:
    """The labels that a selector matches on."""
    return {matcher.name for matcher in selector.matchers.matchers}


def _interpolated(values: Sequence[str]) -> str:
    """Several values as a pattern, escaped once for the pattern and once for the string."""
    escaped = [re.sub(r"([\\^$.*+?()\[\]{}|])", r"\\\\\1", value) for value in values]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"


def _fill(expr: str, macros: Mapping[str, str]) -> str:
    for name, value in sorted(macros.items(), key=lambda macro: -len(macro[0])):
        expr = expr.replace(name, value)
    return expr


def _duration(seconds: float) -> str:
    return f"{seconds:g}s" if seconds == int(seconds) else f"{round(seconds * 1000)}ms"


def _seconds(duration: str) -> float:
    if not duration:
        return 0
    return float(duration[:-1]) * _SECONDS_OF_UNIT[duration[-1]]
