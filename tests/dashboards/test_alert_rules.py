"""The rules, by promtool: sound, each alert fires, does not fire, and resolves; each is told of."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from dashboard_queries import labels_of, selectors
from known_metrics import KNOWN, family
from typer.testing import CliRunner

from modelmeter.cli import app
from modelmeter.metrics.panels import (
    CACHE_HIT_RATE_AIM_PERCENT,
    COUNTED_STATUSES,
    ERROR_RATE_MAX_PERCENT,
    LATENCY_P99_MAX_SECONDS,
)
from modelmeter.record import FAILED_STATUSES

ROOT = Path(__file__).parents[2]
RULES = ROOT / "src/modelmeter/dashboards/prometheus_rules.yml"
CASES = Path(__file__).parent / "rules"
GROUPS = yaml.safe_load(RULES.read_text())["groups"]
ALERTS: list[dict[str, Any]] = [
    rule for group in GROUPS for rule in group["rules"] if "alert" in rule
]
RECORDED: list[dict[str, Any]] = [
    rule for group in GROUPS for rule in group["rules"] if "record" in rule
]
TESTS: list[dict[str, Any]] = [
    test
    for case in sorted(CASES.glob("*.yml"))
    for test in yaml.safe_load(case.read_text())["tests"]
]
NAMES = sorted({rule["alert"] for rule in ALERTS})
OF_PROMETHEUS = {
    "up": {"job", "instance"},
    **{rule["record"]: {"provider", "budget"} for rule in RECORDED},
}
IN_EVERY_SCRAPE = {"instance", "job"}


def promtool(*arguments: str, folder: Path = ROOT) -> str:
    """What it prints, if it is content."""
    done = subprocess.run(
        ["promtool", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_has_nothing_against_the_rules() -> None:
    out = promtool("check", "rules", "--lint=all", "--lint-fatal", str(RULES))

    assert f"{len(ALERTS) + len(RECORDED)} rules found" in out


@pytest.mark.parametrize("case", ["errors", "cost", "cost_of_days", "gateway"])
def test_alerts_fire_when_they_should(case: str, tmp_path: Path) -> None:
    shutil.copy(RULES, tmp_path / "prometheus_rules.yml")
    shutil.copy(CASES / f"{case}.yml", tmp_path)

    assert "SUCCESS" in promtool("test", "rules", f"{case}.yml", folder=tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_each_alert_is_seen_firing_and_silent_before_and_after(name: str) -> None:
    seen: list[list[bool]] = [
        [bool(each["exp_alerts"]) for each in test["alert_rule_test"] if each["alertname"] == name]
        for test in TESTS
    ]
    firing = [states for states in seen if True in states]

    assert firing
    assert any(not states[-1] for states in firing), "it is never seen resolved"
    assert any(not states[0] for states in seen if states), "it is never seen silent"


def test_each_severity_and_threshold_is_expected_somewhere() -> None:
    """Two rules of one alert, such as 50 % and 80 % of a budget, each have a case."""
    expected = {
        (each["alertname"], tuple(sorted(alert["exp_labels"].items())))
        for test in TESTS
        for each in test["alert_rule_test"]
        for alert in each["exp_alerts"]
    }

    for rule in ALERTS:
        wanted = set(rule["labels"].items())
        assert any(name == rule["alert"] and wanted <= set(labels) for name, labels in expected), (
            rule["alert"]
        )


@pytest.mark.parametrize(
    "rule", [*ALERTS, *RECORDED], ids=lambda r: r.get("alert", r.get("record"))
)
def test_a_rule_names_metrics_and_labels_that_exist(rule: dict[str, Any]) -> None:
    for selector in selectors(promql_parser.parse(rule["expr"])):
        name = selector.name or ""
        labels = OF_PROMETHEUS.get(name) or KNOWN[family(name)]

        assert labels_of(selector) <= labels | IN_EVERY_SCRAPE


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_happened_and_where_to_read_on(rule: dict[str, Any]) -> None:
    annotations = rule["annotations"]
    page, _, anchor = annotations["runbook_url"].partition("#")
    headings = re.findall(r"^## (.+)$", (ROOT / page).read_text(), re.MULTILINE)

    assert rule["labels"]["severity"] in ("info", "warning", "critical")
    assert set(annotations) == {"summary", "description", "runbook_url"}
    assert re.fullmatch(r"[A-Z].*\.", annotations["summary"])
    assert "{{" not in annotations["summary"]
    assert anchor == rule["alert"].lower()
    assert rule["alert"] in headings


def test_every_section_of_a_runbook_is_an_alerts() -> None:
    sections = {
        heading
        for page in (ROOT / "docs/runbooks").glob("*.md")
        for heading in re.findall(r"^## (LLM.+)$", page.read_text(), re.MULTILINE)
    }

    assert sections == set(NAMES)


def test_bounds_are_those_of_the_panels() -> None:
    by_name = {rule["alert"]: rule["expr"] for rule in ALERTS}
    failed = "|".join(FAILED_STATUSES)
    counted = "|".join(COUNTED_STATUSES)

    assert f"> {ERROR_RATE_MAX_PERCENT / 100:g}" in by_name["LLMErrorRateHigh"]
    assert f"> {LATENCY_P99_MAX_SECONDS}" in by_name["LLMLatencyHigh"]
    assert f"< {CACHE_HIT_RATE_AIM_PERCENT / 100:g}" in by_name["LLMCacheHitRateLow"]
    for rule in RECORDED:
        for text in re.findall(r'status=~"([^"]+)"', rule["expr"]):
            assert text in (failed, counted)


def test_runbooks_are_found_under_another_address() -> None:
    printed = CliRunner().invoke(
        app, ["dashboard", "rules", "--runbooks-url", "https://wiki.example.com/llm/"]
    )
    rules = [rule for group in yaml.safe_load(printed.output)["groups"] for rule in group["rules"]]

    urls = {rule["annotations"]["runbook_url"] for rule in rules if "alert" in rule}

    assert "https://wiki.example.com/llm/ledger.md#llmledgerfails" in urls
    assert all(url.startswith("https://wiki.example.com/llm/") for url in urls)


def test_the_resource_for_kubernetes_holds_the_same_rules() -> None:
    resource = yaml.safe_load((ROOT / "deploy/kubernetes/prometheus_rule.yaml").read_text())

    assert resource["kind"] == "PrometheusRule"
    assert resource["spec"]["groups"] == GROUPS


def alert_table() -> str:
    """The README's table of alerts."""
    rows = [
        f"| {rule['annotations']['summary']} | `{rule['alert']}` | {rule['labels']['severity']} |"
        for rule in ALERTS
    ]
    return "\n".join(["| what | alert | severity |", "|---|---|---|", *rows])


def test_the_table_of_alerts_is_what_the_rules_say() -> None:
    readme = (RULES.parent / "README.md").read_text()
    table = readme.partition("<!-- alerts -->\n")[2].partition("\n<!-- /alerts -->")[0]

    assert table == alert_table()
