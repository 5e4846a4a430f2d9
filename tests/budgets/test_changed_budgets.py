"""Changed budgets are noticed without asking the ledger, and taken up before they are needed."""

import asyncio
import threading
from pathlib import Path

import pytest
from budget_cases import budget, define, ledger_with_budgets
from polling import wait_until

from modelmeter.budgets.budget import Who
from modelmeter.budgets.desk import BudgetDesk
from modelmeter.budgets.revision import RevisionFile
from modelmeter.ledger import Ledger

WHO: Who = ("acme", "meetmind", "meetmind.notes", "", "openai", "gpt-4o-mini")
WAIT_SECONDS_MAX = 30.0


def desk_of(ledger: Ledger) -> BudgetDesk:
    """The one that `ledger_with_budgets` made."""
    desk = ledger.writer.reservations
    assert isinstance(desk, BudgetDesk)
    return desk


async def test_a_new_ledger_has_the_budgets_of_its_start_before_the_first_call(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ledger.db"
    define(path, budget("first"))
    with ledger_with_budgets(path) as ledger:
        desk = desk_of(ledger)

        assert not desk.changing
        assert [one.name for one in desk.applying(WHO)] == ["first"]


async def test_a_change_is_noticed_at_once_and_taken_up_without_a_write(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with ledger_with_budgets(path) as ledger:
        desk = desk_of(ledger)
        assert not desk.changing
        assert not desk.applying(WHO)

        define(path, budget("late"))
        assert desk.changing
        log_bytes = path.with_name("ledger.db-wal").stat().st_size
        await ledger.refresh()

        assert not desk.changing
        assert [one.name for one in desk.applying(WHO)] == ["late"]
        assert path.with_name("ledger.db-wal").stat().st_size == log_bytes


async def test_a_change_that_is_not_committed_yet_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change is told of before its commit; what was there before it is no answer then."""
    path = tmp_path / "ledger.db"
    told, go_on = threading.Event(), threading.Event()
    bump = RevisionFile.bump

    def bump_and_wait(self: RevisionFile) -> None:
        bump(self)
        told.set()
        assert go_on.wait(WAIT_SECONDS_MAX)

    with ledger_with_budgets(path) as ledger:
        monkeypatch.setattr(RevisionFile, "bump", bump_and_wait)
        changing = asyncio.create_task(asyncio.to_thread(define, path, budget("late")))
        assert await asyncio.to_thread(told.wait, WAIT_SECONDS_MAX)
        assert desk_of(ledger).changing
        refreshing = asyncio.create_task(ledger.refresh())
        await asyncio.to_thread(wait_until, lambda: not ledger.writer.queue_length)
        go_on.set()
        await asyncio.gather(changing, refreshing)

        assert not desk_of(ledger).changing
        assert [one.name for one in desk_of(ledger).applying(WHO)] == ["late"]
