"""``modelmeter prices``: what is known, what changed, a newer catalogue, and one that is broken."""

import json
import logging
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from ledger_cases import FixedClock, lost_as_unknown, make_call, make_intent
from msgspec.structs import replace
from typer.testing import CliRunner

from modelmeter.cli import app
from modelmeter.errors import CatalogueError, SettingsError, UnknownModelError
from modelmeter.gateway.catalogue_samples import catalogue_samples
from modelmeter.ledger import Ledger, LedgerWriter
from modelmeter.pricing import PriceBook
from modelmeter.pricing.catalogue_file import (
    PREVIOUS,
    bundled_catalogue,
    load_catalogue,
    read_catalogue,
    write_catalogue,
)
from modelmeter.record import CostState, TokenCounts

NOW = datetime(2026, 11, 1, tzinfo=UTC)
AT_NS = int(NOW.timestamp()) * 10**9


def rows(*arguments: str) -> list[dict[str, object]]:
    result = CliRunner().invoke(app, ["prices", *arguments, "--json"])
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def changed(folder: Path, usd: str) -> Path:
    """A published file in which gpt-4o's input costs something else."""
    path = folder / "published.json"
    write_catalogue(path, bundled_catalogue(), NOW)
    content = json.loads(path.read_text())
    for provider in content["providers"]:
        for model in provider["models"]:
            if (provider["id"], model["id"]) == ("openai", "gpt-4o"):
                model["prices"]["input_mtok"] = usd
    path.write_text(json.dumps(content["providers"]))
    return path


def configured(folder: Path, catalogue: Path) -> str:
    path = folder / "modelmeter.toml"
    path.write_text(f'[prices]\ncatalogue = "{catalogue}"\n')
    return str(path)


def test_a_model_s_history_names_days_rates_and_sources() -> None:
    first, second, third = rows("show", "o3", "--provider", "openai")

    assert (first["from"], first["before"]) == (None, "2025-06-10")
    assert (second["from"], second["before"]) == ("2025-06-10", "2025-06-26")
    assert (third["from"], third["before"]) == ("2025-06-26", None)
    assert third["usd_per_million"] == second["usd_per_million"]
    assert "web_search_preview" not in second["usd_per_use"]  # type: ignore[operator]  # JSON
    assert third["usd_per_use"]["web_search_preview"] == "0.01"  # type: ignore[index]  # JSON
    prices = [row["usd_per_million"] for row in (first, second)]
    assert [(p[0]["input"], p[0]["cache_read"], p[0]["output"]) for p in prices] == [  # type: ignore[index]  # JSON
        ("10", "2.5", "40"),
        ("2", "0.5", "8"),
    ]
    assert "introducing-o3" in str(first["source"])


def test_the_list_has_the_prices_of_its_day() -> None:
    found = {
        row["model"]: row for row in rows("list", "--provider", "openai", "--at", "2026-08-20")
    }

    assert found["gpt-5.6-sol"]["usd_per_million"][0]["input"] == "5"  # type: ignore[index]  # JSON
    assert len(found) > 50


def test_each_model_of_each_provider_stands_once(tmp_path: Path) -> None:
    """Also where a provider is configured under its own name, and by its ids as they are called."""
    config = tmp_path / "modelmeter.toml"
    config.write_text('[providers.bedrock]\nregion = "us-east-1"\n')
    words = ("--config", str(config))

    listed = [(row["provider"], row["model"]) for row in rows("list", *words)]
    differing = [
        (row["provider"], row["model"])
        for row in rows("diff", "--from", "2026-01-01", "--to", "2026-11-01", *words)
    ]

    for found in (listed, differing):
        assert {provider for provider, _ in found} >= {"bedrock", "anthropic", "genai"}
        assert len(found) == len(set(found))
    assert not any(str(model).startswith("regional.") for _, model in listed)
    assert ("bedrock", "anthropic.claude-3-haiku-20240307-v1:0") in listed


def test_what_differs_between_two_days_is_shown_and_nothing_else() -> None:
    days = ("--from", "2026-08-20", "--to", "2026-08-21", "--provider", "openai")

    (only,) = rows("diff", *days)
    text = CliRunner().invoke(app, ["prices", "diff", *days]).stdout

    assert only["model"] == "gpt-5.6-sol"
    assert "→" in text
    assert rows("diff", "--from", "2026-08-21", "--to", "2026-08-21") == []


def test_a_newer_catalogue_is_taken_from_a_file_and_the_old_one_stays_beside_it(
    tmp_path: Path,
) -> None:
    target = tmp_path / "prices.json"
    config = configured(tmp_path, target)
    write_catalogue(target, bundled_catalogue(), NOW)
    before = target.read_bytes()

    (difference,) = rows("update", str(changed(tmp_path, "1.25")), "--config", config)
    priced = CliRunner().invoke(
        app, ["price", "gpt-4o", "--input", "1000", "--json", "--config", config]
    )

    assert difference["model"] == "gpt-4o"
    assert target.with_name(target.name + PREVIOUS).read_bytes() == before
    assert json.loads(priced.stdout)["cost_usd"] == "0.00125"
    assert json.loads(priced.stdout)["source"].startswith("file published.json, openai gpt-4o")


