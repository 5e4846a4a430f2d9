"""The continuous check: windows equal entries, corrections and holds, or it tells."""

import contextlib
import sqlite3
from pathlib import Path

import msgspec
from budget_cases import USD, budget, define, ledger_with_budgets, opening, outcome, standings
from ledger_cases import FixedClock

from modelmeter.budgets.budget import Scope, Unit
from modelmeter.budgets.corrections import correct_windows
from modelmeter.budgets.drift import DriftCheck
from modelmeter.budgets.windows import Window, WindowKind
from modelmeter.ledger.corrections import CorrectionDelta

NOTHING = {"calls": 0, "daily": 0, "rolling": 0}


async def test_windows_equal_what_they_stand_for_and_a_difference_is_told(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    clock = FixedClock()
    with ledger_with_budgets(path, clock) as ledger:
        await ledger.record(outcome(opening()))
        define(
            path,
            budget("daily", "100", scope=Scope(team="meetmind")),
            budget("calls", "100", unit=Unit.CALLS),
            budget("rolling", "100", window=Window(WindowKind.ROLLING, "UTC", 3600)),
        )
        with contextlib.closing(DriftCheck(path, clock)) as drift:
            assert drift.check() == NOTHING
            one, other = opening(), opening()
            await ledger.open(one)
            await ledger.open(other)
            assert drift.check() == NOTHING
            await ledger.settle(outcome(one, cost=3 * USD))
            await ledger.record(msgspec.structs.replace(outcome(opening()), cached=True))
            assert drift.check() == NOTHING
            assert standings(path)["daily"] == (5 * USD, USD)

            with contextlib.closing(sqlite3.connect(path)) as connection, connection:
                connection.execute(
                    "UPDATE budget_window SET settled_whole = settled_whole + 1, reserved_pico = 7"
                    " WHERE budget_id = (SELECT id FROM budget WHERE name = 'daily')"
                )
            assert drift.check() == {**NOTHING, "daily": USD + 7}


async def test_a_correction_of_an_entry_moves_the_windows_it_is_in(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    clock = FixedClock()
    define(path, budget("daily", "100"), budget("other", "100", scope=Scope(team="other")))
    with ledger_with_budgets(path, clock) as ledger:
        one = opening()
        await ledger.open(one)
        await ledger.settle(outcome(one, cost=3 * USD))
    intent = one.intent
    delta = CorrectionDelta(
        entry_seq=1,
        started_at_ns=intent.started_at_ns,
        tenant_id=intent.caller.tenant_id,
        team=intent.caller.team,
        agent_id=intent.caller.agent_id,
        key_id=intent.caller.key_id,
        provider=intent.provider,
        model=intent.model,
        cost=-2 * USD,
        cost_saved=0,
        unpriced_calls=0,
    )
    with contextlib.closing(DriftCheck(path, clock)) as drift:
        assert drift.check() == {"daily": 0, "other": 0}
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(
                "INSERT INTO correction (entry_seq, started_at_ns, corrected_at_ns, cost_pico_usd,"
                " cost_saved_pico_usd, cost_state, cost_delta_pico_usd, cost_saved_delta_pico_usd,"
                " unpriced_delta) VALUES (1, ?, ?, ?, 0, 'priced', ?, 0, 0)",
                (delta.started_at_ns, delta.started_at_ns, USD, delta.cost),
            )
            correct_windows(connection, [delta])
        assert drift.check() == {"daily": 0, "other": 0}
    assert standings(path) == {"daily": (USD, 0)}
    define(path, budget("late", "100"))
    assert standings(path)["late"] == (USD, 0)
