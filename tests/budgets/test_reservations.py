"""Holds: as many calls as fit, all budgets of a call or none, and nothing left behind."""

import asyncio
import multiprocessing
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Barrier

import msgspec
import pytest
from budget_cases import (
    DAY,
    USD,
    budget,
    check_windows,
    define,
    ledger_with_budgets,
    opening,
    outcome,
    standings,
    writing,
)
from ledger_cases import FixedClock, lost_as_unknown, make_call, make_intent
from ledger_file import query

from modelmeter.budgets.budget import AtLimit, Scope, Unit
from modelmeter.budgets.definitions import remove_budget
from modelmeter.budgets.desk import BudgetDesk
from modelmeter.budgets.events import FIRST_REFUSAL, OVERRUN
from modelmeter.budgets.windows import slice_of
from modelmeter.errors import BudgetExceededError
from modelmeter.ledger import Ledger, LedgerWriter
from modelmeter.ledger.reservations import Opening
from modelmeter.meter import refused_call

CALLS = 200
FITTING = 7


async def open_all(ledger: Ledger, openings: Sequence[Opening]) -> list[Opening]:
    """Those that were let through; the others were refused for want of budget."""
    results = await asyncio.gather(*(ledger.open(o) for o in openings), return_exceptions=True)
    assert {type(result) for result in results} <= {type(None), BudgetExceededError}
    return [o for o, result in zip(openings, results, strict=True) if result is None]


