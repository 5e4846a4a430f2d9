"""The README against the program: its metrics, settings and commands are those that exist."""

import re
import shlex
from itertools import chain
from pathlib import Path

import httpx2
import pytest
from prometheus_client import parser
from running import GatewayProcess, SimulatorProcess, gateway_config
from typer.testing import CliRunner

from modelmeter.cli import app
from modelmeter.metrics import names as metric_names
from modelmeter.metrics.names import METRICS, Metric
from modelmeter.settings.budgets import BudgetingSettings, BudgetSettings
from modelmeter.settings.cache import CacheRule, CacheSettings
from modelmeter.settings.limits import Limits
from modelmeter.settings.load import load_settings
from modelmeter.settings.model import KeySettings, ProviderSettings, Settings
from modelmeter.settings.notifications import NotificationSettings
from modelmeter.settings.routing import RouteSettings, RoutingSettings
from modelmeter.settings.throttles import ThrottleSettings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()

BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
PROSE = re.sub(r"^```.*?^```$", "", README, flags=re.MULTILINE | re.DOTALL)
SPANS = re.findall(r"`([^`\n]+)`", PROSE)

SHOWN = {
    metric.name: (metric.type, metric.labels)
    for metric in (
        *METRICS,
        *(one for one in vars(metric_names).values() if isinstance(one, Metric)),
    )
}
SETTINGS = {
    name
    for table in (
        Settings,
        Limits,
        ProviderSettings,
        CacheSettings,
        CacheRule,
        KeySettings,
        BudgetSettings,
        BudgetingSettings,
        NotificationSettings,
        ThrottleSettings,
        RouteSettings,
        RoutingSettings,
    )
    for name in table.model_fields
}
LIKE_A_SETTING = re.compile(r"(?!llm_|modelmeter_)[a-z]+(?:_[a-z]+)*_(?:seconds|max)")


def blocks(language: str) -> list[str]:
    """The README's blocks in one language."""
    return [text for kind, text in BLOCKS if kind == language]


def rows_of_metrics() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Type and labels of each metric in the README's table; one row may name several."""
    rows: dict[str, tuple[str, tuple[str, ...]]] = {}
    rows_of_table = re.findall(r"^\| (`[^|]+`) \| ([^|]*)\|([^|\n]*)\|$", PROSE, re.MULTILINE)
    for names, kind, labels in rows_of_table:
        found = tuple(labels.replace(" ", "").split(",")) if labels.strip() else ()
        for name in re.findall(r"`([^`]+)`", names):
            assert name not in rows
            rows[name] = (kind.split(",")[0].strip(), found)
    return rows


def commands() -> list[str]:
    """Every call of the command line, in blocks and in prose."""
    lines = chain.from_iterable(block.replace("\\\n", "").splitlines() for block in blocks("sh"))
    shell = [shlex.join(shlex.split(line, comments=True)) for line in lines]
    found = [line.partition("modelmeter ")[2] for line in shell if "modelmeter " in line]
    found += [span.removeprefix("modelmeter ") for span in SPANS if span.startswith("modelmeter ")]
    found += [f"demo {options}" for options in re.findall(r"DEMO='([^']+)'", README)]
    return sorted(set(found))


def test_the_table_of_metrics_lists_exactly_what_is_shown() -> None:
    assert rows_of_metrics() == SHOWN


def test_the_table_of_metrics_has_all_that_a_gateway_shows(tmp_path: Path) -> None:
    simulator = SimulatorProcess(tmp_path)
    simulator.start()
    configured = """
[cache]
enabled = true
[[budgets]]
name = "day"
window = "day"
limit_usd = "1"
"""
    gateway = GatewayProcess(gateway_config(tmp_path, simulator.url, extra=configured))
    try:
        gateway.start()
        call = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}
        url, key = f"{gateway.url}/openai/v1/chat/completions", {"authorization": "Bearer any"}
        assert httpx2.post(url, headers=key, json=call).status_code == 200
        assert httpx2.post(url, headers=key, content=b"no JSON").status_code == 400
        text = httpx2.get(f"{gateway.url}/metrics").text
    finally:
        gateway.kill()
        simulator.kill()
    shown = {
        family.name + ("_total" if family.type == "counter" else ""): (
            family.type,
            {name for sample in family.samples for name in sample.labels} - {"le"},
        )
        for family in parser.text_string_to_metric_families(text)
    }
    rows = {name: (kind, set(labels)) for name, (kind, labels) in rows_of_metrics().items()}

    assert {"modelmeter_ledger_commits_total", "modelmeter_cache_failures_total"} <= set(shown)
    for name, (kind, labels) in shown.items():
        assert rows[name][0] == kind
        # What has counted nothing yet has no samples, and so no labels.
        assert labels in (set(), rows[name][1])


def test_every_metric_that_is_named_anywhere_is_shown() -> None:
    named = set(re.findall(r"\b(?:llm|modelmeter)_[a-z_]+", README))

    assert named - set(SHOWN) == set()


def test_the_configuration_is_one_that_loads(tmp_path: Path) -> None:
    (block,) = blocks("toml")
    path = tmp_path / "modelmeter.toml"
    path.write_text(block)

    # A name that is no setting is an error.
    settings = load_settings(path, dict.fromkeys(re.findall(r'"env:(\w+)"', block), "secret"))

    assert {"openai", "azure"} <= set(settings.providers)
    assert settings.limits == Limits()
    untold = {
        "throttles",
        "version",
        "health_listen",
        "providers",
        "teams",
        "keys",
        "budgets",
        "notifications",
        "cache",
        "routes",
    }
    assert settings.model_dump(exclude=untold) == Settings().model_dump(exclude=untold)


def test_every_setting_that_the_prose_names_exists() -> None:
    keys = {span for span in SPANS if LIKE_A_SETTING.fullmatch(span)}
    keys |= {name for span in SPANS for name in re.findall(r"^\[+([a-z]+)\]+$", span)}

    assert {"scrape_interval_seconds", "teams"} <= keys
    assert keys - SETTINGS == set()


def test_every_variable_that_the_prose_names_is_a_setting() -> None:
    variables = re.findall(r"`MODELMETER_([A-Z_]+)=", PROSE)

    assert variables
    for variable in variables:
        first, *_, last = variable.lower().split("__")
        assert {first, last} <= SETTINGS


@pytest.mark.parametrize("command", commands())
def test_every_command_exists_with_its_options(command: str) -> None:
    verb = command.partition(" ")[0]
    # Options are parsed before any help is shown, so that an unknown one is still an error.
    result = CliRunner().invoke(app, [*shlex.split(command), "--help"])

    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"Usage: modelmeter {verb} ")


def test_the_commands_that_are_checked_are_all_of_them() -> None:
    assert {command.partition(" ")[0] for command in commands()} >= {
        "demo",
        "serve",
        "report",
        "calls",
    }


def test_every_target_of_make_exists() -> None:
    shell = "\n".join(blocks("sh"))
    targets = set(re.findall(r"\bmake ([a-z]+)", shell + "\n".join(SPANS)))

    assert {"demo", "test"} <= targets
    assert targets <= set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
