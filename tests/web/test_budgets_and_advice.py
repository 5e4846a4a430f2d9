"""Budgets as the API shows them, and its advice on cost."""

import contextlib
import hashlib
import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from web_under_test import NOW_SECONDS, NS, entry, make_ledger, web_client

from modelmeter.budgets.budget import Budget, Scope, Unit
from modelmeter.budgets.definitions import set_budget
from modelmeter.budgets.details import budget_details, budget_record
from modelmeter.budgets.events import BudgetEvent, insert_events
from modelmeter.budgets.windows import Window, WindowKind
from modelmeter.ledger.database import connect_writer
from modelmeter.ledger.read_only import connect_reader
from modelmeter.web.marks import MARKS_MAX

ACME_KEY = "mm-acme-secret"


def add_budget(
    ledger: Path,
    name: str,
    limit: str,
    *,
    window: WindowKind = WindowKind.DAY,
    unit: Unit = Unit.USD,
    **scope: str,
) -> None:
    """Set a budget as a command would."""
    budget = Budget(name, Scope(**scope), Window(window), unit, Decimal(limit))
    with contextlib.closing(connect_writer(ledger)) as connection:
        set_budget(connection, budget, NOW_SECONDS * NS)


async def ask(ledger: Path, path: str, **configuration: object) -> Any:
    """The JSON that a path answers with."""
    async with web_client(ledger, configuration) as client:
        answer = await client.get(f"/api/v1{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()


async def test_budgets_show_where_they_stand_and_who_spends_them(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    make_ledger(
        path,
        [
            entry(1, agent="a", team="x", cost=3 * 10**12),
            entry(2, agent="b", team="x", cost=10**12),
            entry(3, agent="c", team="y", cost=7 * 10**12),
            entry(4, agent="a", team="x", cost=10**12, seconds_ago=86_400),
        ],
        rolled_up=2,
    )
    add_budget(path, "x-day", "8", team="x")
    add_budget(path, "calls", "100", unit=Unit.CALLS, agent="*")
    add_budget(path, "nobody", "1", team="no*")

    budgets = {one["name"]: one for one in (await ask(path, "/budgets"))["budgets"]}

    shown = budgets["x-day"]
    assert (shown["settled"], shown["reserved"], shown["remaining"]) == ("4", "0", "4")
    assert shown["percent"] == "50.0"
    assert shown["scope"] == {"team": "x"}
    assert shown["resets_at"] == "2026-11-21T00:00:00Z"
    assert Decimal(shown["forecast"]) > 4
    assert shown["spenders"] == [
        {"agent_id": "a", "settled": "3"},
        {"agent_id": "b", "settled": "1"},
    ]
    assert {one["agent_id"]: one["settled"] for one in budgets["calls"]["spenders"]} == {
        "a": "1",
        "b": "1",
        "c": "1",
    }
    assert budgets["nobody"]["spenders"] == []


async def test_the_api_and_the_commands_tell_the_same_of_a_budget(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    blocked = entry(2, agent="b", status="blocked", error_type="budget_exceeded", cost=0)
    make_ledger(path, [entry(1, cost=2 * 10**12), blocked], rolled_up=1)
    add_budget(path, "three", "3")
    add_budget(path, "of-key", "1", key="k1")
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "INSERT INTO budget_mark (budget_id, mark, call_id, at_ns) VALUES (1, 'blocked', ?, ?)",
            ("call-2", (NOW_SECONDS - 3600) * NS),
        )

    listed = (await ask(path, "/budgets"))["budgets"]
    shown = await ask(path, "/budgets/three")

    with contextlib.closing(connect_reader(path)) as connection:
        found = budget_details(connection, NOW_SECONDS * NS, lambda _: True)
    assert listed == msgspec.json.decode(msgspec.json.encode([budget_record(one) for one in found]))
    assert shown == listed[1]
    assert (shown["name"], shown["percent"], shown["blocked"]) == ("three", "66.7", 1)
    assert shown["recent"] == [
        {
            "mark": "blocked",
            "call_id": "call-2",
            "at": "2026-11-20T14:30:00Z",
            "agent_id": "b",
            "team": "meetmind",
            "tenant_id": "acme",
            "model": "gpt-4o",
            "note": None,
        }
    ]


async def test_a_budget_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    make_ledger(path, [])

    async with web_client(path) as client:
        answer = await client.get("/api/v1/budgets/nobody")

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "budget_not_found")


async def test_the_summary_shows_the_most_pressing_budget_of_a_day(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    make_ledger(path, [entry(1, cost=10**12)])
    assert (await ask(path, "/summary"))["budget"] is None
    add_budget(path, "wide", "100")
    add_budget(path, "tight", "2")
    add_budget(path, "month", "1", window=WindowKind.MONTH)
    add_budget(path, "a-call", "1", unit=Unit.CALLS)

    budget = (await ask(path, "/summary?window=30d"))["budget"]

    assert (budget["name"], budget["percent"], budget["limit"]) == ("tight", "50.0", "2")


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("", None),
        ("?team=meetmind", "of-team"),
        ("?team=meetmind&team=research", None),
        ("?team=meetmind&model=gpt-4o", "of-team-and-model"),
        ("?team=meetmind&agent=meetmind.notes", None),
        ("?agent=meetmind.notes", None),
        ("?tenant=acme", "of-tenant"),
        ("?provider=openai", None),
    ],
)
async def test_only_a_budget_for_just_the_calls_asked_about_is_beside_their_cost(
    tmp_path: Path, query: str, name: str | None
) -> None:
    path = tmp_path / "ledger.db"
    make_ledger(path, [entry(1, cost=10**12)])
    add_budget(path, "of-team", "3", team="meetmind")
    add_budget(path, "of-team-and-model", "3", team="meetmind", model="gpt-4o")
    add_budget(path, "of-tenant", "3", tenant="acme")
    add_budget(path, "of-agents", "3", agent="meetmind.*")
    add_budget(path, "of-key", "3", key="k1")

    budget = (await ask(path, f"/summary{query}"))["budget"]

    assert (budget and budget["name"]) == name


