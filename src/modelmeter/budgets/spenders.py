"""Who spends a budget: agents, by what their calls of its window add up to."""

import sqlite3
from collections import defaultdict
from decimal import Decimal

import msgspec

from modelmeter.budgets.budget import Budget, Scope, Unit
from modelmeter.budgets.decision import in_units
from modelmeter.budgets.sums import settled_by
from modelmeter.ledger.sums import SUM_FACTS, Sums
from modelmeter.ledger.usage import Dimension, Span, facts
from modelmeter.ledger.usage_filter import UsageFilter
from modelmeter.record import PICO_PER_USD

__all__ = ["SPENDERS_MAX", "Spender", "spenders"]

SPENDERS_MAX = 20
"""Agents that are shown of a budget, those that used most first."""
KEY_CALLS_MAX = 200_000
"""Sums tell no keys apart; so many calls of a window are added one by one for a key's budget."""


class Spender(msgspec.Struct, frozen=True):
    """What an agent used of a budget in its window, in the budget's unit."""

    agent_id: str
    settled: Decimal


def spenders(connection: sqlite3.Connection, budget: Budget, span: Span) -> list[Spender]:
    """
    The agents whose calls of a span count; none for a key's budget among too many calls.

    Raises:
        sqlite3.Error: the ledger cannot be read now.
    """
    used = (
        _of_sums(connection, budget, span)
        if budget.scope.key is None
        else _of_entries(connection, budget, span)
    )
    most = sorted(used.items(), key=lambda one: (-one[1], one[0]))[:SPENDERS_MAX]
    return [Spender(agent_id, in_units(amount)) for agent_id, amount in most if amount]


def _of_sums(connection: sqlite3.Connection, budget: Budget, span: Span) -> dict[str, int]:
    wanted = _filter(connection, span, budget.scope)
    rows = facts(connection, span, wanted, SUM_FACTS, by=Dimension.AGENT)
    return {agent_id: _amount(Sums.of(sums), budget.unit) for agent_id, _, sums in rows}


def _of_entries(connection: sqlite3.Connection, budget: Budget, span: Span) -> dict[str, int]:
    rows = facts(connection, span, UsageFilter(), ("calls",))
    used: defaultdict[str, int] = defaultdict(int)
    if sum(calls for _, _, (calls,) in rows) <= KEY_CALLS_MAX:
        for who, amount in settled_by(connection, budget, span.start_ns, span.end_ns):
            _tenant, _team, agent_id, *_ = who
            used[agent_id] += amount
    return used


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


def _amount(sums: Sums, unit: Unit) -> int:
    """In 1e-12 of the unit."""
    if unit is Unit.USD:
        return sums.cost
    if unit is Unit.TOKENS:
        return sums.tokens * PICO_PER_USD
    return (sums.calls - sums.cached - sums.blocked) * PICO_PER_USD
