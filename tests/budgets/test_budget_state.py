"""How a budget stands, for people and programs."""

import contextlib
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from budget_cases import USD, budget, define, ledger_with_budgets, opening, outcome
from ledger_cases import NOW_NS, FixedClock

from modelmeter.budgets.budget import Scope, Unit
from modelmeter.budgets.details import budget_details
from modelmeter.budgets.state import as_json, budget_states, used_percent
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
            (details,) = budget_details(connection, NOW_NS, lambda one: one.name == "daily")
            samples = budget_samples(connection, NOW_NS, {})
            assert budget_details(connection, NOW_NS, lambda one: one.name == "unknown") == []

    assert (daily.settled, daily.reserved) == (Decimal("3.125"), Decimal(2))
    assert (daily.remaining, daily.percent) == (Decimal("4.875"), Decimal("31.3"))
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


@pytest.mark.parametrize(
    ("settled", "limit", "percent"),
    [
        (0, 3, "0.0"),
        (7, 10_000, "0.1"),
        (1, 3, "33.3"),
        (2, 3, "66.7"),
        (79_960, 100_000, "80.0"),
        (99_940, 100_000, "99.9"),
        (99_960, 100_000, "99.9"),
        (10**30 - 1, 10**30, "99.9"),
        (100_000, 100_000, "100.0"),
        (100_040, 100_000, "100.0"),
        (142_350, 100_000, "142.4"),
    ],
)
def test_a_percentage_is_rounded_but_reads_100_from_the_limit_on_only(
    settled: int, limit: int, percent: str
) -> None:
    assert str(used_percent(settled, limit)) == percent


async def test_who_spends_a_keys_budget_is_read_off_the_entries_while_they_are_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ledger.db"
    define(path, budget("of-key", "10", scope=Scope(key="k1")))
    with ledger_with_budgets(path) as ledger:
        for agent, key, cost in (("a", "k1", 3 * USD), ("b", "k2", USD), ("a", "k1", USD)):
            one = opening(cost, agent_id=agent, key_id=key)
            await ledger.open(one)
            await ledger.settle(outcome(one, cost))

    def found() -> list[tuple[str, Decimal]]:
        with contextlib.closing(connect_reader(path)) as connection:
            (details,) = budget_details(connection, NOW_NS, lambda _: True)
        return [(one.agent_id, one.settled) for one in details.spenders]

    assert found() == [("a", Decimal(4))]
    monkeypatch.setattr("modelmeter.budgets.spenders.KEY_CALLS_MAX", 2)
    assert found() == []
