"""How budgets stand: for commands, the web API, and whoever else reads the ledger."""

import sqlite3
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal

import msgspec

from modelmeter.budgets.budget import AtLimit, Budget, Scope, Unit
from modelmeter.budgets.decision import in_units
from modelmeter.budgets.definitions import Source, StoredBudget, read_budgets
from modelmeter.budgets.windows import LAST_NS, Slice, WindowKind, counted_from, slice_of
from modelmeter.ledger.snapshot import one_picture
from modelmeter.record import PICO_PER_USD

__all__ = ["BudgetState", "as_json", "budget_states", "span_of", "state_of", "used_percent"]

_NS = 1_000_000_000
_FULL_PERCENT = Decimal(100)
_TENTH = Decimal("0.1")
_FORECAST_FROM_PERCENT = 1
"""Before so much of a window is over, its pace says nothing."""

_SUMS = """
SELECT coalesce(sum(settled_whole), 0), coalesce(sum(settled_pico), 0),
    coalesce(sum(reserved_whole), 0), coalesce(sum(reserved_pico), 0)
FROM budget_window WHERE budget_id = ? AND start_ns >= ? AND start_ns < ?
"""
_MARKS = """
SELECT mark, count(*) FROM budget_mark WHERE budget_id = ? AND at_ns >= ? AND at_ns < ? GROUP BY 1
"""


class BudgetState(msgspec.Struct, frozen=True):
    """A budget in its window of this moment; amounts are exact, in ``unit``."""

    name: str
    source: Source
    scope: Scope
    unit: Unit
    window: WindowKind
    window_seconds: int | None
    """The length of a rolling window."""
    time_zone: str
    window_start: datetime
    resets_at: datetime | None
    """None: the window rolls."""
    at_limit: AtLimit
    shadow: bool
    thresholds: tuple[int, ...]
    limit: Decimal
    """With the extra allowance while it lasts."""
    extra: Decimal
    """The part of ``limit`` that ends at ``extra_until``."""
    extra_until: datetime | None
    settled: Decimal
    reserved: Decimal
    remaining: Decimal
    percent: Decimal
    """Of the limit, settled; as `used_percent` rounds it."""
    forecast: Decimal | None
    """What is settled at the window's end if it goes on like this; None: too early, or it rolls."""
    blocked: int
    """Calls of this window; as are the next three."""
    downgraded: int
    overrun: int
    shadowed: int
    """Calls that would have been stopped were the budget not in the shadow."""


def budget_states(connection: sqlite3.Connection, now_ns: int) -> list[BudgetState]:
    """
    All budgets of the ledger by name, as one consistent picture.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    with one_picture(connection):
        return [state_of(connection, stored, now_ns) for stored in read_budgets(connection)]


def span_of(budget: Budget, now_ns: int) -> Slice:
    """The window of this moment; of a rolling one, all that is counted."""
    if budget.window.rolls:
        return Slice(counted_from(budget.window, now_ns), LAST_NS)
    return slice_of(budget.window, now_ns)


def state_of(connection: sqlite3.Connection, stored: StoredBudget, now_ns: int) -> BudgetState:
    """
    How one budget stands.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    budget = stored.budget
    span = span_of(budget, now_ns)
    place = (stored.id, span.start_ns, span.end_ns)
    ((whole, pico, held, held_pico),) = connection.execute(_SUMS, place).fetchall()
    settled = whole * PICO_PER_USD + pico
    reserved = held * PICO_PER_USD + held_pico
    limit = budget.limit_at(now_ns)
    marks = dict(connection.execute(_MARKS, place).fetchall())
    extra_ends = budget.extra_until_ns
    extra_holds = extra_ends is not None and now_ns < extra_ends
    return BudgetState(
        name=budget.name,
        source=stored.source,
        scope=budget.scope,
        unit=budget.unit,
        window=budget.window.kind,
        window_seconds=budget.window.seconds,
        time_zone=budget.window.time_zone,
        window_start=_moment(span.start_ns),
        resets_at=None if budget.window.rolls else _moment(span.end_ns),
        at_limit=budget.at_limit,
        shadow=budget.shadow,
        thresholds=budget.thresholds,
        limit=in_units(limit),
        extra=budget.extra if extra_holds else Decimal(0),
        extra_until=_moment(extra_ends) if extra_ends is not None and extra_holds else None,
        settled=in_units(settled),
        reserved=in_units(reserved),
        remaining=in_units(max(limit - settled - reserved, 0)),
        percent=used_percent(settled, limit),
        forecast=None if budget.window.rolls else _forecast(settled, span, now_ns),
        blocked=marks.get("blocked", 0),
        downgraded=marks.get("downgraded", 0),
        overrun=marks.get("overrun", 0),
        shadowed=marks.get("shadow", 0),
    )


def used_percent(settled: int, limit: int) -> Decimal:
    """What of a limit is settled: rounded to a tenth, but 100 from the limit on only."""
    percent = (_FULL_PERCENT * settled / limit).quantize(_TENTH, ROUND_HALF_UP)
    return min(percent, _FULL_PERCENT - _TENTH) if settled < limit else percent


def _forecast(settled: int, span: Slice, now_ns: int) -> Decimal | None:
    length = span.end_ns - span.start_ns
    elapsed = now_ns - span.start_ns
    if elapsed * 100 < length * _FORECAST_FROM_PERCENT:
        return None
    return in_units(settled * length // elapsed)


def _moment(at_ns: int) -> datetime:
    return datetime.fromtimestamp(at_ns // _NS, UTC)


def as_json(value: msgspec.Struct) -> dict[str, object]:
    """A record as JSON's own values: amounts as exact decimal strings, times in ISO 8601."""
    built: dict[str, object] = msgspec.to_builtins(value, builtin_types=(Decimal,))
    return {name: _plain(inner) for name, inner in built.items()}


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value
