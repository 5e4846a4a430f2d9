"""From when a price holds can be read off its source."""

from datetime import UTC, date, datetime

import pytest

from modelmeter.pricing import PriceBook
from modelmeter.pricing.price_dates import dated, holds_from

DAY = date(2026, 3, 13)
NOW_NS = int(datetime(2026, 11, 20, tzinfo=UTC).timestamp()) * 10**9


@pytest.mark.parametrize(
    ("source", "since"),
    [
        (f"genai-prices 0.2.3, openai o3{dated(DAY)}", DAY),
        (f"override, o3{dated(DAY, date(2027, 1, 1))} (contract, from 2020-01-01)", DAY),
        (f"modelmeter, o3{dated(DAY)} (page), flex at 0.5 of it (page, from 2020-01-01)", DAY),
        (f"override, o3{dated(None, date(2027, 1, 1))} (contract, from 2020-01-01)", None),
        ("genai-prices 0.2.3, deepseek x, from 08:30 to 16:30 of each day", None),
        ("genai-prices 0.2.3, openai gpt-4o", None),
    ],
)
def test_a_source_says_from_when_its_price_holds(source: str, since: date | None) -> None:
    assert holds_from(source) == since


def test_a_price_of_the_catalogue_holds_from_the_day_it_changed() -> None:
    source = PriceBook().quote("openai", "o3", NOW_NS).price_source

    # OpenAI lowered o3 to 2 and 8 USD on 10 June 2025: https://openai.com/api/pricing
    assert source is not None
    assert holds_from(source) == date(2025, 6, 10)
