"""How the budgets stand, who spends them, and what they stopped."""

import sqlite3

import msgspec

from modelmeter.budgets.budget import Budget, Scope, Unit
from modelmeter.budgets.details import budget_details, budget_record
from modelmeter.budgets.state import BudgetState, as_json, budget_states
from modelmeter.budgets.windows import WindowKind
from modelmeter.errors import RefusedRequestError
from modelmeter.ledger.usage_filter import UsageFilter
from modelmeter.web.access import Viewer
from modelmeter.web.answers import Answer, BudgetFigure
from modelmeter.web.asking import Asked

__all__ = ["BudgetAnswer", "Budgets", "budget", "budgets", "pressing_budget"]

_DAY_SECONDS = 86_400


class BudgetSpender(Answer):
    """What an agent used of a budget in its window, in the budget's unit."""

    agent_id: str
    settled: str


class BudgetCall(Answer):
    """A call that a budget stopped, downgraded or did not foresee."""

    mark: str
    """blocked, downgraded, overrun or shadow."""
    call_id: str
    at: str
    agent_id: str
    team: str
    tenant_id: str
    model: str
    note: str | None


class BudgetAnswer(BudgetFigure):
    """A budget in its window of this moment, as `modelmeter budget show --json` tells it."""

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
    downgrade: dict[str, str]
    """Model to cheaper model."""
    recent: list[BudgetCall]
    """What it did lately, newest first."""
    spenders: list[BudgetSpender]
    """Agents, those that used most first."""


class Budgets(Answer):
    """All budgets that the viewer may see, by name."""

    budgets: list[BudgetAnswer]


def budgets(connection: sqlite3.Connection, viewer: Viewer, now_ns: int) -> Budgets:
    """
    How each budget stands.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    found = budget_details(connection, now_ns, lambda one: _visible(one.scope, viewer))
    return Budgets(budgets=[BudgetAnswer.model_validate(budget_record(one)) for one in found])


def budget(connection: sqlite3.Connection, viewer: Viewer, now_ns: int, name: str) -> BudgetAnswer:
    """
    How one budget stands.

    Raises:
        RefusedRequestError: there is no such budget for this viewer (404).
        sqlite3.Error: the ledger cannot be read now.
    """

    def wanted(one: Budget) -> bool:
        return one.name == name and _visible(one.scope, viewer)

    for found in budget_details(connection, now_ns, wanted):
        return BudgetAnswer.model_validate(budget_record(found))
    raise RefusedRequestError("there is no such budget", code="budget_not_found", http_status=404)


def pressing_budget(connection: sqlite3.Connection, asked: Asked) -> BudgetFigure | None:
    """
    The budget to judge a day's cost by: one of a day, in USD, for just the calls asked about.

    Of several the one that is spent most; None: there is none.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    fitting = [
        state
        for state in budget_states(connection, asked.now_ns)
        if state.unit is Unit.USD and _of_a_day(state) and _counts_just(state.scope, asked.wanted)
    ]
    if not fitting:
        return None
    pressing = max(fitting, key=lambda state: (state.settled + state.reserved) / state.limit)
    record = as_json(pressing)
    return BudgetFigure.model_validate({name: record[name] for name in BudgetFigure.model_fields})


def _visible(scope: Scope, viewer: Viewer) -> bool:
    """A viewer with a tenant sees the budgets that count this tenant's calls alone."""
    return viewer.tenant_id is None or scope.tenant == viewer.tenant_id


def _of_a_day(state: BudgetState) -> bool:
    return state.window is WindowKind.DAY or state.window_seconds == _DAY_SECONDS


def _counts_just(scope: Scope, wanted: UsageFilter) -> bool:
    """The budget counts the calls that the filter lets through, and no others."""
    names: dict[str, tuple[str, ...]] = msgspec.structs.asdict(wanted)
    return scope.key is None and all(
        chosen == (() if (name := getattr(scope, field)) is None else (name,))
        for field, chosen in names.items()
    )
