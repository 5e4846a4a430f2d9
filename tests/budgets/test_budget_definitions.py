"""Budgets of the configuration and those of commands live side by side in a ledger."""

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from budget_cases import (
    USD,
    budget,
    define,
    ledger_with_budgets,
    opening,
    outcome,
    standings,
    writing,
)
from ledger_cases import NOW_NS

from modelmeter.budgets.budget import Scope
from modelmeter.budgets.definitions import (
    read_budgets,
    read_revision,
    remove_budget,
    set_budget,
    sync_settings,
)
from modelmeter.errors import SettingsError


def named(path: Path) -> dict[str, tuple[str, Decimal]]:
    """Source and limit of each budget."""
    with writing(path) as connection:
        return {one.budget.name: (one.source, one.budget.limit) for one in read_budgets(connection)}


def test_the_configuration_has_its_own_budgets_and_leaves_others(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    define(path, budget("by-hand", "5"), budget("taken", "6"))
    with writing(path) as connection:
        sync_settings(connection, [budget("one", "1"), budget("taken", "7")], NOW_NS)
        before = read_revision(connection)
        sync_settings(connection, [budget("taken", "7"), budget("one", "1")], NOW_NS)
        assert read_revision(connection) == before
        sync_settings(connection, [budget("taken", "8"), budget("two", "2")], NOW_NS)

        with pytest.raises(SettingsError, match="stands in the configuration"):
            set_budget(connection, budget("two", "3"), NOW_NS)
        with pytest.raises(SettingsError, match="stands in the configuration"):
            remove_budget(connection, "two")

    assert named(path) == {
        "by-hand": ("command", Decimal(5)),
        "taken": ("settings", Decimal(8)),
        "two": ("settings", Decimal(2)),
    }


async def test_a_new_limit_keeps_what_is_spent_and_another_scope_counts_anew(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ledger.db"
    first = budget("daily", "10")
    with writing(path) as connection:
        sync_settings(connection, [first], NOW_NS)
    with ledger_with_budgets(path) as ledger:
        for agent in ("meetmind.notes", "other.one"):
            one = opening(agent_id=agent)
            await ledger.open(one)
            await ledger.settle(outcome(one))
        held = opening()
        await ledger.open(held)
        with writing(path) as connection:
            sync_settings(connection, [budget("daily", "20")], NOW_NS)
        assert standings(path) == {"daily": (2 * USD, USD)}

        narrower = msgspec.structs.replace(first, scope=Scope(team="other"))
        with writing(path) as connection:
            sync_settings(connection, [narrower], NOW_NS)
        assert standings(path) == {"daily": (USD, 0)}
        await ledger.settle(outcome(held))
        assert standings(path) == {"daily": (USD, 0)}
