"""Budgets as the live view shows them: a line each, and what happened to them last."""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime

from rich.table import Table
from rich.text import Text

from modelmeter.budgets.events import (
    FIRST_REFUSAL,
    OVERRUN,
    BudgetEvent,
    events_after,
    newest_event,
)
from modelmeter.budgets.state import BudgetState, budget_states
from modelmeter.cli.budget_tables import amount_text, style_of

__all__ = ["live_budgets"]

_NS = 1_000_000_000
_BUDGETS_SHOWN = 4
_EVENTS_SHOWN = 3
_HAPPENED = {FIRST_REFUSAL: "refused a call", OVERRUN: "met a call above what it held"}
_FULL = 100


def live_budgets(connection: sqlite3.Connection, now_ns: int) -> Iterator[Table | Text]:
    """How the fullest budgets stand, and the newest warnings; nothing if there are none."""
    states = budget_states(connection, now_ns)
    if not states:
        return
    table = Table()
    table.add_column("budget", no_wrap=True)
    for name in ("spent", "held", "limit", "used", "stopped", "cheaper"):
        table.add_column(name, justify="right", no_wrap=True)
    fullest = sorted(states, key=lambda state: -state.percent)[:_BUDGETS_SHOWN]
    for state in fullest:
        table.add_row(*_cells(state))
    yield table
    newest = newest_event(connection)
    events = events_after(connection, max(newest - _EVENTS_SHOWN, 0), limit=_EVENTS_SHOWN)
    for event in events:
        yield Text(_told(event), style=_style(event.threshold))


def _cells(state: BudgetState) -> list[Text]:
    style = style_of(state.percent)
    amounts = (state.settled, state.reserved, state.limit)
    return [
        Text(state.name, style=style),
        *(Text(amount_text(state.unit, amount)) for amount in amounts),
        Text(f"{state.percent} %", style=style),
        Text(f"{state.blocked:,}"),
        Text(f"{state.downgraded:,}"),
    ]


def _style(threshold: int) -> str:
    return "red" if threshold == FIRST_REFUSAL or threshold >= _FULL else "yellow"


def _told(event: BudgetEvent) -> str:
    at = datetime.fromtimestamp(event.at_ns // _NS, UTC)
    what = _HAPPENED.get(event.threshold, f"reached {event.threshold} % of its limit")
    return f"{at:%H:%M:%S} budget {event.budget} {what}"
