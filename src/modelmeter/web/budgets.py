"""How the budgets stand, and who spends them."""

import sqlite3
from decimal import Decimal

import msgspec

from modelmeter.budgets.budget import Scope, Unit
from modelmeter.budgets.state import BudgetState, budget_states
from modelmeter.budgets.windows import WindowKind
from modelmeter.ledger.sums import SUM_FACTS, Sums
from modelmeter.ledger.usage import Dimension, Span, facts
from modelmeter.ledger.usage_filter import UsageFilter
from modelmeter.record import PICO_PER_USD
from modelmeter.web.access import Viewer
from modelmeter.web.answers import Answer, BudgetFigure
from modelmeter.web.asking import iso

__all__ = ["Budgets", "budgets", "pressing_budget"]

SPENDERS_MAX = 20

_NS = 1_000_000_000


class Spender(Answer):
    """What an agent used of a budget in its window, in the budget's unit."""

    name: str
    amount: str


class BudgetAnswer(BudgetFigure):
    """A budget in its window of this moment."""

    source: str
    scope: dict[str, str]
    """Whose calls count; nothing: everybody's."""
    window_seconds: int | None
    time_zone: str
    window_start: str
    at_limit: str
    shadow: bool
    thresholds: list[int]
    """Percent of the limit."""
    remaining: str
    extra: str
    extra_until: str | None
    blocked: int
    """Calls of this window; as are the next three."""
    downgraded: int
    overrun: int
    shadowed: int
    spenders: list[Spender]
    """Agents, those that used most first; empty for a budget of a key."""


class Budgets(Answer):
    """All budgets that the viewer may see, by name."""

    budgets: list[BudgetAnswer]


def budgets(connection: sqlite3.Connection, viewer: Viewer, now_ns: int) -> Budgets:
    """
    How each budget stands.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    return Budgets(
        budgets=[
            _answer(state, _spenders(connection, state, now_ns))
            for state in _visible(connection, viewer, now_ns)
        ]
    )


def pressing_budget(
    connection: sqlite3.Connection, viewer: Viewer, now_ns: int
) -> BudgetFigure | None:
    """
    The day's budget in USD of which the largest part is spent; None: there is none.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    days = [
        state
        for state in _visible(connection, viewer, now_ns)
        if state.window is WindowKind.DAY and state.unit is Unit.USD
    ]
    if not days:
        return None
    pressing = max(days, key=lambda state: (state.settled + state.reserved) / state.limit)
    return BudgetFigure.model_validate(_figure(pressing))


def _visible(connection: sqlite3.Connection, viewer: Viewer, now_ns: int) -> list[BudgetState]:
    """A viewer with a tenant sees the budgets that count this tenant's calls alone."""
    return [
        state
        for state in budget_states(connection, now_ns)
        if viewer.tenant_id is None or state.scope.tenant == viewer.tenant_id
    ]


def _figure(state: BudgetState) -> dict[str, object]:
    return {
        "name": state.name,
        "unit": state.unit.value,
        "window": state.window.value,
        "limit": f"{state.limit:f}",
        "settled": f"{state.settled:f}",
        "reserved": f"{state.reserved:f}",
        "percent": float(state.percent),
        "forecast": None if state.forecast is None else f"{state.forecast:f}",
        "resets_at": None if state.resets_at is None else iso(state.resets_at),
    }


def _answer(state: BudgetState, spenders: list[Spender]) -> BudgetAnswer:
    return BudgetAnswer.model_validate(
        {
            **_figure(state),
            "source": state.source,
            "scope": msgspec.to_builtins(state.scope),
            "window_seconds": state.window_seconds,
            "time_zone": state.time_zone,
            "window_start": iso(state.window_start),
            "at_limit": state.at_limit.value,
            "shadow": state.shadow,
            "thresholds": list(state.thresholds),
            "remaining": f"{state.remaining:f}",
            "extra": f"{state.extra:f}",
            "extra_until": None if state.extra_until is None else iso(state.extra_until),
            "blocked": state.blocked,
            "downgraded": state.downgraded,
            "overrun": state.overrun,
            "shadowed": state.shadowed,
            "spenders": spenders,
        }
    )


def _spenders(connection: sqlite3.Connection, state: BudgetState, now_ns: int) -> list[Spender]:
    """From the rollups, which tell no keys apart."""
    scope = state.scope
    if scope.key is not None:
        return []
    span = Span(int(state.window_start.timestamp()) * _NS, now_ns + 1)
    wanted = _filter(connection, span, scope)
    rows = facts(connection, span, wanted, SUM_FACTS, by=Dimension.AGENT)
    used = [(name, _amount(Sums.of(sums), state.unit)) for name, _, sums in rows]
    used.sort(key=lambda one: (-one[1], one[0]))
    return [
        Spender(name=name, amount=f"{amount:f}") for name, amount in used[:SPENDERS_MAX] if amount
    ]


def _filter(connection: sqlite3.Connection, span: Span, scope: Scope) -> UsageFilter:
    def named(name: str | None, dimension: Dimension) -> tuple[str, ...]:
        if name is None or not name.endswith("*"):
            return () if name is None else (name,)
        rows = facts(connection, span, UsageFilter(), ("calls",), by=dimension)
        start = name.removesuffix("*")
        # A name that nobody carries, where none fits: an empty filter would let all through.
        return tuple(found for found, *_ in rows if found.startswith(start)) or (name,)

    return UsageFilter(
        agent=named(scope.agent, Dimension.AGENT),
        team=named(scope.team, Dimension.TEAM),
        model=named(scope.model, Dimension.MODEL),
        provider=named(scope.provider, Dimension.PROVIDER),
        tenant=named(scope.tenant, Dimension.TENANT),
    )


def _amount(sums: Sums, unit: Unit) -> Decimal:
    if unit is Unit.USD:
        return Decimal(sums.cost) / PICO_PER_USD
    if unit is Unit.TOKENS:
        return Decimal(sums.tokens)
    return Decimal(sums.calls - sums.cached - sums.blocked)
