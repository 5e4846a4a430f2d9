"""The operator's own prices: what stands before a catalogue, from when, and what is refused."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from modelmeter.cli import app
from modelmeter.errors import SettingsError
from modelmeter.pricing import Price, PriceBook
from modelmeter.record import CostState, TokenCounts, ToolCalls, pico_usd
from modelmeter.settings.globs import globs_meet
from modelmeter.settings.load import load_settings
from modelmeter.wiring import price_book, wrong_overrides

TOKENS = TokenCounts(input=1000, output=100)
ARN = "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/a1b2c3"
AZURE = '[providers.azure]\nkind = "openai"\nbase_url = "https://x.openai.azure.com/openai/v1"\n'

OVERRIDES = f"""
{AZURE}
[[prices.models]]
provider = "openai"
models = ["gpt-4o", "gpt-4o-2*"]
since = 2026-02-01
until = 2026-03-01
input = "1"
cache_read = "0.1"
output = "4"
source = "contract 4711"

[[prices.models]]
provider = "openai"
models = ["house-model"]
input = {{ 0 = "2", 1500 = "3" }}
output = "5"

[[prices.models]]
provider = "openai"
models = ["house-model"]
tier = "batch"
input = "0.5"
output = "1"

[[prices.discounts]]
provider = "bedrock"
models = ["anthropic.*"]
percent = "12.5"
since = 2026-01-01
source = "private pricing addendum"

[[prices.deployments]]
provider = "azure"
name = "prod-chat"
model = "gpt-4-turbo-2024-04-09"

[[prices.deployments]]
provider = "bedrock"
name = "{ARN}"
model = "anthropic.claude-3-haiku-20240307-v1:0"
until = 2026-06-01

[[prices.deployments]]
provider = "bedrock"
name = "{ARN}"
model = "amazon.nova-pro-v1:0"
since = 2026-06-01

[[prices.tool_fees]]
provider = "openai"
models = ["gpt-4o*"]
tool = "code_execution"
usd_per_thousand = "30"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "modelmeter.toml"
    path.write_text(text)
    return path


def book_of(folder: Path, text: str) -> PriceBook:
    return price_book(load_settings(written(folder, text), {}, check=wrong_overrides))


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> PriceBook:
    return book_of(tmp_path_factory.mktemp("prices"), OVERRIDES)


def price(
    book: PriceBook,
    provider: str,
    model: str,
    day: str,
    *,
    answered: str | None = None,
    tier: str | None = None,
    tokens: TokenCounts = TOKENS,
    tools: ToolCalls = ToolCalls(),  # noqa: B008 - frozen
) -> Price:
    at_ns = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * 10**9
    return book.price(
        provider, model, tokens, at_ns, model_answered=answered, service_tier=tier, tools=tools
    )


def usd(amount: str) -> int:
    return pico_usd(Decimal(amount))


@pytest.mark.parametrize(
    ("day", "cost"),
    [
        ("2026-01-31", "0.0035"),
        ("2026-02-01", "0.0014"),
        ("2026-02-28", "0.0014"),
        ("2026-03-01", "0.0035"),
    ],
)
def test_a_price_holds_from_its_first_day_up_to_before_its_last(
    book: PriceBook, day: str, cost: str
) -> None:
    assert price(book, "openai", "gpt-4o", day).cost == usd(cost)


def test_an_override_says_what_it_rests_on(book: PriceBook) -> None:
    found = price(book, "openai", "gpt-4o", "2026-02-10", answered="gpt-4o-2024-08-06")

    assert found.price_source == (
        "override, gpt-4o-2024-08-06, from 2026-02-01, before 2026-03-01 (contract 4711)"
    )
    assert (found.cost, found.state) == (usd("0.0014"), CostState.PRICED)


def test_a_model_asked_for_by_its_override_s_name_has_its_price_whoever_answers(
    book: PriceBook,
) -> None:
    found = price(book, "openai", "house-model", "2026-05-01", answered="gpt-4.1")

    assert (found.cost, found.note) == (usd("0.0025"), None)


