"""``modelmeter budget test``: a sample arrives, and what did not arrive is told."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from receiver import Receiver, receiver
from typer.testing import CliRunner

from modelmeter.cli import app
from modelmeter.errors import SettingsError

CONFIG = """
ledger = "{ledger}"

[notifications]
urls = ["env:HOOK"]

[notifications.grafana]
url = "http://127.0.0.1:{port}"
token = "env:TOKEN"
"""


@pytest.fixture(name="service")
def service_fixture() -> Iterator[Receiver]:
    """Who is told."""
    with receiver() as running:
        yield running


@pytest.fixture(name="config")
def config_fixture(tmp_path: Path, service: Receiver, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration with two addresses, and a budget."""
    monkeypatch.setenv("HOOK", f"json://127.0.0.1:{service.port}/hook")
    monkeypatch.setenv("TOKEN", "a-token")
    path = tmp_path / "modelmeter.toml"
    path.write_text(CONFIG.format(ledger=tmp_path / "ledger.db", port=service.port))
    run("set", "daily", "--limit", "50", "--config", str(path))
    return path


def run(*arguments: str) -> str:
    """What a subcommand prints."""
    result = CliRunner().invoke(app, ["budget", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_sample_arrives_and_says_that_it_is_one(config: Path, service: Receiver) -> None:
    said = run("test", "daily", "--config", str(config))

    told = {path: body for path, _, body in (service.next(), service.next())}
    assert said == "env:HOOK: delivered\ngrafana: delivered\n"
    assert told["/hook"]["title"] == "Sample: Budget daily: 50 % of 50 USD spent"
    assert "This is a sample" in str(told["/hook"]["message"])
    assert told["/api/annotations"]["text"] == "Sample: Budget daily: 50 % of 50 USD spent"


def test_what_does_not_arrive_is_told(config: Path, service: Receiver) -> None:
    service.up = False

    with pytest.raises(SettingsError) as caught:
        run("test", "daily", "--config", str(config))

    said = str(caught.value)
    assert said.startswith(
        "2 of 2 addresses took no sample: env:HOOK did not take the notification: "
        "it answered 503 Service Unavailable; "
    )
    assert said.count("503") == 2


def test_that_nobody_was_reached_is_told(
    tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("HOOK", f"json://127.0.0.1:{port}/hook")
    alone = tmp_path / "alone.toml"
    alone.write_text(config.read_text().partition("[notifications.grafana]")[0])

    with pytest.raises(SettingsError, match=r"env:HOOK did not take .*: no connection, or no ans"):
        run("test", "daily", "--config", str(alone))


def test_programs_get_json(config: Path) -> None:
    said = json.loads(run("test", "daily", "--json", "--config", str(config)))

    assert said == {"env:HOOK": None, "grafana": None}


def test_an_unknown_budget_is_told_so(config: Path) -> None:
    with pytest.raises(SettingsError, match="no budget 'weekly'"):
        run("test", "weekly", "--config", str(config))


def test_without_addresses_it_says_where_to_give_them(tmp_path: Path) -> None:
    path = tmp_path / "modelmeter.toml"
    path.write_text("")

    with pytest.raises(SettingsError, match=r"\[notifications\] urls"):
        run("test", "daily", "--config", str(path))
