"""What the benchmark makes of its measurements: medians, ratios, goals, faults."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.cache_hit import CacheHit
from bench.load import Figures, Sample, read_sample, summarise
from bench.metering import CALL_USD, Answered, Metered, fault
from bench.processes import BenchError
from bench.table import OURS, RAW, Result, goals, render

GOOD = Sample(
    answers=1000, microseconds=2_000_000, p50_us=1500, p99_us=9000, refused=0, broken=0, late=0
)


def figures(rate: float, p50_ms: float = 1.0) -> Figures:
    """One step's figures."""
    return Figures(calls_per_second=rate, p50_ms=p50_ms, p99_ms=5 * p50_ms, cpu_us=100, spread=1.1)


def result(ours: float = 3000, ours_ms: float = 1.0, mebibytes: int = 90) -> Result:
    """A run in which LiteLLM makes 60 calls a second and Portkey 900."""
    return Result(
        machine=[("processor", "a test")],
        versions={OURS: "1", "litellm": "2", "portkey": "3"},
        how="A test.",
        load={
            (RAW, 1): figures(9000, 0.2),
            (OURS, 1): figures(900, ours_ms),
            ("portkey", 1): figures(700, 1.4),
            (RAW, 32): figures(20_000),
            (OURS, 32): figures(ours),
            ("litellm", 32): figures(60),
            ("portkey", 32): figures(900),
        },
        first_byte_ms={RAW: 0.5, OURS: 1.2, "litellm": 15, "portkey": 2},
        memory_idle={OURS: 80 * 2**20, "litellm": 900 * 2**20, "portkey": 100 * 2**20},
        memory_most={OURS: mebibytes * 2**20, "litellm": 950 * 2**20, "portkey": 120 * 2**20},
        faults=[],
    )


def test_a_sample_counts_what_went_wrong() -> None:
    assert GOOD.calls_per_second == 500
    assert GOOD.fault is None
    text = 'noise\nREPORT {"answers":7,"microseconds":1,"p50_us":1,"p99_us":2,'
    text += '"refused":3,"broken":0,"late":1}\n'
    assert read_sample(text).fault == "3 refused, 1 late"
    with pytest.raises(BenchError):
        read_sample("Running 8s test")


def test_a_failed_run_is_not_averaged_away() -> None:
    late = msgspec.structs.replace(GOOD, late=2)

    with pytest.raises(BenchError, match="2 late"):
        summarise([GOOD, late, GOOD], [100.0] * 3)
    with pytest.raises(BenchError, match="no run"):
        summarise([], [])


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=9))
def test_figures_are_medians(answers: list[int]) -> None:
    samples = [
        Sample(
            answers=count, microseconds=10**6, p50_us=count, p99_us=count,
            refused=0, broken=0, late=0,
        )
        for count in answers
    ]  # fmt: skip

    found = summarise(samples, [1.0])

    assert min(answers) <= found.calls_per_second <= max(answers)
    below = sum(count < found.calls_per_second for count in answers)
    above = sum(count > found.calls_per_second for count in answers)
    assert max(below, above) <= len(answers) / 2
    assert found.spread == max(answers) / min(answers)


def test_goals_are_reached_or_not_by_their_own_limits() -> None:
    assert [goal.reached for goal in goals(result())] == [True] * 5
    short = goals(result(ours=2399, ours_ms=1.5, mebibytes=150))
    assert [(goal.measured, goal.reached) for goal in short] == [
        ("40.0", False),
        ("2.7", False),
        ("1.30", False),
        ("0.70", True),
        ("150", False),
    ]


def test_goals_that_were_not_measured_are_not_claimed() -> None:
    alone = result()
    alone.load = {(OURS, 32): figures(3000)}
    alone.first_byte_ms = {}
    alone.memory_most = {}

    assert goals(alone) == []


def test_the_table_shows_how_many_times_better() -> None:
    text = render(result())

    row = "| 32 | 20,000 | 3,000 | 60 | 900 | 50.0 × | 3.3 × |"
    assert row in text.splitlines()
    assert "**no**" not in text
    assert "**no**" in render(result(ours=100))


def metered(
    calls: int, *, errors: int = 0, unpriced: int = 0, cost: Decimal | None = None
) -> Metered:
    """What a ledger says."""
    return Metered(
        calls=calls,
        errors=errors,
        unpriced_calls=unpriced,
        cost_usd=CALL_USD * calls if cost is None else cost,
    )


def test_a_ledger_must_hold_every_answer_and_no_more_than_was_sent() -> None:
    answered = Answered()
    answered.add(answers=900, cut=32, served=920)
    answered.add(answers=100, cut=0, served=100)

    assert fault(metered(1020, errors=20), answered) is None
    assert fault(metered(1032), answered) is None
    assert fault(metered(1019), answered) == "1019 calls, expected 1020 to 1032"
    assert fault(metered(1033), answered) == "1033 calls, expected 1020 to 1032"
    assert fault(metered(1020, errors=33), answered) == "33 errors, at most 32 calls were cut"
    assert fault(metered(1020, unpriced=33), answered) == "33 calls without a price"
    cheap = fault(metered(1020, cost=CALL_USD * 1000 - Decimal("1e-12")), answered)
    assert cheap is not None
    assert "were spent" in cheap


@pytest.mark.parametrize(("hit_ms", "reached"), [(2.9, True), (3.1, False)])
def test_a_hit_is_measured_against_the_shortest_answer(hit_ms: float, reached: bool) -> None:
    run = result()
    run.cache_hit = CacheHit(
        provider_shortest_ms=30, miss_p50_ms=70, hit_p50_ms=hit_ms, hit_p99_ms=9
    )

    (goal,) = [goal for goal in goals(run) if "cache" in goal.what]
    assert goal.reached is reached
    assert f"| embedding | {hit_ms:.2f} | 9.00 | 70.00 | 30.00 |" in render(run)