@pytest.mark.parametrize(
    ("tokens", "tier", "cost", "state"),
    [
        (TokenCounts(input=1500, output=100), None, "0.0035", CostState.PRICED),
        (TokenCounts(input=1501, output=100), None, "0.005003", CostState.PRICED),
        (TOKENS, "batch", "0.0006", CostState.PRICED),
        (TOKENS, "priority", "0.0025", CostState.ESTIMATED),
    ],
)
def test_steps_and_tiers_of_a_model_that_no_catalogue_has(
    book: PriceBook, tokens: TokenCounts, tier: str | None, cost: str, state: CostState
) -> None:
    found = price(book, "openai", "house-model", "2026-05-01", tokens=tokens, tier=tier)

    assert (found.cost, found.state) == (usd(cost), state)


def test_a_discount_is_taken_off_the_catalogue_s_price_from_its_day(book: PriceBook) -> None:
    model = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"

    before = price(book, "bedrock", model, "2025-12-31")
    after = price(book, "bedrock", model, "2026-01-01")
    other = price(book, "bedrock", "amazon.nova-pro-v1:0", "2026-01-01")

    assert after.cost * 1000 == before.cost * 875
    assert after.price_source is not None
    assert after.price_source.endswith(", less 12.5 % (private pricing addendum)")
    assert "less" not in str(other.price_source)


def test_a_deployment_is_the_model_that_the_operator_says_not_the_one_azure_names(
    book: PriceBook,
) -> None:
    """langchain-ai/langchain#14912: Azure answers ``gpt-4`` for a deployment of Turbo."""
    found = price(book, "azure", "prod-chat", "2026-05-01", answered="gpt-4")

    assert found.priced_model == "gpt-4-turbo"
    assert found.cost == usd("0.013")


@pytest.mark.parametrize(
    ("day", "model"),
    [
        ("2026-05-31", "anthropic.claude-3-haiku-20240307-v1:0"),
        ("2026-06-01", "amazon.nova-pro-v1:0"),
    ],
)
def test_an_inference_profile_is_a_model_by_its_day_in_its_own_region(
    book: PriceBook, day: str, model: str
) -> None:
    """langfuse/langfuse#13325: an ARN cost nothing."""
    found = price(book, "bedrock", ARN, day)
    at_ns = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * 10**9
    itself = book.price("bedrock", model, TOKENS, at_ns, region="eu-central-1")

    assert found.state is CostState.PRICED
    assert 0 < found.cost == itself.cost


def test_a_tool_has_the_operator_s_fee_beside_the_catalogue_s(book: PriceBook) -> None:
    tools = ToolCalls(web_search=2, code_execution=3)

    found = price(book, "openai", "gpt-4o", "2026-05-01", tools=tools)

    assert (found.cost, found.state) == (usd("0.0035") + usd("0.02") + usd("0.09"), "priced")


CEILING = """
[prices]
unknown_models = "ceiling"
ceiling = { input = "20", output = "100" }
"""


def test_an_unknown_model_is_charged_at_the_ceiling_and_marked(tmp_path: Path) -> None:
    book = book_of(tmp_path, CEILING)

    unknown = price(book, "openai", "gpt-99", "2026-05-01", tokens=TokenCounts(1000, 10, output=5))
    known = price(book, "openai", "gpt-4o", "2026-05-01")

    assert (unknown.cost, unknown.state) == (usd("0.0207"), CostState.ESTIMATED)
    assert unknown.note == "no price is known for model 'gpt-99': charged at the ceiling"
    assert known.state is CostState.PRICED
    assert not book.knows("openai", "gpt-99", 0)


