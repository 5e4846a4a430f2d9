"""Budgets as time goes on: windows that end amid a call, allowances that end, clocks set back."""

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from budget_cases import USD, budget, define, ledger_with_budgets, opening, outcome
from ledger_cases import NOW_NS, FixedClock
from ledger_file import query

from modelmeter.budgets.drift import DriftCheck
from modelmeter.budgets.windows import Window, WindowKind, slice_of
from modelmeter.errors import BudgetExceededError
from modelmeter.ledger.reservations import Opening

DAY = Window(WindowKind.DAY, "Europe/Stockholm")
MINUTE_NS = 60 * 10**9


def at(clock: FixedClock, cost: int = USD) -> Opening:
    """A call that begins now."""
    one = opening(cost)
    return Opening(msgspec.structs.replace(one.intent, started_at_ns=clock.now_ns))


def windows(path: Path) -> list[tuple[object, ...]]:
    """Start, settled and reserved of each window, in whole USD."""
    return query(
        path, "SELECT start_ns, settled_whole, reserved_whole FROM budget_window ORDER BY 1"
    )


async def test_a_call_over_midnight_is_charged_to_the_day_it_began_in(tmp_path: Path) -> None:
    path, clock = tmp_path / "ledger.db", FixedClock()
    today = slice_of(DAY, NOW_NS)
    define(path, budget(limit="2"))
    with ledger_with_budgets(path, clock) as ledger:
        clock.now_ns = today.end_ns - 1
        late = at(clock, 2 * USD)
        await ledger.open(late)
        clock.now_ns = today.end_ns
        early = at(clock, 2 * USD)
        await ledger.open(early)

        assert windows(path) == [(today.start_ns, 0, 2), (today.end_ns, 0, 2)]
        await ledger.settle(outcome(late, 2 * USD))
        await ledger.settle(outcome(early, USD))
        assert windows(path) == [(today.start_ns, 2, 0), (today.end_ns, 1, 0)]
        events = query(path, "SELECT threshold, window_start_ns FROM budget_event ORDER BY seq")
    assert events == [
        *((threshold, today.start_ns) for threshold in (50, 80, 100)),
        (50, today.end_ns),
    ]


async def test_an_extra_allowance_holds_until_its_end(tmp_path: Path) -> None:
    path, clock = tmp_path / "ledger.db", FixedClock()
    until_ns = NOW_NS + 10 * MINUTE_NS
    define(path, budget(limit="1", extra=Decimal(2), extra_until_ns=until_ns))
    with ledger_with_budgets(path, clock) as ledger:
        await ledger.open(at(clock, 2 * USD))
        clock.now_ns = until_ns
        with pytest.raises(BudgetExceededError) as caught:
            await ledger.open(at(clock))
        assert caught.value.limit == Decimal(1)


async def test_a_rolling_window_frees_up_as_it_rolls(tmp_path: Path) -> None:
    path, clock = tmp_path / "ledger.db", FixedClock()
    define(path, budget(limit="2", window=Window(WindowKind.ROLLING, "UTC", 600)))
    with ledger_with_budgets(path, clock) as ledger:
        for _ in range(2):
            one = at(clock)
            await ledger.open(one)
            await ledger.settle(outcome(one))
            clock.now_ns += 5 * MINUTE_NS
        with pytest.raises(BudgetExceededError) as caught:
            await ledger.open(at(clock))
        assert caught.value.resets_at is None
        assert 0 < caught.value.retry_after_seconds <= 10
        clock.now_ns += MINUTE_NS
        await ledger.open(at(clock))


async def test_a_clock_set_back_meets_what_was_spent_in_that_earlier_window(
    tmp_path: Path,
) -> None:
    """Although the budget was set in the later one, and did not count it until then."""
    path, clock = tmp_path / "ledger.db", FixedClock()
    today = slice_of(DAY, NOW_NS)
    with ledger_with_budgets(path, clock) as ledger:
        await ledger.record(outcome(at(clock), 2 * USD))
        clock.now_ns = today.end_ns
        define(path, budget(limit="2"), now_ns=clock.now_ns)
        await ledger.open(at(clock))
        clock.now_ns = today.end_ns - MINUTE_NS

        with pytest.raises(BudgetExceededError) as caught:
            await ledger.open(at(clock))

        assert caught.value.spent == Decimal(2)
    drift = DriftCheck(path, clock)
    assert drift.check() == {"daily": 0}
    drift.close()
