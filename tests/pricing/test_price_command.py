"""``modelmeter price``: exact lines, cheapest model first, and what is not known."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from modelmeter.cli import app
from modelmeter.errors import SettingsError

TOKENS = ("--input", "1200", "--cached", "1024", "--output", "300", "--at", "2026-05-01")


def rows(*arguments: str, status: int = 0) -> list[dict[str, object]]:
    """What the command says to a program."""
    result = CliRunner().invoke(app, ["price", *arguments, "--json"])
    assert result.exit_code == status, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_lines_add_up_and_name_their_source() -> None:
    (row,) = rows("gpt-4o", *TOKENS)

    assert row["lines"] == [
        {"kind": "input", "tokens": 176, "usd_per_million": "2.5", "usd": "0.00044"},
        {"kind": "cache_read", "tokens": 1024, "usd_per_million": "1.25", "usd": "0.00128"},
        {"kind": "output", "tokens": 300, "usd_per_million": "10", "usd": "0.003"},
    ]
    assert row["cost_usd"] == "0.00472"
    assert (row["matched_model"], row["state"], row["reason"]) == ("gpt-4o", "priced", None)
    assert row["source"] == "genai-prices 0.2.3, openai gpt-4o"


def test_the_cheapest_comes_first_and_the_unknown_last() -> None:
    found = rows("nobody-knows-me", "gpt-4o", "claude-3-haiku-20240307", *TOKENS, status=1)

    assert [row["model"] for row in found] == [
        "claude-3-haiku-20240307",
        "gpt-4o",
        "nobody-knows-me",
    ]
    assert found[-1]["cost_usd"] is None
    assert found[-1]["reason"]


@pytest.mark.parametrize(
    ("arguments", "usd"),
    [
        (("gpt-5", "--tier", "batch", "--at", "2025-11-20"), "0.000625"),
        (("o3", "--at", "2025-06-09T23:59:59"), "0.01"),
        (("o3", "--at", "2025-06-10"), "0.002"),
        (("amazon.nova-pro-v1:0", "--at", "2026-01-01"), "0.0008"),
        (("amazon.nova-pro-v1:0", "--at", "2026-01-01", "--region", "eu-central-1"), "0.00105"),
    ],
)
def test_the_price_is_that_of_its_day_tier_and_region(arguments: list[str], usd: str) -> None:
    (row,) = rows(*arguments, "--input", "1000")

    assert Decimal(str(row["cost_usd"])) == Decimal(usd)


def test_people_see_a_table_and_the_source() -> None:
    text = CliRunner().invoke(app, ["price", "gpt-4o", *TOKENS]).output

    assert "cache_read" in text
    assert "0.00472" in text
    assert "genai-prices 0.2.3, openai gpt-4o" in text


@pytest.mark.parametrize(
    ("model", "provider", "usd"),
    [
        ("anthropic.claude-sonnet-4-5-20250929-v1:0", "bedrock", "0.0198"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "bedrock", "0.0198"),
        ("global.anthropic.claude-sonnet-4-5-20250929-v1:0", "bedrock", "0.018"),
        (
            "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0",
            "bedrock",
            "0.0015",
        ),
        ("claude-sonnet-4-5", "anthropic", "0.018"),
        ("claude-sonnet-4-5@20250929", "anthropic", "0.018"),
        ("gemini-2.5-flash", "genai", "0.0028"),
        ("models/gemini-2.5-flash", "genai", "0.0028"),
        ("gpt-4o", "openai", "0.0125"),
        ("ft:gpt-4o-2024-08-06:acme::x1", "openai", "0.01875"),
        ("amazon.nova-pro-v1:0", "bedrock", "0.004"),
        ("openai.gpt-oss-120b-1:0", "bedrock", "0.00075"),
    ],
)
def test_an_id_is_priced_as_the_provider_s_whose_form_it_has(
    model: str, provider: str, usd: str
) -> None:
    """None of these ids is told to be anybody else's."""
    days = ("--at", "2026-05-01")
    (row,) = rows(model, "--input", "1000", "--output", "1000", *days)
    shown = CliRunner().invoke(app, ["prices", "show", model, "--json"])

    assert (row["provider"], row["other_providers"], row["cost_usd"]) == (provider, [], usd)
    assert {json.loads(line)["provider"] for line in shown.stdout.splitlines()} == {provider}
    assert not shown.stderr


