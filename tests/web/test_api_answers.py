"""What the JSON API answers, over a ledger of known entries."""

import contextlib
import csv
import io
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from web_under_test import NOW_SECONDS, NS, StandingClock, entry, make_ledger, open_call, web_client

from modelmeter.ledger import busy_spans
from modelmeter.pricing import PriceBook
from modelmeter.record import TokenCounts

DAY = 86_400

ENTRIES = [
    entry(1),
    entry(2, team="search", agent="search.web", model="gpt-4o-mini", cost=1),
    entry(3, status="error", error_type="rate_limit", cost=0, input=0, output=0),
    entry(4, cached=1, cost=0, saved=3_500_000_000),
    entry(5, state="unpriced", cost=0, model="own-model"),
    entry(6, seconds_ago=30, missed="first_seen"),
    entry(7, seconds_ago=DAY + 3600, cost=1_000_000_000),
    entry(8, status="cancelled", error_type="cancelled"),
]


async def ask(ledger: Path, path: str) -> Any:
    """The JSON that a path answers with."""
    async with web_client(ledger) as client:
        answer = await client.get(f"/api/v1{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(params=[0, 5, 8], ids="{} rolled up".format)
def ledger(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The entries above, some of them rolled up."""
    path = tmp_path / "ledger.db"
    make_ledger(path, ENTRIES, rolled_up=request.param)
    return path


async def test_the_summary_adds_up_the_window_and_compares_it_with_the_one_before(
    ledger: Path,
) -> None:
    open_call(ledger, "open-1", provider="genai", tenant="acme")

    answer = await ask(ledger, "/summary?window=24h")

    total = answer["total"]
    assert (total["calls"], total["errors"], total["cached"], total["tokens"]) == (7, 2, 1, 6600)
    assert total["cost_usd"] == "0.010500000001"
    assert total["cost_saved_usd"] == "0.0035"
    assert answer["previous"]["cost_usd"] == "0.001"
    assert answer["cost_24h_usd"] == "0.010500000001"
    assert answer["error_rate"] == pytest.approx(1 / 6)
    assert answer["success_rate"] == pytest.approx(5 / 6)
    assert answer["cache_hit_rate"] == pytest.approx(1 / 2)
    assert answer["requests_per_second"] == pytest.approx(1 / 60)
    assert answer["active_requests"] == [{"provider": "genai", "calls": 1}]
    assert 500 < answer["latency"]["p50_ms"] <= 750
    assert [(warned["code"], warned["calls"]) for warned in answer["warnings"]] == [("unpriced", 1)]


async def test_a_summary_without_calls_has_no_rates(tmp_path: Path) -> None:
    make_ledger(tmp_path / "ledger.db", [])

    answer = await ask(tmp_path / "ledger.db", "/summary")

    assert answer["total"]["calls"] == 0
    assert answer["error_rate"] is answer["success_rate"] is answer["cache_hit_rate"] is None
    assert answer["latency"] == {"p50_ms": None, "p90_ms": None, "p99_ms": None}


@pytest.mark.parametrize(
    ("asked", "unit", "sums"),
    [
        ("metric=cost&by=team", "usd", {"meetmind": 0.0105, "search": 1e-12}),
        ("metric=cost", "usd", {"all": 0.010500000001}),
    ],
)
async def test_a_cost_over_time_adds_up_to_the_whole(
    ledger: Path, asked: str, unit: str, sums: dict[str, float]
) -> None:
    answer = await ask(ledger, f"/series?{asked}&window=24h")

    assert answer["unit"] == unit
    assert answer["step_seconds"] == 900
    assert {line["name"]: sum(line["values"]) for line in answer["series"]} == pytest.approx(sums)
    assert all(len(line["values"]) == len(answer["times"]) for line in answer["series"])


async def test_a_latency_over_time_is_null_where_nothing_was_called(ledger: Path) -> None:
    answer = await ask(ledger, "/series?metric=latency&window=24h")

    assert [line["name"] for line in answer["series"]] == ["p50", "p90", "p99"]
    shown = [value for value in answer["series"][0]["values"] if value is not None]
    assert shown
    assert all(0.5 < value <= 0.75 for value in shown)
    assert len(shown) < len(answer["times"])


async def test_errors_over_time_are_told_apart_by_provider_and_type(ledger: Path) -> None:
    answer = await ask(ledger, "/series?metric=errors&by=provider_error_type&window=24h")

    assert {line["name"] for line in answer["series"]} == {"openai rate_limit", "openai cancelled"}


async def test_errors_over_time_are_those_of_the_summary(ledger: Path) -> None:
    answer = await ask(ledger, "/series?metric=errors&window=24h")

    (line,) = answer["series"]
    assert sum(line["values"]) * answer["step_seconds"] == pytest.approx(2)


async def test_many_lines_come_together_as_other(tmp_path: Path) -> None:
    make_ledger(
        tmp_path / "ledger.db",
        [entry(number, agent=f"a{number}", cost=number) for number in range(20)],
    )

    answer = await ask(tmp_path / "ledger.db", "/series?metric=cost&by=agent&window=24h")

    names = [line["name"] for line in answer["series"]]
    assert names == [f"a{number}" for number in range(19, 7, -1)] + ["other"]
    total = sum(sum(line["values"]) for line in answer["series"])
    assert total == pytest.approx(sum(range(20)) / 10**12)


async def test_a_breakdown_compares_groups_with_the_period_before(ledger: Path) -> None:
    answer = await ask(ledger, "/breakdown?by=team&window=24h")

    rows = {row["name"]: row for row in answer["rows"]}
    assert list(rows) == ["meetmind", "search"]
    assert rows["meetmind"]["cost_usd"] == "0.0105"
    assert rows["meetmind"]["change"]["cost"] == pytest.approx(9.5)
    assert rows["search"]["change"]["cost"] is None
    assert rows["meetmind"]["share"] == pytest.approx(1.0)
    assert answer["other"] is None


async def test_groups_beyond_the_limit_still_count(ledger: Path) -> None:
    answer = await ask(ledger, "/breakdown?by=team&window=24h&limit=1")

    assert [row["name"] for row in answer["rows"]] == ["meetmind"]
    assert answer["other"]["calls"] == 1
    assert answer["other"]["cost_usd"] == "0.000000000001"


async def test_a_breakdown_by_day_is_in_the_time_zone(ledger: Path) -> None:
    answer = await ask(ledger, "/breakdown?by=day&window=7d&time_zone=Asia/Kolkata")

    assert [row["name"] for row in answer["rows"]] == [
        "2026-11-19T00:00:00+05:30",
        "2026-11-20T00:00:00+05:30",
    ]


async def test_filters_narrow_every_answer(ledger: Path) -> None:
    summary = await ask(ledger, "/summary?window=24h&team=search&team=nobody")
    calls = await ask(ledger, "/calls?window=24h&model=own-model")
    errors = await ask(ledger, "/calls?window=24h&status=error&error_type=rate_limit")

    assert summary["total"]["calls"] == 1
    assert [call["id"] for call in calls["calls"]] == ["call-5"]
    assert [call["id"] for call in errors["calls"]] == ["call-3"]


@pytest.mark.parametrize("rolled_up", [0, 4])
async def test_the_calls_behind_a_count_of_errors_are_found(tmp_path: Path, rolled_up: int) -> None:
    """In groups of statuses; by an error's type, and a lost outcome by its status."""
    ends = [
        ("success", None),
        ("error", "rate_limit"),
        ("cancelled", "cancelled"),
        ("unknown", None),
        ("blocked", "throttled"),
    ]
    entries = [
        entry(number, status=status, error_type=why) for number, (status, why) in enumerate(ends)
    ]
    make_ledger(tmp_path / "ledger.db", entries, rolled_up=rolled_up)

    async def found(asked: str) -> set[str]:
        answer = await ask(tmp_path / "ledger.db", f"/calls?window=24h&{asked}")
        return {call["status"] for call in answer["calls"]}

    assert await found("status=any_error") == {"error", "cancelled", "unknown", "blocked"}
    assert await found("status=failed") == {"error", "unknown"}
    assert await found("status=failed&status=blocked") == {"error", "unknown", "blocked"}
    assert await found("error_type=unknown") == {"unknown"}
    assert await found("error_type=unknown&error_type=throttled") == {"unknown", "blocked"}


async def test_the_pages_of_calls_hold_each_call_once(ledger: Path) -> None:
    seen: list[str] = []
    cursor = ""
    async with web_client(ledger) as client:
        while True:
            answer = (await client.get(f"/api/v1/calls?window=7d&limit=3{cursor}")).json()
            seen += [call["id"] for call in answer["calls"]]
            if answer["next"] is None:
                break
            cursor = f"&cursor={answer['next']}"

    # Of those that began at one moment, the one entered last comes first.
    assert seen == ["call-6", "call-8", "call-5", "call-4", "call-3", "call-2", "call-1", "call-7"]


async def test_one_call_shows_its_attempts_and_its_price_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    card = PriceBook().price("openai", "gpt-4o", TokenCounts(input=1), NOW_SECONDS * NS).card
    assert card is not None
    make_ledger(
        path,
        [
            entry(1, request_id="r", status="error", error_type="overloaded", cost=0, input=0),
            entry(2, request_id="r", attempt=1, seconds_ago=3590, card=card.id),
            entry(3, request_id="r", tenant="umbrella"),
        ],
    )
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO rate_card (id, text) VALUES (?, ?)", (card.id, card.text))

    answer = await ask(path, "/calls/call-2")

    assert [attempt["id"] for attempt in answer["attempts"]] == ["call-1", "call-2"]
    assert answer["cost_lines"] == [
        {"kind": "input", "tokens": 1000, "usd_per_million": "2.5", "cost_usd": "0.0025"},
        {"kind": "output", "tokens": 100, "usd_per_million": "10", "cost_usd": "0.001"},
    ]
    assert answer["cost_rest_usd"] == "0"
    assert answer["price_source"] == "test"


async def test_a_corrected_call_shows_what_it_costs_now_and_what_it_did_before(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ledger.db"
    make_ledger(path, [entry(1, state="unpriced", cost=0)])
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            """
            INSERT INTO correction (entry_seq, started_at_ns, corrected_at_ns, cost_pico_usd,
                cost_saved_pico_usd, cost_state, price_source, cost_delta_pico_usd,
                cost_saved_delta_pico_usd, unpriced_delta)
            SELECT seq, started_at_ns, 0, 5, 0, 'priced', 'later', 5, 0, -1 FROM entry
            """
        )

    detail = await ask(path, "/calls/call-1")
    (listed,) = (await ask(path, "/calls?window=24h"))["calls"]
    summary = await ask(path, "/summary?window=24h")

    assert [(one["cost_before_usd"], one["cost_after_usd"]) for one in detail["corrections"]] == [
        ("0", "0.000000000005")
    ]
    assert detail["cost_usd"] == listed["cost_usd"] == "0.000000000005"
    assert listed["cost_state"] == "priced"
    assert summary["total"]["cost_usd"] == "0.000000000005"
    assert summary["warnings"] == []


async def test_names_are_those_of_the_time_asked_about(ledger: Path) -> None:
    answer = await ask(ledger, "/names?window=24h")

    assert answer["team"] == ["meetmind", "search"]
    assert answer["model"] == ["gpt-4o", "gpt-4o-mini", "own-model"]


async def test_a_table_is_csv_that_no_spreadsheet_runs(tmp_path: Path) -> None:
    make_ledger(tmp_path / "ledger.db", [entry(1, agent='=HYPERLINK("x"),\n')])

    async with web_client(tmp_path / "ledger.db") as client:
        for path in ("breakdown?by=agent", "series?by=agent", "calls?limit=5"):
            answer = await client.get(f"/api/v1/{path}&window=24h&format=csv")

            assert answer.headers["content-type"] == "text/csv; charset=utf-8"
            assert answer.headers["content-disposition"].startswith("attachment")
            assert answer.text.endswith("\r\n")
            cells = [cell for row in csv.reader(io.StringIO(answer.text)) for cell in row]
            assert '\'=HYPERLINK("x"),\n' in cells
            assert not any(cell.startswith("=") for cell in cells)


@pytest.mark.parametrize(
    "path",
    [
        "/summary?unknown=1",
        "/summary?window=fortnight",
        "/summary?from=yesterday",
        "/summary?to=2026-01-01",
        "/summary?from=2026-01-02&to=2026-01-01T00:00:00",
        "/summary?from=0001-01-01",
        "/summary?from=2026-01-01&to=9999-12-31",
        "/summary?from=2026-01-01&window=24h",
        "/summary?time_zone=Mars/Olympus",
        "/summary?time_zone=Europe",
        "/series?metric=happiness",
        "/series?metric=cost&by=error_type",
        "/breakdown?limit=0",
        "/calls?cursor=%C3%A9",
        "/calls?cursor=WzEsMl0sWw",
        "/calls?status=fine",
    ],
)
async def test_a_bad_parameter_is_a_400_with_a_code(ledger: Path, path: str) -> None:
    async with web_client(ledger) as client:
        answer = await client.get(f"/api/v1{path}")

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] in ("invalid_parameter", "invalid_combination")


async def test_what_is_not_there_is_a_404_in_the_same_shape(ledger: Path) -> None:
    async with web_client(ledger) as client:
        for path in ("/api/v1/calls/nothing", "/api/v1/nothing", "/api/v2/summary"):
            answer = await client.get(path)

            assert answer.status_code == 404
            assert set(answer.json()["error"]) == {"code", "message"}


async def test_the_docs_need_nothing_from_elsewhere(ledger: Path) -> None:
    async with web_client(ledger) as client:
        answer = await client.get("/docs")

    assert "/api/v1/summary" in answer.text
    assert "<script" not in answer.text
    assert "http://" not in answer.text
    assert "https://" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


async def test_without_keys_a_foreign_name_of_this_machine_is_refused(ledger: Path) -> None:
    async with web_client(ledger) as client:
        for host in ("evil.example", "localhost.evil.example", "", "10.0.0.1:4000"):
            answer = await client.get("/api/v1/summary", headers={"host": host})
            assert answer.status_code == 421
        for host in ("localhost:4000", "127.0.0.1", "[::1]:4000", "page.localhost"):
            answer = await client.get("/api/v1/summary", headers={"host": host})
            assert answer.status_code == 200


@pytest.mark.parametrize(("calls_max", "start"), [(1, "15:15"), (2, "15:20")])
async def test_where_very_many_calls_begin_a_rolling_window_it_begins_with_their_quarter_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls_max: int, start: str
) -> None:
    monkeypatch.setattr(busy_spans, "EDGE_CALLS_MAX", calls_max)
    path = tmp_path / "ledger.db"
    # It is 15:30; asked at 15:20 the day after, the window begins among these.
    make_ledger(
        path,
        [entry(1, seconds_ago=800), entry(2, seconds_ago=300), entry(3, seconds_ago=-3600)],
        rolled_up=3,
    )
    monkeypatch.setattr(StandingClock, "time_ns", lambda _: (NOW_SECONDS - 600 + DAY) * NS)

    answer = await ask(path, "/summary?window=24h")
    exact = await ask(path, "/summary?from=2026-11-20T15:20Z")

    assert answer["from"] == f"2026-11-20T{start}:00.000+00:00"
    assert answer["total"]["calls"] == (3 if start == "15:15" else 2)
    assert exact["total"]["calls"] == 2