def test_an_update_says_what_changes_and_who_takes_it_up(tmp_path: Path) -> None:
    target = tmp_path / "prices.json"
    config = configured(tmp_path, target)
    write_catalogue(target, bundled_catalogue(), NOW)

    def said(*arguments: str) -> list[str]:
        words = ["prices", "update", *arguments]
        return CliRunner().invoke(app, words, catch_exceptions=False).stdout.splitlines()

    one = said(str(changed(tmp_path, "1.25")), "--config", config)
    none = said(str(target), "--config", config)
    elsewhere = said(str(target), "--catalogue", str(tmp_path / "other.json"))

    taken_up = "What runs by this configuration takes the file up within seconds."
    assert one[-2:] == ["1 of today's prices is another one.", taken_up]
    assert none[1:] == ["Today's prices are the same as before.", taken_up]
    assert elsewhere[-1].startswith("Nothing uses the file before catalogue = ")


def test_that_a_catalogue_is_broken_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    target = tmp_path / "prices.json"
    target.write_text("[]")
    config = configured(tmp_path, target)
    with Path(config).open("a") as file:
        file.write('[[prices.discounts]]\nprovider = "openai"\npercent = "5"\n')

    result = CliRunner().invoke(app, ["price", "gpt-4o", "--input", "1", "--config", config])

    assert result.exit_code == 0
    assert caplog.text.count("prices are those of") == 1


def test_the_installed_package_s_catalogue_survives_its_way_through_a_file(tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    result = CliRunner().invoke(app, ["prices", "update", "--catalogue", str(path)])
    assert result.exit_code == 0, result.output
    bundled, filed = PriceBook(), PriceBook(catalogue=read_catalogue(path))

    for provider in ("openai", "anthropic", "genai", "bedrock", "deepseek"):
        for model in bundled.listed_ids(provider):
            for tier in (None, "batch", "priority"):
                one = bundled.quote(provider, model, AT_NS, service_tier=tier)
                assert one == filed.quote(provider, model, AT_NS, service_tier=tier), model


BROKEN = {
    "missing": None,
    "empty": "",
    "cut": '[{"id": "openai"',
    "no list": "7",
    "few providers": '[{"id": "openai", "name": "x", "api_pattern": "x", "models": []}]',
    "wrong fields": '[{"id": 7}]',
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_broken_catalogue_is_refused_and_the_last_good_one_stands(
    tmp_path: Path, content: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    target = tmp_path / "prices.json"
    write_catalogue(target, read_catalogue(changed(tmp_path, "7")), NOW)
    broken = tmp_path / "broken.json"
    if content is not None:
        broken.write_text(content)

    refused = CliRunner().invoke(app, ["prices", "update", str(broken), "--catalogue", str(target)])
    assert isinstance(refused.exception, CatalogueError)
    assert load_catalogue(target).fallback is None

    target.rename(target.with_name(target.name + PREVIOUS))
    if content is not None:
        target.write_text(content)
    with caplog.at_level(logging.WARNING):
        found = load_catalogue(target)
    assert found.fallback is not None
    assert str(target) in caplog.text
    cost = PriceBook(catalogue=found).price("openai", "gpt-4o", TokenCounts(input=1000), AT_NS).cost
    assert cost == 7_000_000_000


def test_without_any_good_file_the_bundled_catalogue_stands_in_and_says_so(tmp_path: Path) -> None:
    config = configured(tmp_path, tmp_path / "nowhere.json")

    result = CliRunner().invoke(app, ["prices", "check", "--json", "--config", config])

    told = json.loads(result.stdout)
    assert result.exit_code == 1
    assert "nowhere.json" in told["fallback"]
    assert told["source"].startswith("genai-prices")
    assert told["age_days"] >= 0


def test_metrics_tell_the_catalogue_s_age_and_whether_it_stands_in() -> None:
    bundled = bundled_catalogue()
    today = date(2026, 11, 20)

    good = {sample.name: sample.value for sample in catalogue_samples(bundled, today)}
    bad = {
        sample.name: sample.value
        for sample in catalogue_samples(replace(bundled, fallback="broken"), today)
    }

    assert good["modelmeter_price_catalogue_fallback"] == 0
    assert bad["modelmeter_price_catalogue_fallback"] == 1
    assert 1.79e9 < good["modelmeter_price_catalogue_timestamp_seconds"] < 1.8e9


async def test_a_check_names_the_models_that_were_called_without_a_price(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    writer = LedgerWriter(path, clock=FixedClock(), lost_call=lost_as_unknown)
    call = replace(make_call(make_intent(model="mystery"), cost=0), cost_state=CostState.UNPRICED)
    await Ledger(writer, wait_seconds=30).record(call)
    writer.close()

    result = CliRunner().invoke(app, ["prices", "check", "--ledger", str(path), "--json"])

    assert json.loads(result.stdout)["unpriced"] == [
        {"provider": "openai", "model": "mystery", "calls": 1}
    ]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("show", "nobody-knows-me"), UnknownModelError),
        (("diff", "--from", "yesterday"), SettingsError),
        (("update",), SettingsError),
    ],
)
def test_what_cannot_be_shown_is_told(arguments: tuple[str, ...], error: type[Exception]) -> None:
    assert isinstance(CliRunner().invoke(app, ["prices", *arguments]).exception, error)


def test_people_see_tables() -> None:
    shown = CliRunner().invoke(app, ["prices", "show", "gpt-5.4", "--provider", "openai"]).stdout
    listed = CliRunner().invoke(app, ["prices", "list", "--provider", "anthropic"]).stdout

    assert "2.5 / 5" in shown
    assert "claude-opus-5" in listed
