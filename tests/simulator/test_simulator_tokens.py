"""Drawn token counts have the quantiles of the real workload."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelmeter.simulator.draws import seeded_random
from modelmeter.simulator.tokens import LEVELS, QUANTILES, draw_tokens, tokens_at

DRAWS = 20_000


@pytest.mark.parametrize(
    ("kind", "quantiles"),
    [
        ("conversation_input", (29, 207, 396, 1020, 1189, 2735, 4142)),
        ("conversation_output", (16, 54, 85, 129, 395, 424, 601)),
        ("code_input", (17, 147, 578, 1469, 2745, 5194, 7436)),
        ("code_output", (6, 7, 9, 13, 24, 55, 252)),
    ],
)
def test_drawn_tokens_have_the_published_quantiles(kind: str, quantiles: tuple[int, ...]) -> None:
    random = seeded_random(11)
    drawn = sorted(draw_tokens(kind, random) for _ in range(DRAWS))

    for level, expected in zip((0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99), quantiles, strict=True):
        assert drawn[int(level * DRAWS)] == pytest.approx(expected, rel=0.12, abs=2)


@pytest.mark.parametrize("kind", QUANTILES)
def test_published_quantiles_are_met_exactly(kind: str) -> None:
    assert tuple(tokens_at(kind, level) for level in LEVELS) == QUANTILES[kind]


@given(st.sampled_from(sorted(QUANTILES)), st.floats(0, 1), st.floats(0, 1))
def test_more_of_the_workload_is_never_fewer_tokens(kind: str, one: float, other: float) -> None:
    low, high = sorted((one, other))

    assert 0 < tokens_at(kind, low) <= tokens_at(kind, high) <= QUANTILES[kind][-1]


def test_draws_are_equal_for_equal_seeds() -> None:
    first, second = seeded_random(5), seeded_random(5)

    assert [draw_tokens("code_input", first) for _ in range(50)] == [
        draw_tokens("code_input", second) for _ in range(50)
    ]