def alert(budget_id: int, name: str, seconds_ago: int, threshold: int = 80) -> BudgetEvent:
    """A threshold that a budget reached in a window of its own."""
    at_ns = (NOW_SECONDS - seconds_ago) * NS
    one = Decimal(1)
    return BudgetEvent(budget_id, name, threshold, at_ns, None, at_ns, "usd", one, one, Decimal(0))


def tell(ledger: Path, *events: BudgetEvent) -> None:
    """Write events as a gateway does."""
    with contextlib.closing(sqlite3.connect(ledger)) as connection, connection:
        insert_events(connection, events)


async def test_a_budgets_alert_is_a_mark_on_the_time_axis(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    make_ledger(path, [])
    tell(path, alert(1, "x-day", 60))

    assert (await ask(path, "/marks?window=1h"))["marks"] == [
        {
            "at": "2026-11-20T15:29:00.000+00:00",
            "first_at": "2026-11-20T15:29:00.000+00:00",
            "count": 1,
            "kind": "budget",
            "text": "Budget x-day: 80 % spent",
        }
    ]


async def test_alerts_of_every_minute_are_one_mark_with_their_number(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    make_ledger(path, [])
    tell(path, *(alert(1, "a-minute", 60 * minute) for minute in range(1, 301)))
    tell(path, *(alert(2, "a-day", 3600 * hour) for hour in range(1, 4)))

    found = (await ask(path, "/marks?window=6h"))["marks"]

    assert [(one["text"], one["count"]) for one in found] == [
        ("Budget a-day: 80 % spent", 1),
        ("Budget a-day: 80 % spent", 1),
        ("Budget a-day: 80 % spent", 1),
        ("Budget a-minute: 80 % spent", 300),
    ]
    assert found[-1]["first_at"] == "2026-11-20T10:30:00.000+00:00"
    assert found[-1]["at"] == "2026-11-20T15:29:00.000+00:00"


async def test_of_very_many_marks_the_earliest_are_one(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    make_ledger(path, [])
    tell(path, *(alert(number, f"b{number}", 60 * number) for number in range(1, 101)))

    found = (await ask(path, "/marks?window=6h"))["marks"]

    assert len(found) == MARKS_MAX
    assert sum(one["count"] for one in found) == 100
    assert found[0]["text"] == "71 budget alerts"
    assert found[-1]["text"] == "Budget b1: 80 % spent"


async def test_advice_names_cheaper_models_with_what_the_same_tokens_cost_on_them(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ledger.db"
    dear = entry(1, input=1_000_000, output=100_000, cost=3_500_000_000_000)
    make_ledger(
        path,
        [
            dear,
            entry(2, model="gpt-4o-mini", cost=1, seconds_ago=20 * 86_400),
            entry(3, model="text-embedding-3-small", output=0, cost=1),
        ],
    )

    (item,) = (await ask(path, "/advice"))["advice"]

    # 1 M input at 0.15 and 100 k output at 0.60 USD a million: https://openai.com/api/pricing
    assert item["kind"] == "cheaper_model"
    assert item["alternatives"] == [
        {"provider": "openai", "model": "gpt-4o-mini", "cost_usd": "0.21"}
    ]
    assert (item["usd"], item["cost_usd"], item["calls"]) == ("3.29", "3.5", 1)


async def test_advice_names_unpriced_models_poor_caches_and_what_failures_cost(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ledger.db"
    misses = [entry(number, agent="low", missed="expired", cost=10**10) for number in range(40)]
    failures = [
        entry(50, agent="cut", status="cancelled", error_type="cancelled", cost=2 * 10**12),
        entry(51, agent="cut", status="error", attempt=1, cost=10**12),
        entry(52, agent="cut", status="error", cost=0),
    ]
    own = [entry(60, model="own", state="unpriced", cost=0)]
    make_ledger(path, [*misses, *failures, *own])

    items = (await ask(path, "/advice"))["advice"]

    by_kind = {item["kind"]: item for item in items}
    assert set(by_kind) == {"paid_failures", "low_cache_hit_rate", "unpriced_model"}
    assert [Decimal(item["usd"]) for item in items] == sorted(
        (Decimal(item["usd"]) for item in items), reverse=True
    )
    failed = by_kind["paid_failures"]
    assert (failed["agent"], failed["usd"], failed["calls"]) == ("cut", "3", 2)
    # 12 of 40 look-ups would have been hits, at 0.01 USD each.
    assert (by_kind["low_cache_hit_rate"]["agent"], by_kind["low_cache_hit_rate"]["usd"]) == (
        "low",
        "0.12",
    )
    assert "raise ttl_seconds" in by_kind["low_cache_hit_rate"]["detail"]
    assert by_kind["unpriced_model"]["is_estimate"]
    assert Decimal(by_kind["unpriced_model"]["usd"]) > 0


async def test_an_empty_ledger_has_no_advice_and_no_budgets(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    make_ledger(path, [])

    assert (await ask(path, "/advice"))["advice"] == []
    assert (await ask(path, "/budgets")) == {"budgets": []}


@pytest.mark.parametrize("path", ["/budgets", "/budgets/of-acme", "/summary", "/marks?window=7d"])
async def test_another_tenants_budget_is_not_shown(tmp_path: Path, path: str) -> None:
    ledger = tmp_path / "ledger.db"
    make_ledger(ledger, [])
    add_budget(ledger, "everybody", "1")
    add_budget(ledger, "of-umbrella", "1", tenant="umbrella")
    add_budget(ledger, "of-acme", "1", tenant="acme")
    one = Decimal(1)
    events = [
        BudgetEvent(number, name, 80, 0, None, NOW_SECONDS * NS - 1, "usd", one, one, one)
        for number, name in ((1, "everybody"), (2, "of-umbrella"), (3, "of-acme"))
    ]
    with contextlib.closing(sqlite3.connect(ledger)) as connection, connection:
        insert_events(connection, events)
    key = {
        "id": "acme",
        "sha256": hashlib.sha256(ACME_KEY.encode()).hexdigest(),
        "tenant_id": "acme",
        "scopes": ["read"],
    }

    async with web_client(ledger, {"keys": [key]}) as client:
        headers = {"authorization": f"Bearer {ACME_KEY}"}
        answer = await client.get(f"/api/v1{path}", headers=headers)
        others = await client.get("/api/v1/budgets/of-umbrella", headers=headers)

    assert others.status_code == 404
    assert answer.status_code == 200
    assert "of-acme" in answer.text
    assert "everybody" not in answer.text
    assert "umbrella" not in answer.text
