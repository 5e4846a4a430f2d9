"""How a budget stands, for people and programs."""

import contextlib
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from budget_cases import USD, budget, define, ledger_with_budgets, opening, outcome
from ledger_cases import NOW_NS, FixedClock

from modelmeter.budgets.budget import Scope, Unit
from modelmeter.budgets.state import as_json, budget_details, budget_states
from modelmeter.budgets.windows import Window, WindowKind
from modelmeter.errors import BudgetExceededError
from modelmeter.gateway.budget_samples import budget_samples
from modelmeter.ledger.read_only import connect_reader

HOUR_NS = 3600 * 10**9


async def test_a_budget_tells_how_it_stands_and_who_spends_it(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    clock = FixedClock()
    define(
        path,
        budget("daily", "10", scope=Scope(team="meetmind")),
        budget("rolling", "1000", unit=Unit.TOKENS, window=Window(WindowKind.ROLLING, "UTC", 60)),
    )
    with ledger_with_budgets(path, clock) as ledger:
        for agent, cost in (("meetmind.notes", 3 * USD), ("meetmind.search", USD // 8)):
            one = opening(cost, agent_id=agent)
            await ledger.open(one)
            await ledger.settle(outcome(one, cost))
        await ledger.open(opening(2 * USD))
        with contextlib.suppress(BudgetExceededError):
            await ledger.open(opening(9 * USD))

        with contextlib.closing(connect_reader(path)) as connection:
            daily, rolling = budget_states(connection, NOW_NS)
            details = budget_details(connection, "daily", NOW_NS)
            samples = budget_samples(connection, NOW_NS, {})
            assert budget_details(connection, "unknown", NOW_NS) is None

    assert (daily.settled, daily.reserved) == (Decimal("3.125"), Decimal(2))
    assert (daily.remaining, daily.percent) == (Decimal("4.875"), Decimal("31.2"))
    assert (daily.blocked, daily.downgraded, daily.overrun, daily.shadowed) == (1, 0, 0, 0)
    # The clock stands at 16:13:20 of a day of 24 hours in Stockholm.
    assert daily.forecast is not None
    assert abs(daily.forecast - Decimal("3.125") * 86_400 / 58_400) < Decimal("1e-11")
    assert {(one.name, one.labels): one.value for one in samples} == {
        (name, (("budget", "daily"),)): pytest.approx(float(amount))
        for name, amount in (
            ("llm_budget_limit_usd", daily.limit),
            ("llm_budget_spent_usd", daily.settled),
            ("llm_budget_reserved_usd", daily.reserved),
            ("llm_budget_forecast_usd", daily.forecast),
        )
    }
    assert rolling.settled == Decimal(30)
    assert (rolling.resets_at, rolling.forecast) == (None, None)
    assert details is not None
    assert [(one.mark, one.agent_id) for one in details.recent] == [("blocked", "meetmind.notes")]
    assert [(one.agent_id, one.settled) for one in details.spenders] == [
        ("meetmind.notes", Decimal(3)),
        ("meetmind.search", Decimal("0.125")),
    ]


def test_a_new_window_begins_with_nothing_and_is_too_young_for_a_forecast(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    define(path, budget("hourly", "0.000000000002", window=Window(WindowKind.HOUR)))

    with contextlib.closing(connect_reader(path)) as connection:
        start_ns = NOW_NS // HOUR_NS * HOUR_NS
        (young,) = budget_states(connection, start_ns + 1)
        (older,) = budget_states(connection, start_ns + HOUR_NS // 2)

    assert (young.forecast, older.forecast) == (None, Decimal(0))
    assert msgspec.json.decode(msgspec.json.encode(as_json(older))) == {
        "name": "hourly",
        "source": "command",
        "scope": {},
        "unit": "usd",
        "window": "hour",
        "window_seconds": None,
        "time_zone": "UTC",
        "window_start": "2026-09-21T14:00:00Z",
        "resets_at": "2026-09-21T15:00:00Z",
        "at_limit": "block",
        "shadow": False,
        "thresholds": [50, 80, 100],
        "limit": "0.000000000002",
        "extra": "0",
        "extra_until": None,
        "settled": "0",
        "reserved": "0",
        "remaining": "0.000000000002",
        "percent": "0.0",
        "forecast": "0",
        "blocked": 0,
        "downgraded": 0,
        "overrun": 0,
        "shadowed": 0,
    }
