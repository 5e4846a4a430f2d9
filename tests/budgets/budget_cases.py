"""Budgets to hold for, openings to decide, and ledgers that keep them."""

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path

import msgspec
from ledger_cases import NOW_NS, FixedClock, lost_as_unknown, make_call, make_intent

from modelmeter.budgets.budget import AtLimit, Budget, Scope, Unit
from modelmeter.budgets.definitions import set_budget
from modelmeter.budgets.desk import BudgetDesk
from modelmeter.budgets.windows import Window, WindowKind
from modelmeter.ledger import Ledger, LedgerWriter
from modelmeter.ledger.database import connect_writer
from modelmeter.ledger.reservations import Opening
from modelmeter.meter import refused_call
from modelmeter.record import Call, CallBound, PicoUsd

__all__ = [
    "DAY",
    "USD",
    "budget",
    "check_windows",
    "define",
    "ledger_with_budgets",
    "opening",
    "outcome",
    "standings",
    "writing",
]

USD = 10**12
DAY = Window(WindowKind.DAY, "Europe/Stockholm")


def budget(name: str = "daily", limit: str = "7", **fields: object) -> Budget:
    """A budget over everything, of a day and in USD unless told otherwise."""
    facts: dict[str, object] = {
        "scope": Scope(),
        "window": DAY,
        "unit": Unit.USD,
        "at_limit": AtLimit.BLOCK,
        **fields,
    }
    plain = msgspec.to_builtins({"name": name, "limit": Decimal(limit), **facts})
    return msgspec.convert(plain, Budget)


def opening(
    cost: int = USD, *, tokens: int = 100, agent_id: str = "meetmind.notes", key_id: str = ""
) -> Opening:
    """A call that can cost so many pico-dollars."""
    bound = CallBound(cost=PicoUsd(cost), tokens=tokens, output_tokens=tokens)
    intent = make_intent(agent_id=agent_id)
    caller = msgspec.structs.replace(intent.caller, key_id=key_id)
    return Opening(msgspec.structs.replace(intent, caller=caller, bound=bound))


def outcome(one: Opening, cost: int = USD) -> Call:
    """How the call ended."""
    return make_call(one.intent, cost=cost)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection as a command has it."""
    with contextlib.closing(connect_writer(path)) as connection:
        yield connection


def define(path: Path, *budgets: Budget, now_ns: int = NOW_NS) -> None:
    """Set budgets as a command does."""
    with writing(path) as connection:
        for one in budgets:
            set_budget(connection, one, now_ns)


@contextlib.contextmanager
def ledger_with_budgets(path: Path, clock: FixedClock | None = None) -> Iterator[Ledger]:
    """A ledger as a gateway has it."""
    writer = LedgerWriter(
        path,
        clock=clock or FixedClock(),
        lost_call=lost_as_unknown,
        reservations=BudgetDesk(path, refused_call),
    )
    try:
        yield Ledger(writer, wait_seconds=30)
    finally:
        writer.close()


def standings(path: Path) -> Mapping[str, tuple[int, int]]:
    """What is settled and what is reserved of each budget, over all its windows."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return {
            name: (settled * USD + settled_pico, reserved * USD + reserved_pico)
            for name, settled, settled_pico, reserved, reserved_pico in connection.execute(
                "SELECT name, sum(settled_whole), sum(settled_pico), sum(reserved_whole),"
                " sum(reserved_pico) FROM budget JOIN budget_window ON budget_id = id GROUP BY 1"
            )
        }


def check_windows(path: Path) -> None:
    """Windows equal entries and holds, and no hold is without an open call."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        held = {
            number: whole * USD + pico
            for number, whole, pico in connection.execute(
                "SELECT budget_id, sum(whole), sum(pico) FROM budget_hold GROUP BY 1"
            )
        }
        for number, whole, pico in connection.execute(
            "SELECT budget_id, sum(reserved_whole), sum(reserved_pico) FROM budget_window"
            " GROUP BY 1"
        ):
            assert whole * USD + pico == held.get(number, 0)
        orphans = "SELECT count(*) FROM budget_hold WHERE call_id NOT IN (SELECT id FROM open_call)"
        assert connection.execute(orphans).fetchall() == [(0,)]