async def test_of_two_hundred_calls_at_once_as_many_are_made_as_fit(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    define(path, budget(limit=str(FITTING)))
    with ledger_with_budgets(path) as ledger:
        passed = await open_all(ledger, [opening() for _ in range(CALLS)])

        assert len(passed) == FITTING
        assert standings(path) == {"daily": (0, FITTING * USD)}
        await asyncio.gather(*(ledger.settle(outcome(one, cost=USD // 2)) for one in passed))
        assert standings(path) == {"daily": (FITTING * USD // 2, 0)}
        more = await open_all(ledger, [opening() for _ in range(CALLS)])
        assert len(more) == FITTING // 2
    blocked = "SELECT count(*), sum(cost_pico_usd) FROM entry WHERE error_type = 'budget_exceeded'"
    assert query(path, f"{blocked} AND status = 'blocked'") == [(2 * CALLS - 10, 0)]
    check_windows(path)


def open_many(path: Path, gate: Barrier, passed: "multiprocessing.Queue[int]") -> None:
    """One of several processes that open calls at the same moment."""

    async def run() -> None:
        with ledger_with_budgets(path) as ledger:
            openings = [opening(agent_id="new-tenant.first") for _ in range(CALLS // 2)]
            await asyncio.to_thread(gate.wait)
            made = await open_all(ledger, openings)
            passed.put(len(made))
            await asyncio.to_thread(gate.wait)
            for one in made:
                await ledger.settle(outcome(one))

    asyncio.run(run())


@pytest.mark.parametrize("tenant", [None, "acme"])
def test_two_processes_on_one_ledger_let_as_many_through_as_fit(
    tmp_path: Path, tenant: str | None
) -> None:
    """Also for the very first calls of a tenant that the ledger has not seen before."""
    path = tmp_path / "ledger.db"
    define(path, budget(limit=str(FITTING), scope=Scope(tenant=tenant)))
    context = multiprocessing.get_context("spawn")
    gate, passed = context.Barrier(2), context.Queue()
    processes = [context.Process(target=open_many, args=(path, gate, passed)) for _ in range(2)]
    for process in processes:
        process.start()
    counts = [passed.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()

    assert sum(counts) == FITTING
    assert [process.exitcode for process in processes] == [0, 0]
    assert standings(path) == {"daily": (FITTING * USD, 0)}
    check_windows(path)


async def test_all_budgets_of_a_call_take_it_or_none_does(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    define(
        path,
        budget("wide", "100"),
        budget("narrow", "1", scope=Scope(team="meetmind")),
        budget("calls", "5", unit=Unit.CALLS, scope=Scope(agent="meetmind.*")),
        budget("others", "0.000000000001", scope=Scope(team="other")),
    )
    with ledger_with_budgets(path) as ledger:
        passed = await open_all(ledger, [opening() for _ in range(3)])

        assert len(passed) == 1
        assert standings(path) == {"wide": (0, USD), "narrow": (0, USD), "calls": (0, USD)}
        await ledger.settle(outcome(passed[0], cost=0))
        assert standings(path) == {"wide": (0, 0), "narrow": (0, 0), "calls": (USD, 0)}


async def test_a_refusal_says_which_budget_and_how_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    define(path, budget(limit="1.5"))
    with ledger_with_budgets(path) as ledger:
        first = opening()
        await ledger.open(first)
        await ledger.settle(outcome(first, cost=USD // 4))
        await ledger.open(opening(cost=USD // 2))

        with pytest.raises(BudgetExceededError) as caught:
            await ledger.open(opening(cost=3 * USD // 2))

    error = caught.value
    assert error.budget == "daily"
    assert (str(error.limit), str(error.spent), str(error.reserved)) == ("1.5", "0.25", "0.5")
    assert error.resets_at is not None
    assert error.resets_at.isoformat() == "2026-09-21T22:00:00+00:00"
    assert 0 < error.retry_after_seconds <= 86_400
    assert "limit 1.5 USD, spent 0.25, reserved 0.5, this call at most 1.5;" in error.message
    assert query(path, "SELECT note FROM entry WHERE status = 'blocked'") == [(error.message,)]


async def test_what_others_hold_comes_back_soon_and_what_is_spent_does_not(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    define(path, budget(limit="2"))
    with ledger_with_budgets(path) as ledger:
        first = opening()
        await ledger.open(first)
        await ledger.open(opening())
        with pytest.raises(BudgetExceededError) as held:
            await ledger.open(opening())
        with pytest.raises(BudgetExceededError) as never:
            await ledger.open(opening(cost=3 * USD))
        await ledger.settle(outcome(first, cost=2 * USD))
        with pytest.raises(BudgetExceededError) as spent:
            await ledger.open(opening())

    assert (held.value.frees_soon, held.value.retry_after_seconds) == (True, 2)
    assert "calls under way hold the rest" in held.value.message
    for final in (never.value, spent.value):
        assert not final.frees_soon
        assert final.retry_after_seconds > 60
        assert "it resets at" in final.message
    told = query(path, "SELECT asked_amount FROM budget_event WHERE threshold = 0")
    assert told == [("1",)]


async def test_of_two_budgets_the_one_that_is_spent_says_when_to_come_again(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    define(path, budget("a-held", "1", scope=Scope(team="meetmind")), budget("b-spent", "2"))
    with ledger_with_budgets(path) as ledger:
        other = opening(agent_id="other.one")
        await ledger.open(other)
        await ledger.settle(outcome(other, cost=2 * USD))
        define(path, budget("b-spent", "3"))
        await ledger.open(opening())
        define(path, budget("b-spent", "2"))

        with pytest.raises(BudgetExceededError) as caught:
            await ledger.open(opening())

    assert (caught.value.budget, caught.value.frees_soon) == ("b-spent", False)


async def test_the_wait_for_what_is_held_is_no_longer_than_the_window(tmp_path: Path) -> None:
    path, clock = tmp_path / "ledger.db", FixedClock()
    ends_ns = slice_of(DAY, clock.now_ns).end_ns
    define(path, budget(limit="1"))
    clock.now_ns = ends_ns - 100
    late = msgspec.structs.replace(opening().intent, started_at_ns=clock.now_ns)
    with ledger_with_budgets(path, clock) as ledger:
        await ledger.open(Opening(late))
        with pytest.raises(BudgetExceededError) as caught:
            await ledger.open(Opening(msgspec.structs.replace(late, id="another")))

    assert (caught.value.frees_soon, caught.value.retry_after_seconds) == (True, 1)


async def test_an_alert_and_a_shadow_only_count(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    define(
        path,
        budget("told", "1", at_limit=AtLimit.ALERT),
        budget("shadow", "1", shadow=True),
    )
    with ledger_with_budgets(path) as ledger:
        passed = await open_all(ledger, [opening() for _ in range(3)])
        for one in passed:
            await ledger.settle(outcome(one))

    assert standings(path) == {"told": (3 * USD, 0), "shadow": (3 * USD, 0)}
    counted = "SELECT kind, labels, whole FROM series WHERE kind LIKE 'budget%'"
    assert query(path, counted) == [("budget_shadow", '["shadow"]', 2)]
    events = query(path, "SELECT budget, threshold FROM budget_event ORDER BY 1, 2")
    assert events == [(name, percent) for name in ("shadow", "told") for percent in (50, 80, 100)]


async def test_past_its_limit_a_downgrade_asks_the_cheaper_model_only(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    cheaper = {"gpt-4o": "gpt-4o-mini"}
    define(path, budget(limit="1", at_limit=AtLimit.DOWNGRADE, downgrade=cheaper))
    with ledger_with_budgets(path) as ledger:
        await ledger.open(opening())

        with pytest.raises(BudgetExceededError) as caught:
            await ledger.open(opening())

        assert caught.value.downgrade_to == "gpt-4o-mini"
        assert query(path, "SELECT count(*) FROM entry") == [(0,)]


async def test_more_than_was_held_is_an_overrun_and_stops_the_next_call(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    define(path, budget(limit="3"))
    with ledger_with_budgets(path) as ledger:
        one = opening()
        await ledger.open(one)
        await ledger.settle(outcome(one, cost=4 * USD))

        assert await open_all(ledger, [opening(cost=1)]) == []

    assert standings(path) == {"daily": (4 * USD, 0)}
    counted = "SELECT kind, whole FROM series WHERE kind LIKE 'budget%' ORDER BY 1"
    assert query(path, counted) == [("budget_blocked", 1), ("budget_overrun", 1)]
    assert query(path, "SELECT mark FROM budget_mark ORDER BY seq") == [("overrun",), ("blocked",)]
    told = query(path, "SELECT threshold FROM budget_event ORDER BY 1")
    assert told == [(FIRST_REFUSAL,), (50,), (80,), (100,), (OVERRUN,)]


async def test_who_waits_no_longer_leaves_no_hold_behind(tmp_path: Path) -> None:
    """The writer is kept busy, so that some leave before and some behind their commit."""
    path = tmp_path / "ledger.db"
    define(path, budget(limit="50"))
    with ledger_with_budgets(path) as ledger:
        blocker = sqlite3.connect(path, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        waiting = [asyncio.create_task(ledger.open(opening())) for _ in range(20)]
        await asyncio.sleep(0)
        for task in waiting[:10]:
            task.cancel()
        await asyncio.sleep(0)
        blocker.execute("COMMIT")
        blocker.close()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        impatient = Ledger(ledger.writer, wait_seconds=0)
        late = await asyncio.gather(
            *(impatient.open(opening()) for _ in range(10)), return_exceptions=True
        )
        await ledger.probe()

        assert [type(result) for result in results[:10]] == [asyncio.CancelledError] * 10
        assert results[10:] == [None] * 10
        held = sum(result is None for result in late) + 10
        assert standings(path) == {"daily": (0, held * USD)}
        assert query(path, "SELECT count(*) FROM open_call") == [(held,)]
    check_windows(path)


async def test_a_change_of_the_limit_holds_for_the_next_call_of_every_process(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ledger.db"
    define(path, budget(limit="3"))
    with ledger_with_budgets(path) as one, ledger_with_budgets(path) as other:
        held = opening(cost=2 * USD)
        await one.open(held)
        define(path, budget(limit="1"))

        assert await open_all(other, [opening(cost=1)]) == []
        await one.settle(outcome(held, cost=USD))
        assert standings(path) == {"daily": (USD, 0)}
        define(path, budget(limit="2"))
        assert len(await open_all(other, [opening(), opening()])) == 1
        with writing(path) as connection:
            remove_budget(connection, "daily")
        await one.open(opening(cost=100 * USD))
    assert query(path, "SELECT count(*) FROM budget_hold") == [(0,)]


async def test_what_was_spent_before_a_budget_was_set_counts_in_it(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with ledger_with_budgets(path) as ledger:
        await ledger.record_all([outcome(opening(), cost=USD) for _ in range(3)])
    define(
        path,
        budget(limit="4"),
        budget("calls", "4", unit=Unit.CALLS),
        budget("tokens", "1000", unit=Unit.TOKENS),
        budget("elsewhere", "4", scope=Scope(team="other")),
    )

    assert standings(path) == {
        "daily": (3 * USD, 0),
        "calls": (3 * USD, 0),
        "tokens": (45 * USD, 0),
        "elsewhere": (0, 0),
    }
    with ledger_with_budgets(path) as ledger:
        assert len(await open_all(ledger, [opening(), opening()])) == 1


async def test_five_hundred_calls_at_once_tell_each_threshold_once(tmp_path: Path) -> None:
    """Over two writers on one ledger, and once more after each of them has begun anew."""
    path = tmp_path / "ledger.db"
    define(path, budget(limit="1000", at_limit=AtLimit.ALERT))

    async def spend(ledger: Ledger, calls: int) -> None:
        made = await open_all(ledger, [opening(cost=3 * USD) for _ in range(calls)])
        await asyncio.gather(*(ledger.settle(outcome(one, cost=3 * USD)) for one in made))

    with ledger_with_budgets(path) as one, ledger_with_budgets(path) as other:
        await asyncio.gather(spend(one, 250), spend(other, 250))
    with ledger_with_budgets(path) as one:
        await spend(one, 3)

    told = query(path, "SELECT threshold, CAST(settled_amount AS REAL) FROM budget_event")
    assert sorted(threshold for threshold, _ in told if isinstance(threshold, int)) == [50, 80, 100]
    assert all(float(str(spent)) >= int(str(threshold)) * 10 for threshold, spent in told)


async def test_without_a_budget_a_transaction_has_no_statement_more(tmp_path: Path) -> None:
    statements: dict[bool, list[str]] = {}
    for with_budgets in (False, True):
        path = tmp_path / f"{with_budgets}.db"
        seen = statements[with_budgets] = []
        desk = BudgetDesk(path, refused_call) if with_budgets else None
        writer = LedgerWriter(
            path, clock=FixedClock(), lost_call=lost_as_unknown, reservations=desk
        )
        ledger = Ledger(writer, wait_seconds=30)
        await ledger.probe()
        writer._connection.set_trace_callback(seen.append)
        call = make_call(make_intent())
        await ledger.open(call.intent)
        await ledger.settle(call)
        await ledger.probe()
        writer._connection.set_trace_callback(None)
        writer.close()

    with_and_without = [list(inside_transactions(statements[key])) for key in (False, True)]
    assert with_and_without[0] == with_and_without[1]
    assert len(with_and_without[0]) > 5


def inside_transactions(statements: list[str]) -> Iterator[str]:
    """The first word of each statement; what a writer does between its commits does not count."""
    inside = False
    for statement in statements:
        word = statement.split()[0]
        inside = inside or word == "BEGIN"
        if inside:
            yield word
        inside = inside and word != "COMMIT"
