"""Which secrets of a configuration a command wants to have: those that it uses, and no others."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from grafana_stand_in import TOKEN, grafana_stand_in
from typer.testing import CliRunner

from modelmeter.cli import app
from modelmeter.errors import SettingsError
from modelmeter.ledger.database import connect_writer
from modelmeter.settings.load import load_settings
from modelmeter.settings.secrets import ALL_SECRETS, SecretsOf

CONFIG = """
ledger = "{ledger}"

[providers.openai]
api_key = "env:NOBODYS_OPENAI_KEY"

[providers.azure]
kind = "openai"
base_url = "https://example.openai.azure.com/openai/v1"
api_key = "file:nobodys-azure-key"

[cache]
enabled = true
store = "env:NOBODYS_REDIS_URL"

[notifications]
urls = ["env:NOBODYS_SLACK_URL"]

[notifications.grafana]
url = "{grafana}"
token = "env:NOBODYS_GRAFANA_TOKEN"
"""
READERS = {
    "report": ["report"],
    "calls": ["calls"],
    "export": ["export"],
    "cache stats": ["cache", "stats"],
    "budget set": ["budget", "set", "all-day", "--limit", "5"],
    "budget list": ["budget", "list"],
    "budget show": ["budget", "show", "all-day"],
    "budget remove": ["budget", "remove", "all-day"],
    "reprice": ["reprice", "--from", "2026-11-01", "--dry-run"],
    "prices check": ["prices", "check"],
    "price": ["price", "gpt-4o", "--input", "1", "--output", "1"],
}
"""In an order in which each finds what it needs."""
OF_WHAT: dict[SecretsOf, set[str]] = {
    "providers": {"NOBODYS_OPENAI_KEY", "nobodys-azure-key"},
    "cache": {"NOBODYS_REDIS_URL"},
    "notifications": {"NOBODYS_SLACK_URL"},
    "grafana": {"NOBODYS_GRAFANA_TOKEN"},
}


def configuration(folder: Path, *, grafana: str = "http://127.0.0.1:1") -> Path:
    """A configuration whose every secret is missing, and its ledger."""
    connect_writer(folder / "ledger.db").close()
    path = folder / "modelmeter.toml"
    path.write_text(CONFIG.format(ledger=folder / "ledger.db", grafana=grafana))
    return path


def test_commands_that_use_no_secret_want_none(tmp_path: Path) -> None:
    config = configuration(tmp_path)

    for name, arguments in READERS.items():
        done = CliRunner().invoke(app, [*arguments, "--config", str(config)])
        assert done.exit_code == 0, (name, done.output)


def test_a_reader_need_not_know_the_keys_of_the_gateway(tmp_path: Path) -> None:
    """They come by environment to a gateway that others reach, and let nobody in here."""
    config = configuration(tmp_path)
    config.write_text(f'listen = "0.0.0.0:4000"\n{config.read_text()}')

    for name, arguments in READERS.items():
        done = CliRunner().invoke(app, [*arguments, "--config", str(config)])
        assert done.exit_code == 0, (name, done.output)


def test_a_check_wants_none_either(tmp_path: Path) -> None:
    nowhere = ["--gateway", "http://127.0.0.1:1", "--prometheus", "http://127.0.0.1:1"]

    done = CliRunner().invoke(
        app, ["check", *nowhere, "--config", str(configuration(tmp_path)), "--json"]
    )

    names = {json.loads(line)["name"] for line in done.output.splitlines()}
    assert names == {"gateway", "prometheus", "prices"}


def test_a_gateway_wants_all_of_them(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "modelmeter", "serve", "--config", str(configuration(tmp_path))],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 2
    assert all(name in done.stderr for names in OF_WHAT.values() for name in names)


@pytest.mark.parametrize("use", OF_WHAT)
def test_what_is_used_is_wanted_and_nothing_else(tmp_path: Path, use: SecretsOf) -> None:
    with pytest.raises(SettingsError) as raised:
        load_settings(configuration(tmp_path), {}, secrets=[use])

    said = str(raised.value)
    assert {name for names in OF_WHAT.values() for name in names if name in said} == OF_WHAT[use]


def test_every_use_is_told_apart() -> None:
    assert set(OF_WHAT) == ALL_SECRETS


def test_a_command_that_clears_a_redis_wants_its_address_alone(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app, ["cache", "clear", "--all", "--config", str(configuration(tmp_path))]
    )

    assert isinstance(done.exception, SettingsError)
    assert "NOBODYS_REDIS_URL" in str(done.exception)
    assert "OPENAI" not in str(done.exception)


def test_a_mark_needs_the_token_of_grafana_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with grafana_stand_in() as grafana:
        monkeypatch.setenv("MODELMETER_CONFIG", str(configuration(tmp_path, grafana=grafana.url)))
        monkeypatch.setenv("NOBODYS_GRAFANA_TOKEN", TOKEN)

        done = CliRunner().invoke(app, ["annotate", "--deployment", "v1.2.3"])

    assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ('[providers.openai]\napi_key = "sk-written-out"', "providers.openai.api_key"),
        ('[providers.openai]\napi_key = "env:"', "providers.openai.api_key"),
        ('[cache]\nstore = "redis://:sk-written-out@host"', "cache.store"),
        ('[notifications]\nurls = ["slack://sk-written-out"]', "notifications.urls.0"),
        (
            '[notifications.grafana]\nurl = "http://g"\ntoken = "sk-written-out"',
            "notifications.grafana.token",
        ),
        ('[providers.openai]\napi_kee = "env:KEY"', "providers.openai.api_kee"),
    ],
)
def test_a_secret_that_is_written_out_is_refused_also_where_it_is_not_used(
    tmp_path: Path, line: str, place: str
) -> None:
    path = tmp_path / "modelmeter.toml"
    path.write_text(line)

    with pytest.raises(SettingsError, match=f"modelmeter.toml:[23]: {place} ") as raised:
        load_settings(path, {}, secrets=())

    assert "sk-written-out" not in str(raised.value)


def test_what_was_not_read_is_no_secret_that_anything_could_use(tmp_path: Path) -> None:
    settings = load_settings(configuration(tmp_path), {}, secrets=())

    key = settings.providers["openai"].api_key
    assert key is not None
    assert key.get_secret_value() == "unread"
    assert settings.cache.store.get_secret_value() == "redis://unread"
    assert not settings.cache.in_memory
