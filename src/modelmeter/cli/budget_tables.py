"""Budgets as people at a terminal see them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from modelmeter.budgets.budget import Unit
from modelmeter.budgets.details import BudgetDetails
from modelmeter.budgets.state import BudgetState
from modelmeter.budgets.windows import WindowKind
from modelmeter.cli.figures import inert, money_text
from modelmeter.record import pico_usd

__all__ = ["amount_text", "bar", "print_budgets", "print_details", "style_of"]

_BAR_WIDTH = 10
_WIDTH_MAX = 10_000
_FULL = 100
_NEAR = 80
_A_WINDOW = {kind: f"A{'n' * (kind is WindowKind.HOUR)} {kind} window" for kind in WindowKind}
_NONE = (
    "No budgets yet. Set one, for example:\n"
    "  modelmeter budget set meetmind-daily --team meetmind --window day --limit 50"
)


def print_budgets(states: Sequence[BudgetState]) -> None:
    """A row a budget."""
    console = Console(highlight=False)
    if not states:
        console.print(_NONE, markup=False, soft_wrap=True)
        return
    table = _table(states, wide=True)
    unbounded = console.options.update(max_width=_WIDTH_MAX)
    if Measurement.get(console, unbounded, table).maximum > console.width:
        table = _table(states, wide=False)
    console.print(table)


def _table(states: Sequence[BudgetState], *, wide: bool) -> Table:
    """With what a narrow terminal has no room for, or without."""
    table = Table(title="Budgets", title_justify="left")
    table.add_column("budget", overflow="fold")
    if wide:
        table.add_column("counts", overflow="fold")
    for name in ("limit", "spent", "held", "left") if wide else ("limit", "spent", "left"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("used", justify="right", no_wrap=True)
    if wide:
        table.add_column("at this pace", justify="right", no_wrap=True)
    table.add_column("resets", no_wrap=True)
    table.add_column("stopped", justify="right", no_wrap=True)
    for state in states:
        table.add_row(*_cells(state, wide=wide))
    return table


def _cells(state: BudgetState, *, wide: bool) -> list[Text]:
    unit, style = state.unit, style_of(state.percent)
    cells = [Text(state.name, style=style)]
    amounts = [state.limit, state.settled, state.remaining]
    if wide:
        cells.append(Text(inert(str(state.scope))))
        amounts.insert(2, state.reserved)
    cells += [Text(amount_text(unit, amount)) for amount in amounts]
    cells.append(Text(bar(state.percent) if wide else f"{state.percent} %", style=style))
    if wide:
        pace = state.forecast
        cells.append(Text("–" if pace is None else amount_text(unit, pace)))
    return [*cells, Text(_resets(state)), Text(f"{state.blocked + state.downgraded:,}")]


def print_details(details: BudgetDetails) -> None:
    """One budget with everything that is known of it."""
    state = details.state
    console = Console(highlight=False)
    print_budgets([state])
    lines = [
        f"Counts {inert(str(state.scope))}, and holds {amount_text(state.unit, state.reserved)}",
        f"{_A_WINDOW[state.window]} from {_local(state.window_start, state)}, {state.time_zone}",
        f"At the limit: {state.at_limit}{' (in the shadow: counted only)' * state.shadow}",
        f"Tells at {', '.join(f'{percent} %' for percent in state.thresholds) or 'no threshold'}",
        _counts(state),
    ]
    lines += [f"Asks {inert(to)} for {inert(model)}" for model, to in details.downgrade.items()]
    if state.extra_until is not None:
        until = _local(state.extra_until, state)
        lines.append(f"With {amount_text(state.unit, state.extra)} more until {until}")
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)
    if details.spenders:
        table = Table(title="Who spends it", title_justify="left")
        table.add_column("agent")
        table.add_column("spent", justify="right")
        for one in details.spenders:
            table.add_row(Text(inert(one.agent_id)), amount_text(state.unit, one.settled))
        console.print(table)
    if details.recent:
        table = Table(title="What it did lately", title_justify="left")
        for name in ("at", "what", "agent", "model", "call"):
            table.add_column(name)
        for call in details.recent:
            table.add_row(
                _local(call.at, state),
                call.mark,
                Text(inert(call.agent_id)),
                Text(inert(call.model)),
                call.call_id,
            )
        console.print(table)


def amount_text(unit: Unit, amount: Decimal) -> str:
    """``$1,204.37``, or a count."""
    return money_text(pico_usd(amount)) if unit is Unit.USD else f"{amount:,.0f}"


def bar(percent: Decimal) -> str:
    """``████······  42.0 %``."""
    filled = min(int(percent * _BAR_WIDTH / _FULL), _BAR_WIDTH)
    return f"{'█' * filled:·<{_BAR_WIDTH}} {percent:5} %"


def style_of(percent: Decimal) -> str:
    """Red from the limit on, yellow from near it."""
    if percent >= _FULL:
        return "red"
    return "yellow" if percent >= _NEAR else ""


def _counts(state: BudgetState) -> str:
    return (
        f"This window: {state.blocked:,} blocked, {state.downgraded:,} downgraded, "
        f"{state.overrun:,} overruns, {state.shadowed:,} in the shadow"
    )


def _resets(state: BudgetState) -> str:
    if state.resets_at is None:
        return f"rolls, {state.window_seconds} s"
    rest = state.resets_at - datetime.now(UTC)
    hours, seconds = divmod(max(int(rest.total_seconds()), 0), 3600)
    days, hours = divmod(hours, 24)
    return f"in {days} d {hours} h" if days else f"in {hours} h {seconds // 60} min"


def _local(moment: datetime, state: BudgetState) -> str:
    return f"{moment.astimezone(ZoneInfo(state.time_zone)):%Y-%m-%d %H:%M:%S}"
