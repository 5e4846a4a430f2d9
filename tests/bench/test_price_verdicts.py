"""What the table of prices calls right, wrong, and none."""

from decimal import Decimal

import pytest

from bench.price_cases import Case, all_cases, whole_usage
from bench.prices import Answer, render, verdict


@pytest.mark.parametrize(
    ("billed", "said", "expected"),
    [
        ("0.0105", "0.0105", "right"),
        ("0.0105", "0.010500000000000001", "right"),
        ("0.0105", "0.01050000000001", "wrong"),
        ("0.0105", None, "none"),
        (None, None, "right"),
        (None, "0", "wrong"),
        ("0", None, "right"),
        ("0", "0.01", "wrong"),
    ],
)
def test_a_figure_is_right_to_a_float_s_own_error(
    billed: str | None, said: str | None, expected: str
) -> None:
    answer = Answer(None if said is None else Decimal(said))

    assert verdict(Case("x", {}, billed), answer) == expected


def test_a_stream_is_added_up_for_those_who_read_whole_answers() -> None:
    events = [
        {"message": {"usage": {"input_tokens": 10, "output_tokens": 1}}},
        {"usage": {"output_tokens": 7}},
    ]

    assert whole_usage({"raw_usage": events}) == {"input_tokens": 10, "output_tokens": 7}


def test_the_table_has_every_case_and_marks_what_is_not_right() -> None:
    cases = all_cases()
    nothing = {case.id: Answer(None) for case in cases}

    text = render(cases, {"says nothing": nothing})

    assert all(f"| {case.id} |" in text for case in cases)
    assert "**–**" in text
