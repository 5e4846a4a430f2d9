"""Further bills from the providers' own pages, each with its source, as the command prices them."""

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from modelmeter.pricing import PriceBook
from modelmeter.pricing.priced_line import LinePricer

LINES = Path(__file__).with_name("more_cost_cases.jsonl").read_bytes().splitlines()
PRICER = LinePricer(PriceBook({"azure": "azure"}), lambda: 0)


@pytest.mark.parametrize("line", LINES, ids=lambda line: str(json.loads(line)["id"]))
def test_a_usage_costs_what_its_provider_bills(line: bytes) -> None:
    case = json.loads(line)

    result = json.loads(PRICER.price(line))

    assert result["status"] == case["expected_status"], result
    if case["expected_usd"] is None:
        assert result["cost_usd"] is None
    else:
        assert Decimal(result["cost_usd"]) == Decimal(case["expected_usd"])


def test_each_case_is_one_and_has_a_source() -> None:
    cases = [json.loads(line) for line in LINES]

    assert len(cases) >= 60
    assert max(Counter(case["id"] for case in cases).values()) == 1
    assert all(case["source"].startswith("https://") for case in cases)
