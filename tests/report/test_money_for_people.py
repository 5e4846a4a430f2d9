"""Amounts and counts as people read them."""

import pytest

from modelmeter.record import counted, money_text

CASES = [
    (0, "$0.00"),
    (1, "$0.000000000001"),
    (3_310_000_000, "$0.00331"),
    (3_319_900_000, "$0.00332"),
    (5_000_000_000, "$0.005"),
    (34_560_000_000, "$0.0346"),
    (50_000_000_000, "$0.05"),
    (99_960_000_000, "$0.10"),
    (100_000_000_000, "$0.10"),
    (1_204_374_000_000_000, "$1,204.37"),
]


@pytest.mark.parametrize(("pico_usd", "text"), CASES)
def test_small_amounts_keep_the_digits_that_say_something(pico_usd: int, text: str) -> None:
    assert money_text(pico_usd) == text


def test_one_is_no_plural() -> None:
    assert [counted(number, "call") for number in (0, 1, 2, 1234)] == [
        "0 calls",
        "1 call",
        "2 calls",
        "1,234 calls",
    ]