ENTRY = '[[prices.models]]\nprovider = "openai"\nmodels = ["gpt-4o"]\ninput = "1"\n'
AWS = ENTRY.replace("openai", "bedrock").replace("gpt-4o", "amazon.nova-pro-v1:0")
GOOGLE = ENTRY.replace("openai", "genai").replace("gpt-4o", "gemini-2.5-pro")
OWN_REGION = '[providers.openai]\nregion = "mars-1"\n'
DISCOUNT = '[[prices.discounts]]\nprovider = "openai"\npercent = 5\n'
DEPLOYMENT = f'{AZURE}[[prices.deployments]]\nprovider = "azure"\nname = "a"\nmodel = "gpt-4o"\n'
FEE = '[[prices.tool_fees]]\nprovider = "openai"\ntool = "web_search"\nusd_per_thousand = 3\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            ENTRY + 'inptu = "1"\n',
            ":5: prices.models.0.inptu is not a setting; did you mean 'input'",
        ),
        ("[prices]\nceilng = 1\n", ":2: prices.ceilng is not a setting; did you mean 'ceiling'?"),
        (ENTRY + ENTRY, ":5: prices.models.1 overlaps entry 1 of prices.models"),
        (
            ENTRY.replace("gpt-4o", "gpt-4*") + ENTRY.replace("gpt-4o", "gpt-*-mini"),
            ":5: prices.models.1 overlaps entry 1",
        ),
        (DISCOUNT + DISCOUNT, ":4: prices.discounts.1 overlaps entry 1 of prices.discounts"),
        (
            DEPLOYMENT + DEPLOYMENT.removeprefix(AZURE),
            ":8: prices.deployments.1 overlaps entry 1 of prices.deployments",
        ),
        (FEE + FEE, ":5: prices.tool_fees.1 overlaps entry 1 of prices.tool_fees"),
        (
            ENTRY + "since = 2026-02-01\nuntil = 2026-02-01\n",
            ":6: prices.models.0.until is not after since, so the entry can never match",
        ),
        (ENTRY.replace("openai", "opnai"), ":2: prices.models.0.provider 'opnai' is no configured"),
        (
            DISCOUNT + 'models = ["claude-*"]\n',
            ":4: prices.discounts.0.models 'claude-*' matches no model of 'openai'",
        ),
        (
            FEE + 'models = ["gpt-4o", "gpt4o"]\n',
            ":5: prices.tool_fees.0.models 'gpt4o' matches no model of 'openai'",
        ),
        (
            DEPLOYMENT.replace('model = "gpt-4o"', 'model = "gpt4o"'),
            ":7: prices.deployments.0.model 'gpt4o' has no known price at 'azure'",
        ),
        (ENTRY + 'tier = "default"\n', ":5: prices.models.0.tier is a word for the ordinary price"),
        (
            ENTRY + 'tier = "bacth"\n',
            ":5: prices.models.0.tier 'bacth' is none of openai: did you mean 'batch'?",
        ),
        (
            AWS + 'tier = "fast"\n',
            ":5: prices.models.0.tier 'fast' is none of bedrock: there are batch, flex, optimized",
        ),
        (
            AWS + 'regions = ["us-*", "eu-centrl-1"]\n',
            ":5: prices.models.0.regions 'eu-centrl-1' is none of bedrock: did you mean 'eu-centr",
        ),
        (
            GOOGLE + 'regions = ["europe-wset4"]\n',
            ":5: prices.models.0.regions 'europe-wset4' is none of genai: did you mean 'europe-",
        ),
        (ENTRY.replace('input = "1"', ""), ":1: prices.models.0 names no price"),
        (ENTRY.replace('"1"', '{ 5 = "1" }'), "a price by length of the input begins at"),
        (ENTRY.replace('"1"', '"-1"'), ":4: prices.models.0.input"),
        (ENTRY.replace('"1"', '"NaN"'), ":4: prices.models.0.input"),
        (DISCOUNT.replace("5", "101"), ":3: prices.discounts.0.percent"),
        ('[prices]\nunknown_models = "ceiling"\n', "and a ceiling go together"),
        ('[prices]\nunknown_models = "deny"\n', ":2: prices.unknown_models"),
    ],
)
def test_an_override_that_cannot_hold_is_an_error_with_its_line(
    tmp_path: Path, text: str, says: str
) -> None:
    path = written(tmp_path, text)

    with pytest.raises(SettingsError) as caught:
        load_settings(path, {}, check=wrong_overrides)

    assert says in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        OVERRIDES,
        ENTRY + ENTRY.replace("gpt-4o", "gpt-4o-mini"),
        ENTRY + "until = 2026-02-01\n" + ENTRY + "since = 2026-02-01\n",
        ENTRY + ENTRY + 'tier = "flex"\n',
        ENTRY + 'regions = ["eu*"]\n' + ENTRY + 'regions = ["us*"]\n',
        ENTRY + 'regions = ["eu*"]\n' + ENTRY,
        AWS + 'tier = "latency-optimized"\nregions = ["EU-Central-1", "ap-*", "us-gov-west-1"]\n',
        GOOGLE + 'tier = "ON_DEMAND_FLEX"\nregions = ["global", "europe-west12", "us*"]\n',
        ENTRY + 'tier = "scale"\n',
        OWN_REGION + ENTRY + 'regions = ["mars-1"]\n',
        DISCOUNT + DISCOUNT.replace("openai", "anthropic"),
        DISCOUNT + 'models = ["gpt-4o-2024-08-06", "ft:gpt-4o*"]\n',
    ],
)
def test_overrides_that_can_hold_side_by_side_are_taken(tmp_path: Path, text: str) -> None:
    load_settings(written(tmp_path, text), {}, check=wrong_overrides)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('tier = "batch"\n', ""),
        ('tier = "bacth"\n', "prices.models.0.tier 'bacth' may never hold: known of azure: there"),
        (
            'regions = ["swedncentral"]\n',
            "'swedncentral' may never hold: known of azure: there are",
        ),
        ('regions = ["sweden*"]\n', ""),
    ],
)
def test_what_may_not_hold_of_an_upstream_of_one_s_own_is_told_and_taken(
    tmp_path: Path, text: str, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    azure = AZURE + 'region = "swedencentral"\n' + ENTRY.replace('"openai"', '"azure"')

    load_settings(written(tmp_path, azure + text), {}, check=wrong_overrides)

    assert says in caplog.text
    assert bool(caplog.text) == bool(says)


def test_the_commands_go_by_the_overrides(tmp_path: Path) -> None:
    path = written(tmp_path, OVERRIDES)
    usage = {"prompt_tokens": 1000, "completion_tokens": 100}
    line = {"provider": "azure", "api": "chat", "model": "prod-chat", "when": "2026-05-01"}
    text = json.dumps({**line, "raw_usage": usage, "raw_response": {"model": "gpt-4"}})

    one = CliRunner().invoke(
        app, ["price", "house-model", "--input", "1000", "--json", "--config", str(path)]
    )
    many = CliRunner().invoke(app, ["price", "--jsonl", "-", "--config", str(path)], input=text)

    assert json.loads(one.stdout)["cost_usd"] == "0.002"
    assert json.loads(many.stdout)["cost_usd"] == "0.013"


def test_a_price_of_a_region_stands_before_one_of_everywhere(tmp_path: Path) -> None:
    book = book_of(tmp_path, ENTRY + ENTRY.replace('"1"', '"7"') + 'regions = ["EU*"]\n')
    tokens = TokenCounts(input=1000)

    europe = book.price("openai", "gpt-4o", tokens, 0, region="eu")
    elsewhere = book.price("openai", "gpt-4o", tokens, 0, region="us")

    assert (europe.cost, elsewhere.cost) == (usd("0.007"), usd("0.001"))


LETTERS = st.text(alphabet="ab*?", max_size=3)


@given(one=LETTERS, other=LETTERS)
def test_two_patterns_meet_if_some_text_matches_both(one: str, other: str) -> None:
    texts = ["".join(letters) for length in range(7) for letters in product("ab", repeat=length)]
    found = any(fnmatchcase(text, one) and fnmatchcase(text, other) for text in texts)

    # No text that both match needs to be longer than both together.
    assert globs_meet(one, other) == found
