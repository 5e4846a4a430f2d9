"""Cost per Team in Prometheus, where agents have no team, several, or are seen by two gateways."""

import json
import subprocess
from pathlib import Path
from typing import Any

import yaml
from dashboard_queries import expand, targets

from modelmeter.dashboards.dashboard import dashboard_json

RANGE_SECONDS = 3600


def shown(folder: Path, series: dict[str, str], expected: dict[str, float]) -> None:
    """Have promtool compare what the panel shows after an hour."""
    (target,) = [
        target
        for target in targets(json.loads(json.dumps(dashboard_json())))
        if target.panel == "Cost per Team"
    ]
    expr = expand(target, {}, range_seconds=RANGE_SECONDS, scrape_seconds=60)
    test: dict[str, Any] = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f"round({expr}, 0.001)",
                "eval_time": "60m",
                "exp_samples": [
                    {"labels": f'{{team="{team}"}}', "value": usd} for team, usd in expected.items()
                ],
            }
        ],
    }
    path = folder / "team.yml"
    path.write_text(yaml.safe_dump({"rule_files": [], "tests": [test]}))
    done = subprocess.run(
        ["promtool", "test", "rules", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def cost(agent: str, model: str = "m") -> str:
    return f'llm_cost_total{{agent_id="{agent}",model="{model}",provider="openai"}}'


def test_an_agents_cost_is_its_teams(tmp_path: Path) -> None:
    shown(
        tmp_path,
        {
            cost("red.a"): "0+1x60",
            cost("red.b", "n"): "0+2x60",
            cost("blue.a"): "0+3x60",
            'llm_agent_info{agent_id="red.a",team="red"}': "1+0x60",
            'llm_agent_info{agent_id="red.b",team="red"}': "1+0x60",
            'llm_agent_info{agent_id="blue.a",team="blue"}': "1+0x60",
        },
        {"red": 180, "blue": 180},
    )


def test_an_agent_of_two_teams_counts_half_for_each(tmp_path: Path) -> None:
    shown(
        tmp_path,
        {
            cost("shared"): "0+4x60",
            'llm_agent_info{agent_id="shared",team="red"}': "1+0x60",
            'llm_agent_info{agent_id="shared",team="blue"}': "1+0x60",
        },
        {"red": 120, "blue": 120},
    )


def test_two_gateways_that_know_an_agent_do_not_count_it_twice(tmp_path: Path) -> None:
    info = 'llm_agent_info{{instance="{}",agent_id="red.a",team="red"}}'
    shown(
        tmp_path,
        {
            cost("red.a"): "0+1x60",
            info.format("a"): "1+0x60",
            # This one was stopped half an hour ago.
            info.format("b"): "1+0x30 stale",
        },
        {"red": 60},
    )


def test_an_agent_without_a_team_is_unassigned(tmp_path: Path) -> None:
    shown(
        tmp_path,
        {cost("lone"): "0+1x60", 'llm_agent_info{agent_id="lone",team=""}': "1+0x60"},
        {"unassigned": 60},
    )


def test_no_call_at_all_is_said(tmp_path: Path) -> None:
    shown(tmp_path, {"up": "1+0x60"}, {"no traffic": 0})
