"""The region of a price from the address of its upstream."""

from pathlib import Path

import pytest

from modelmeter.pricing.endpoint_region import region_of_endpoint
from modelmeter.record import TokenCounts
from modelmeter.settings.load import load_settings
from modelmeter.wiring import price_book

AT_NS = 1_780_000_000 * 10**9


@pytest.mark.parametrize(
    ("kind", "base_url", "region"),
    [
        ("bedrock", "https://bedrock-runtime.eu-central-1.amazonaws.com", "eu-central-1"),
        ("bedrock", "https://bedrock-runtime-fips.us-west-2.amazonaws.com", "us-west-2"),
        (
            "bedrock",
            "https://vpce-0a1b.bedrock-runtime.eu-west-1.vpce.amazonaws.com",
            "eu-west-1",
        ),
        ("bedrock", "http://127.0.0.1:9000/bedrock", None),
        ("genai", "https://europe-west4-aiplatform.googleapis.com", "europe-west4"),
        ("genai", "https://aiplatform.googleapis.com", None),
        ("genai", "https://aiplatform.eu.rep.googleapis.com", "eu"),
        ("genai", "https://generativelanguage.googleapis.com", None),
        ("openai", "https://eu.api.openai.com/v1", "eu"),
        ("openai", "https://api.openai.com/v1", None),
        ("anthropic", "https://api.anthropic.com", None),
    ],
)
def test_an_address_names_its_region_or_none(kind: str, base_url: str, region: str | None) -> None:
    assert region_of_endpoint(kind, base_url) == region


def test_a_call_is_priced_where_its_upstream_serves_it(tmp_path: Path) -> None:
    path = tmp_path / "modelmeter.toml"
    path.write_text(
        "[providers.bedrock]\n"
        'base_url = "https://bedrock-runtime.eu-central-1.amazonaws.com"\n'
        '[providers.told]\nkind = "bedrock"\nregion = "ap-south-1"\n'
        'base_url = "http://127.0.0.1:9"\n'
    )
    book = price_book(load_settings(path, {}))
    tokens = TokenCounts(input=1_000_000)

    europe = book.price("bedrock", "amazon.nova-micro-v1:0", tokens, AT_NS)
    asia = book.price("told", "amazon.nova-micro-v1:0", tokens, AT_NS)

    assert (europe.cost, asia.cost) == (46_000_000_000, 37_000_000_000)
