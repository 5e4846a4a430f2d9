"""What is committed is what the code makes: `make generated` writes it anew."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from modelmeter.cli import app
from modelmeter.metrics.panels import PANELS, Unit

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "src/modelmeter/dashboards"
README = (FOLDER / "README.md").read_text()

UNIT_WORDS: dict[Unit, str] = {
    "calls_per_second": "calls a second",
    "tokens_per_second": "tokens a second",
    "calls": "calls",
    "usd": "USD",
    "percent": "%",
    "seconds": "seconds",
}


@pytest.mark.parametrize(
    ("file", "command"),
    [
        ("src/modelmeter/dashboards/llm_usage_dashboard.json", ["dashboard"]),
        (
            "deploy/grafana/dashboards/llm_usage_dashboard.json",
            ["dashboard", "--shape", "bare"],
        ),
        ("deploy/prometheus_rules.yml", ["dashboard", "rules"]),
        ("deploy/kubernetes/prometheus_rule.yaml", ["dashboard", "rules", "--kubernetes"]),
    ],
)
def test_the_committed_file_is_the_generated_one(file: str, command: list[str]) -> None:
    printed = CliRunner().invoke(app, command)

    assert printed.exit_code == 0
    assert (ROOT / file).read_text() == printed.output


def test_the_shipped_shape_is_right_for_each_of_grafanas_doors() -> None:
    """
    The API reads `dashboard` and `overwrite`; import and provisioning the keys beside them.

    Import takes `elements` for a newer model and unwraps `spec`: neither may stand there.
    """
    shipped = json.loads((FOLDER / "llm_usage_dashboard.json").read_text())
    bare = json.loads((ROOT / "deploy/grafana/dashboards/llm_usage_dashboard.json").read_text())

    assert shipped["dashboard"] == bare
    assert shipped["overwrite"] is True
    assert {key: shipped[key] for key in bare} == bare
    assert set(shipped) - set(bare) == {"dashboard", "overwrite"}
    assert not {"elements", "spec", "__inputs"} & set(shipped)
    assert all(isinstance(tag, str) and len(tag) <= 50 for tag in bare["tags"])


def test_another_limit_of_a_day_gives_other_thresholds() -> None:
    printed = CliRunner().invoke(app, ["dashboard", "--shape", "wrapped", "--daily-usd", "250"])
    panels = json.loads(printed.output)["dashboard"]["panels"]
    (cost,) = [panel for panel in panels if panel["title"] == "Total Cost (24h)"]

    steps = cost["fieldConfig"]["defaults"]["thresholds"]["steps"]

    assert [step["value"] for step in steps] == [None, 125, 200, 250]


def test_an_unknown_shape_is_refused_with_the_known_ones() -> None:
    result = CliRunner().invoke(app, ["dashboard", "--shape", "yaml"])

    assert result.exit_code != 0
    assert "any, bare, wrapped" in str(result.exception)


def panel_table() -> str:
    """The README's table of panels."""
    rows = ["| panel | unit | shows | from |", "|---|---|---|---|"]
    rows += [
        f"| {panel.title} | {UNIT_WORDS[panel.unit]} | {panel.description} | "
        f"{', '.join(f'`{name}`' for name in panel.metrics)} |"
        for panel in PANELS
    ]
    return "\n".join(rows)


def test_the_table_of_panels_is_the_definition() -> None:
    table = README.partition("<!-- panels -->\n")[2].partition("\n<!-- /panels -->")[0]

    assert table == panel_table()


def test_the_curl_command_posts_the_file_beside_the_readme() -> None:
    assert "-d @llm_usage_dashboard.json" in README
    assert (FOLDER / "llm_usage_dashboard.json").exists()
