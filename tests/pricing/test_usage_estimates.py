"""What is charged when nobody reported the usage."""

import pytest

from modelmeter.pricing import (
    LOST_OUTPUT_TOKENS,
    OUTPUT_TOKENS_MAX,
    estimate_tokens,
    lost_call_tokens,
)
from modelmeter.record import TokenCounts


@pytest.mark.parametrize(
    ("input_bytes", "characters", "limit", "expected"),
    [
        (0, 0, None, TokenCounts()),
        (1, 1, None, TokenCounts(input=1, output=1)),
        (4, 4, None, TokenCounts(input=1, output=1)),
        (5, 5, None, TokenCounts(input=2, output=2)),
        (400, 400, 99, TokenCounts(input=100, output=99)),
        (400, 400, 100, TokenCounts(input=100, output=100)),
        (400, 400, 0, TokenCounts(input=100)),
    ],
)
def test_four_characters_are_a_token_up_to_the_limit(
    input_bytes: int, characters: int, limit: int | None, expected: TokenCounts
) -> None:
    assert estimate_tokens(input_bytes, characters, limit) == expected


@pytest.mark.parametrize(
    ("limit", "output"),
    [
        (None, LOST_OUTPUT_TOKENS),
        (0, 0),
        (8192, 8192),
        (OUTPUT_TOKENS_MAX, OUTPUT_TOKENS_MAX),
        (OUTPUT_TOKENS_MAX + 1, OUTPUT_TOKENS_MAX),
    ],
)
def test_a_lost_call_is_charged_all_that_it_allowed(limit: int | None, output: int) -> None:
    assert lost_call_tokens(41, limit) == TokenCounts(input=11, output=output)
