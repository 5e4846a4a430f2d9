"""Throttles: never more than they let through, nothing used up by what is refused."""

import asyncio
import contextlib
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Barrier

import msgspec
import pytest
from budget_cases import USD, budget, define, opening, outcome
from hypothesis import given
from hypothesis import strategies as st
from ledger_cases import FixedClock, lost_as_unknown
from ledger_file import query

from modelmeter.budgets.budget import Scope
from modelmeter.budgets.desk import BudgetDesk
from modelmeter.budgets.gates import Gates
from modelmeter.budgets.throttling.desk import ThrottleDesk
from modelmeter.budgets.throttling.throttle import WINDOW_SECONDS, Level, Throttle, excess_of
from modelmeter.errors import BudgetExceededError, LedgerConflictError, ThrottledError
from modelmeter.ledger import Ledger, LedgerWriter
from modelmeter.ledger.reservations import Opening
from modelmeter.meter import refused_call
from modelmeter.record import SystemClock

CALLS = 200
FITTING = 7
NS = 1_000_000_000


@contextlib.contextmanager
def throttled_ledger(
    path: Path, *throttles: Throttle, clock: FixedClock | SystemClock | None = None
) -> Iterator[Ledger]:
    """A ledger as a gateway with throttles has it."""
    gates = Gates(BudgetDesk(path, refused_call), ThrottleDesk(throttles, refused_call))
    writer = LedgerWriter(
        path, clock=clock or FixedClock(), lost_call=lost_as_unknown, reservations=gates
    )
    try:
        yield Ledger(writer, wait_seconds=30)
    finally:
        writer.close()


def throttle(**fields: object) -> Throttle:
    """A throttle over everything unless told otherwise."""
    plain = msgspec.to_builtins({"name": "all", "scope": Scope(), **fields})
    return msgspec.convert(plain, Throttle)


async def open_all(ledger: Ledger, openings: Sequence[Opening]) -> list[Opening]:
    """Those that were let through; the others were refused."""
    results = await asyncio.gather(*(ledger.open(o) for o in openings), return_exceptions=True)
    known = {type(None), ThrottledError, BudgetExceededError}
    assert {type(result) for result in results} <= known
    return [o for o, result in zip(openings, results, strict=True) if result is None]


def many(count: int = CALLS, **fields: object) -> list[Opening]:
    """So many openings."""
    return [opening(**fields) for _ in range(count)]  # type: ignore[arg-type] # by the caller


