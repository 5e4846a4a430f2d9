"""``modelmeter price``: exact lines, cheapest model first, and what is not known."""

import json
from decimal import Decimal

import pytest
from typer.testing import CliRunner

from modelmeter.cli import app
from modelmeter.errors import SettingsError

TOKENS = ("--input", "1200", "--cached", "1024", "--output", "300", "--at", "2026-05-01")


def rows(*arguments: str) -> list[dict[str, object]]:
    """What the command says to a program."""
    result = CliRunner().invoke(app, ["price", *arguments, "--json"])
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.output.splitlines()]


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
    found = rows("nobody-knows-me", "gpt-4o", "claude-3-haiku-20240307", *TOKENS)

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
    "arguments", [("--input", "1", "--cached", "2"), ("--at", "yesterday-ish")]
)
def test_what_makes_no_sense_is_told(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, ["price", "gpt-4o", *arguments])

    assert isinstance(result.exception, SettingsError)