def test_a_name_that_several_sell_at_different_prices_is_told_to_be_ambiguous() -> None:
    words = ("claude-3.5-sonnet", "--input", "1000", "--output", "1000", "--at", "2026-05-01")
    (row,) = rows(*words)
    text = CliRunner().invoke(app, ["price", *words]).stdout
    shown = CliRunner().invoke(app, ["prices", "show", "claude-3.5-sonnet"])

    assert row["provider"] == "bedrock"
    assert "anthropic" in str(row["other_providers"])
    for said in (text, shown.stderr):
        assert "the price of bedrock; a model of that name has another one at anthropic" in said
        assert "--provider" in said
    (other,) = rows(*words, "--provider", "anthropic")
    assert other["cost_usd"] != row["cost_usd"]
    assert other["other_providers"] == []


@pytest.mark.parametrize(
    ("words", "provider", "matched"),
    [
        (
            ("bedrock/eu.anthropic.claude-haiku-4-5-20251001-v1:0",),
            "bedrock",
            "regional.anthropic.claude-haiku-4-5-20251001-v1:0",
        ),
        (("anthropic/claude-haiku-4-5",), "anthropic", "claude-haiku-4-5"),
        (("openai/gpt-4o",), "openai", "gpt-4o"),
        (("openai/gpt-4o", "--provider", "openai"), "openai", "gpt-4o"),
        (("google/gemini-2.5-pro", "--provider", "genai"), "genai", "gemini-2.5-pro"),
        (("groq/openai/gpt-oss-120b",), "groq", "openai/gpt-oss-120b"),
        (("openai/gpt-oss-120b", "--provider", "groq"), "groq", "openai/gpt-oss-120b"),
        (("openai/gpt-4o", "--provider", "openrouter"), "openrouter", "openai/gpt-4o"),
    ],
)
def test_a_provider_before_the_slash_is_whose_price_is_shown(
    words: tuple[str, ...], provider: str, matched: str
) -> None:
    (row,) = rows(*words, "--input", "1000")
    shown = CliRunner().invoke(app, ["prices", "show", *words, "--json"])

    assert (row["model"], row["provider"], row["matched_model"]) == (words[0], provider, matched)
    assert {json.loads(line)["provider"] for line in shown.stdout.splitlines()} == {provider}


def test_a_configured_upstream_s_name_may_stand_before_the_slash(tmp_path: Path) -> None:
    path = tmp_path / "modelmeter.toml"
    path.write_text('[providers.mine]\nkind = "anthropic"\nbase_url = "https://example.com"\n')

    (row,) = rows("mine/claude-haiku-4-5", "--input", "1000", "--config", str(path))

    assert (row["provider"], row["matched_model"]) == ("mine", "claude-haiku-4-5")


def test_two_providers_that_contradict_each_other_are_refused() -> None:
    for command in (["price"], ["prices", "show"]):
        result = CliRunner().invoke(app, [*command, "openai/gpt-4o", "--provider", "anthropic"])

        assert isinstance(result.exception, SettingsError)
        assert "'openai/gpt-4o' is a model of openai" in str(result.exception)


def test_a_model_that_the_provider_before_the_slash_lacks_is_told() -> None:
    result = CliRunner().invoke(app, ["price", "openai/gpt-4o-mnii", *TOKENS])

    assert result.exit_code == 1
    assert "for model 'gpt-4o-mnii' of openai; did you mean 'gpt-4o-mini'" in result.stderr


def test_a_model_that_nobody_knows_is_told_with_names_like_it() -> None:
    result = CliRunner().invoke(app, ["price", "gpt-4o-mnii", "gpt-4o", "zzz", *TOKENS])

    assert result.exit_code == 1
    assert "0.00472" in result.stdout
    first, second = result.stderr.splitlines()
    assert first.startswith("modelmeter: no price is known for model 'gpt-4o-mnii'; did you mean")
    assert "'gpt-4o-mini'" in first
    assert second == (
        "modelmeter: no price is known for model 'zzz'; "
        "`modelmeter prices list` shows those that are"
    )


def test_only_the_named_provider_s_models_are_suggested() -> None:
    result = CliRunner().invoke(app, ["price", "claude-haiku-4-6", "--provider", "anthropic"])

    assert result.exit_code == 1
    assert "of anthropic; did you mean 'claude-haiku-4-5'" in result.stderr
    assert "anthropic." not in result.stderr


def test_a_provider_that_has_no_prices_is_told() -> None:
    result = CliRunner().invoke(app, ["price", "gpt-4o", "--provider", "opnai"])

    assert result.exit_code == 1
    assert "for provider 'opnai'; did you mean 'openai' or" in result.stderr


@pytest.mark.parametrize(
    "arguments", [("--input", "1", "--cached", "2"), ("--at", "yesterday-ish")]
)
def test_what_makes_no_sense_is_told(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, ["price", "gpt-4o", *arguments])

    assert isinstance(result.exception, SettingsError)