async def test_as_many_calls_run_at_once_as_are_let(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with throttled_ledger(path, throttle(concurrent_calls=FITTING)) as ledger:
        passed = await open_all(ledger, many())
        assert len(passed) == FITTING

        for one in passed[:3]:
            await ledger.settle(outcome(one))

        assert len(await open_all(ledger, many())) == 3
    blocked = "SELECT count(*), sum(cost_pico_usd) FROM entry WHERE error_type = 'throttled'"
    assert query(path, f"{blocked} AND status = 'blocked'") == [(2 * CALLS - 10, 0)]
    counted = "SELECT labels, whole FROM series WHERE kind = 'throttled'"
    assert query(path, counted) == [('["meetmind.notes"]', 2 * CALLS - 10)]


async def test_calls_of_a_minute_come_back_after_a_minute(tmp_path: Path) -> None:
    clock = FixedClock()
    path = tmp_path / "ledger.db"
    with throttled_ledger(path, throttle(calls_per_minute=FITTING), clock=clock) as ledger:
        passed = await open_all(ledger, many())
        assert len(passed) == FITTING
        for one in passed:
            await ledger.settle(outcome(one))

        clock.now_ns += (WINDOW_SECONDS - 1) * NS
        assert await open_all(ledger, many(1)) == []
        clock.now_ns += NS
        assert len(await open_all(ledger, many())) == FITTING


async def test_tokens_are_held_by_their_bound_and_settled_by_their_use(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with throttled_ledger(path, throttle(tokens_per_minute=500)) as ledger:
        passed = await open_all(ledger, many(tokens=100))
        assert len(passed) == 5
        for one in passed:
            # Fifteen tokens each.
            await ledger.settle(outcome(one))

        assert len(await open_all(ledger, many(tokens=100))) == 4


async def test_what_a_budget_refuses_uses_up_no_quota(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    define(path, budget(limit="2"))
    with throttled_ledger(path, throttle(calls_per_minute=FITTING)) as ledger:
        assert len(await open_all(ledger, many(cost=USD))) == 2

        assert len(await open_all(ledger, many(cost=0))) == FITTING - 2
    assert query(path, "SELECT sum(calls) FROM throttle_slot") == [(FITTING,)]


async def test_what_a_throttle_refuses_holds_in_no_budget(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    define(path, budget(limit="100"))
    with throttled_ledger(path, throttle(concurrent_calls=3)) as ledger:
        assert len(await open_all(ledger, many(cost=USD))) == 3
    assert query(path, "SELECT sum(whole) FROM budget_hold") == [(3,)]


async def test_of_several_throttles_none_counts_what_another_refuses(tmp_path: Path) -> None:
    wide = throttle(name="wide", calls_per_minute=CALLS)
    narrow = throttle(name="narrow", calls_per_minute=2, scope=Scope(team="meetmind"))
    path = tmp_path / "ledger.db"
    with throttled_ledger(path, wide, narrow) as ledger:
        assert len(await open_all(ledger, many(10))) == 2
        assert len(await open_all(ledger, many(10, agent_id="other.agent"))) == 10
    counted = "SELECT throttle, sum(calls) FROM throttle_slot GROUP BY 1 ORDER BY 1"
    assert query(path, counted) == [("narrow", 2), ("wide", 12)]


async def test_a_call_whose_caller_left_before_its_commit_uses_up_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    limits = throttle(calls_per_minute=FITTING, tokens_per_minute=10**6, concurrent_calls=FITTING)
    with throttled_ledger(path, limits) as ledger:
        for one in many(20):
            task = asyncio.ensure_future(ledger.open(one))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await ledger.probe()

        assert len(await open_all(ledger, many())) == FITTING


async def test_a_refusal_that_is_not_the_last_word_leaves_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with throttled_ledger(path, throttle(concurrent_calls=1)) as ledger:
        await open_all(ledger, many(1))
        asking = [msgspec.structs.replace(one, asks_again=True) for one in many(10)]
        assert await open_all(ledger, asking) == []
    assert query(path, "SELECT count(*) FROM entry") == [(0,)]


async def test_the_error_says_when_to_come_again(tmp_path: Path) -> None:
    clock = FixedClock()
    clock.now_ns = 1_790_000_000 * NS + NS // 4
    path = tmp_path / "ledger.db"
    limit = throttle(calls_per_minute=2, queue_seconds=3, queue_max=9)
    with throttled_ledger(path, limit, clock=clock) as ledger:
        await open_all(ledger, many(1))
        clock.now_ns += 10 * NS
        await open_all(ledger, many(1))
        with pytest.raises(ThrottledError, match="'all' lets through 2 calls a minute") as refusal:
            await ledger.open(opening())

        error = refusal.value
        assert error.retry_after_seconds == pytest.approx(WINDOW_SECONDS - 10.25)
        assert (error.queue_seconds, error.queue_max) == (3, 9)
        clock.now_ns += int(error.retry_after_seconds * NS)
        await ledger.open(opening())


async def test_a_call_that_never_fits_is_told_so_and_waits_for_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with (
        throttled_ledger(path, throttle(tokens_per_minute=50, queue_seconds=9)) as ledger,
        pytest.raises(ThrottledError, match="this call alone can use more") as refusal,
    ):
        await ledger.open(opening(tokens=100))
    assert refusal.value.queue_seconds == 0


async def test_a_clock_that_goes_back_blocks_nobody(tmp_path: Path) -> None:
    clock = FixedClock()
    path = tmp_path / "ledger.db"
    with throttled_ledger(path, throttle(calls_per_minute=FITTING), clock=clock) as ledger:
        await open_all(ledger, many())

        clock.now_ns -= 3600 * NS

        assert len(await open_all(ledger, many())) == FITTING


def open_many(path: Path, gate: Barrier, passed: "multiprocessing.Queue[int]") -> None:
    """One of several processes that open calls at the same moment."""

    async def run() -> None:
        limit = throttle(calls_per_minute=FITTING, concurrent_calls=FITTING)
        with throttled_ledger(path, limit, clock=FixedClock()) as ledger:
            await asyncio.to_thread(gate.wait)
            passed.put(len(await open_all(ledger, many(CALLS // 2))))
            await asyncio.to_thread(gate.wait)

    asyncio.run(run())


def test_two_processes_on_one_ledger_share_the_quota(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    context = multiprocessing.get_context("spawn")
    gate, passed = context.Barrier(2), context.Queue()
    processes = [context.Process(target=open_many, args=(path, gate, passed)) for _ in range(2)]
    for process in processes:
        process.start()

    total = sum(passed.get(timeout=60) for _ in processes)
    for process in processes:
        process.join()

    assert total == FITTING
    assert [process.exitcode for process in processes] == [0, 0]


def die_with_open_calls(path: Path) -> None:
    """A process that ends in the middle of its calls."""

    async def run() -> None:
        with throttled_ledger(path, throttle(concurrent_calls=FITTING)) as ledger:
            await open_all(ledger, many(FITTING))
            os._exit(9)

    asyncio.run(run())


async def test_a_process_that_dies_leaves_no_place_taken(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    process = multiprocessing.get_context("spawn").Process(target=die_with_open_calls, args=(path,))
    process.start()
    await asyncio.to_thread(process.join)
    assert process.exitcode == 9
    assert query(path, "SELECT count(*) FROM throttle_hold") == [(FITTING,)]

    with throttled_ledger(path, throttle(concurrent_calls=FITTING)) as ledger:
        assert len(await open_all(ledger, many())) == FITTING


async def test_a_throttle_that_was_gone_for_a_while_is_not_full_when_it_comes_back(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ledger.db"
    rule = throttle(concurrent_calls=FITTING)
    with throttled_ledger(path, rule) as ledger:
        passed = await open_all(ledger, many(FITTING))
    with throttled_ledger(path) as ledger:
        for one in passed:
            with contextlib.suppress(LedgerConflictError):
                await ledger.settle(outcome(one))

    with throttled_ledger(path, rule) as ledger:
        assert len(await open_all(ledger, many())) == FITTING


@given(
    limit=st.integers(1, 5),
    gaps=st.lists(st.integers(0, 40 * NS) | st.integers(0, NS // 2), max_size=60),
)
def test_no_sixty_seconds_ever_hold_more_than_the_limit(limit: int, gaps: list[int]) -> None:
    rule = throttle(calls_per_minute=limit)
    now_ns = 1_790_000_000 * NS + 123
    slots: dict[int, tuple[int, int]] = {}
    passed: list[int] = []
    for gap in gaps:
        now_ns += gap
        first = now_ns // NS - WINDOW_SECONDS + 1
        level = Level({second: slot for second, slot in slots.items() if second >= first}, 0)
        excess = excess_of(rule, level, 0, now_ns)
        if excess is None:
            passed.append(now_ns)
            level.add(now_ns // NS, 1, 0)
            slots = level.slots
            assert sum(now_ns - at_ns < 60 * NS for at_ns in passed) <= limit
        else:
            assert 0 < excess.retry_after_seconds <= WINDOW_SECONDS
