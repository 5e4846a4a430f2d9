"""Pricing again: corrections beside entries that stay, and everything that follows them."""

import asyncio
import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_cases import NOW_NS, FixedClock, lost_as_unknown, make_call, make_intent
from ledger_file import query
from typer.testing import CliRunner

from modelmeter.cli import app
from modelmeter.errors import LedgerUnavailableError
from modelmeter.ledger import Ledger, LedgerWriter
from modelmeter.ledger.database import connect_writer
from modelmeter.ledger.explanation import Bill, explain
from modelmeter.ledger.read_only import connect_reader
from modelmeter.ledger.reader import CallFilter, GroupBy, latest_calls, report
from modelmeter.ledger.repricing import Wanted, plan, write
from modelmeter.ledger.schema import _MIGRATIONS, APPLICATION_ID
from modelmeter.ledger.series_reader import read_series
from modelmeter.ledger.sums import Sums
from modelmeter.ledger.tables.rate_cards import RATE_CARDS
from modelmeter.metrics import Exposition
from modelmeter.pricing import PriceBook
from modelmeter.record import (
    PICO_PER_USD,
    RESERVATION,
    Call,
    CostState,
    Intent,
    PicoUsd,
    TokenCounts,
    ToolCalls,
)

BOOK = PriceBook()
UTC_ZONE = ZoneInfo("UTC")
ALL = Wanted(since_ns=0, until_ns=2 * NOW_NS)
TOKENS = TokenCounts(input=1000, output=100)
TRUE_COST = 3_500_000_000
"""1,000 tokens at 2.50 and 100 at 10 USD a million, gpt-4o's price on the day of `NOW_NS`."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


async def enter(path: Path, *calls: Call) -> None:
    writer = LedgerWriter(path, clock=FixedClock(), lost_call=lost_as_unknown)
    try:
        await Ledger(writer, wait_seconds=30).record_all(calls)
    finally:
        writer.close()


def charged(cost: int, intent: Intent | None = None, **fields: object) -> Call:
    """A call of gpt-4o that was entered at some cost, rightly or not."""
    call = make_call(intent or make_intent(), cost=cost, tokens=TOKENS)
    return msgspec.structs.replace(call, **fields)


def unpriced(model: str = "gpt-4o") -> Call:
    return charged(0, make_intent(model=model), cost_state=CostState.UNPRICED, priced_model=None)


def reprice(path: Path, wanted: Wanted = ALL) -> int:
    """All corrections there are to make."""
    with closing(connect_writer(path)) as connection:
        made = 0
        for page in plan(connection, BOOK, wanted):
            late = write(connection, page.changes, lambda: NOW_NS + 5)
            assert not late
            made += len(page.changes)
        return made


def sums(path: Path, by: GroupBy = GroupBy.MODEL) -> Sums:
    with closing(connect_reader(path)) as connection:
        start, end = datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)
        return report(connection, start, end, by, UTC_ZONE).total


def shown(path: Path, name: str, until_ns: int = 2 * NOW_NS) -> float:
    """The sum of a metric over its labels, as scraped; series born later stand at their birth."""
    with closing(connect_reader(path)) as connection:
        snapshot = msgspec.structs.replace(read_series(connection), shown_until_ns=until_ns)
        text = Exposition(version="test").render(snapshot, "")[0].decode()
    samples = [line for line in text.splitlines() if line.startswith(f"{name}{{")]
    return sum(float(line.rpartition(" ")[2]) for line in samples)


def dump(path: Path) -> list[str]:
    """All there is in the ledger."""
    with closing(connect_reader(path)) as connection:
        return list(connection.iterdump())


def bills(path: Path, call: Call) -> list[Bill]:
    with closing(connect_reader(path)) as connection:
        found = explain(connection, call.intent.id)
    assert found is not None
    return found.bills


async def test_the_entry_stays_and_a_correction_stands_beside_it(path: Path) -> None:
    call = charged(9_000_000_000)
    await enter(path, call)
    with closing(connect_reader(path)) as connection:
        before = connection.execute("SELECT * FROM entry").fetchall()

    assert reprice(path) == 1

    with closing(connect_reader(path)) as connection:
        assert connection.execute("SELECT * FROM entry").fetchall() == before
        (row,) = latest_calls(connection, CallFilter(), limit=10)
    assert (row["cost_pico_usd"], row["corrections"]) == (TRUE_COST, 1)
    assert row["price_source"] == "genai-prices 0.2.3, openai gpt-4o"
    entered, corrected = bills(path, call)
    assert (entered.cost, entered.known_at_ns, entered.lines) == (9_000_000_000, None, [])
    assert (corrected.cost, corrected.known_at_ns) == (TRUE_COST, NOW_NS + 5)
    assert [(line.kind, str(line.usd)) for line in corrected.lines] == [
        ("input", "0.0025"),
        ("output", "0.001"),
    ]


@pytest.mark.parametrize("by", GroupBy)
async def test_every_report_follows(path: Path, by: GroupBy) -> None:
    await enter(path, charged(9_000_000_000), unpriced(), charged(1), charged(TRUE_COST))

    assert reprice(path) == 3

    found = sums(path, by)
    assert (found.calls, found.cost, found.unpriced_calls) == (4, 4 * TRUE_COST, 0)


async def test_a_second_run_changes_nothing_more(path: Path) -> None:
    await enter(path, charged(9_000_000_000), unpriced(), charged(1))
    assert reprice(path) == 3
    first = dump(path)

    assert reprice(path) == 0

    assert dump(path) == first


async def test_a_counter_waits_where_it_was_until_the_true_sum_has_passed_it(path: Path) -> None:
    await enter(path, charged(9_000_000_000))
    assert shown(path, "llm_cost_total") == 0.009
    assert shown(path, "llm_cost_overstated_usd") == 0

    reprice(path)
    assert shown(path, "llm_cost_total") == 0.009
    assert shown(path, "llm_cost_overstated_usd") == pytest.approx(0.0055)

    await enter(path, charged(TRUE_COST))
    assert shown(path, "llm_cost_total") == 0.009
    assert shown(path, "llm_cost_overstated_usd") == pytest.approx(0.002)

    await enter(path, charged(TRUE_COST))
    assert shown(path, "llm_cost_total") == 0.0105
    assert shown(path, "llm_cost_overstated_usd") == 0


async def test_a_new_series_that_was_corrected_stands_at_zero_in_both(path: Path) -> None:
    """Cost less overstatement never falls below what the series shown so far add up to."""
    await enter(path, charged(9_000_000_000))
    reprice(path)

    for name in ("llm_cost_total", "llm_cost_overstated_usd"):
        assert shown(path, name, until_ns=NOW_NS - 1) == 0
    difference = shown(path, "llm_cost_total") - shown(path, "llm_cost_overstated_usd")
    assert difference == pytest.approx(TRUE_COST / PICO_PER_USD)


async def test_what_was_unpriced_is_priced_and_counted_as_such(path: Path) -> None:
    await enter(path, unpriced(), unpriced(), unpriced("nobody-knows-me"))
    assert shown(path, "llm_unpriced_requests_total") == 3

    assert reprice(path) == 2

    assert shown(path, "llm_unpriced_requests_total") == 3
    assert shown(path, "llm_repriced_requests_total") == 2
    assert shown(path, "llm_cost_total") == 0.007
    assert sums(path).unpriced_calls == 1


async def test_a_price_that_was_known_is_never_taken_back(path: Path) -> None:
    intent = make_intent(model="retired-and-forgotten")
    await enter(path, charged(5_000, intent))

    with closing(connect_reader(path)) as connection:
        (page,) = plan(connection, BOOK, ALL)

    assert (page.entries, page.changes, page.unknown) == (1, [], 1)


async def test_a_fee_that_was_known_is_never_taken_back(path: Path) -> None:
    """Azure's search of the web has no known fee; an entry that holds one keeps it."""
    intent = msgspec.structs.replace(make_intent(model="gpt-4o"), provider="azure")
    searched = ToolCalls(web_search=1)
    dear = charged(TRUE_COST + 10_000_000_000, intent, tools=searched)
    cheap = charged(1, msgspec.structs.replace(intent, id="another"), tools=searched)
    await enter(path, dear, cheap)

    with closing(connect_reader(path)) as connection:
        (page,) = plan(connection, BOOK, ALL)

    assert (page.entries, page.unknown) == (2, 1)
    assert [(change.cost_after, change.state) for change in page.changes] == [
        (TRUE_COST, CostState.ESTIMATED)
    ]


async def test_an_estimate_stays_one_and_a_cached_call_stays_free(path: Path) -> None:
    guess = charged(7, usage_estimated=True, cost_state=CostState.ESTIMATED, note="it broke off")
    old_guess = charged(7, cost_state=CostState.ESTIMATED)
    hit = charged(0, cached=True, cost_saved=PicoUsd(7))
    await enter(path, guess, old_guess, hit)

    assert reprice(path) == 3

    assert [bills(path, call)[-1].cost_state for call in (guess, old_guess)] == [
        CostState.ESTIMATED,
        CostState.ESTIMATED,
    ]
    assert bills(path, guess)[-1].note == "it broke off"
    held = bills(path, hit)[-1]
    assert (held.cost, held.cost_saved) == (0, TRUE_COST)
    assert shown(path, "llm_cache_savings_total") == 0.0035


async def test_a_lost_call_goes_on_to_cost_its_reservation(path: Path) -> None:
    lost = charged(
        9_000_000_000,
        cost_state=CostState.ESTIMATED,
        price_source=RESERVATION,
        usage_estimated=True,
    )
    await enter(path, lost)

    assert reprice(path) == 0

    (bill,) = bills(path, lost)
    assert (bill.cost, bill.price_source, bill.lines) == (9_000_000_000, RESERVATION, [])


async def test_tier_region_and_tools_of_the_call_count_again(path: Path) -> None:
    at_ns = int(datetime(2026, 2, 1, tzinfo=UTC).timestamp()) * 10**9
    tools = ToolCalls(web_search=2)
    price = BOOK.price(
        "bedrock", "amazon.nova-pro-v1:0", TOKENS, at_ns, service_tier="flex", region="eu-west-1",
        tools=tools,
    )  # fmt: skip
    assert price.card is not None
    intent = msgspec.structs.replace(
        make_intent(model="amazon.nova-pro-v1:0"), provider="bedrock", started_at_ns=at_ns
    )
    right = charged(int(price.cost), intent, tools=tools, card=price.card, cost_state=price.state)
    wrong = charged(
        1,
        msgspec.structs.replace(intent, id="another"),
        tools=tools,
        card=price.card,
        cost_state=price.state,
    )
    await enter(path, right, wrong)

    assert reprice(path) == 1

    assert bills(path, wrong)[-1].cost == price.cost
    assert (bills(path, wrong)[-1].tier, bills(path, wrong)[-1].region) == ("flex", "eu-west-1")


async def test_of_two_repricings_at_once_one_is_told_it_came_late(path: Path) -> None:
    await enter(path, charged(1), charged(TRUE_COST))
    with closing(connect_writer(path)) as one, closing(connect_writer(path)) as other:
        (first,), (second,) = plan(one, BOOK, ALL), plan(other, BOOK, ALL)

        assert write(one, first.changes, lambda: NOW_NS) == []
        assert write(other, second.changes, lambda: NOW_NS) == second.changes

    assert sums(path).cost == 2 * TRUE_COST


@pytest.mark.parametrize(
    ("wanted", "corrected"),
    [
        (msgspec.structs.replace(ALL, model="gpt-4o"), 2),
        (msgspec.structs.replace(ALL, model="gpt-4o-2024-08-06"), 1),
        (msgspec.structs.replace(ALL, provider="anthropic"), 0),
        (msgspec.structs.replace(ALL, until_ns=NOW_NS), 0),
        (msgspec.structs.replace(ALL, since_ns=NOW_NS, until_ns=NOW_NS + 1), 3),
        (msgspec.structs.replace(ALL, since_ns=NOW_NS + 1), 0),
    ],
)
async def test_only_what_is_wanted_is_priced_again(
    path: Path, wanted: Wanted, corrected: int
) -> None:
    answered = charged(1, model_answered="gpt-4o-2024-08-06")
    mini = charged(1, make_intent(model="gpt-4o-mini"), priced_model="gpt-4o-mini")
    await enter(path, charged(1), answered, mini)

    assert reprice(path, wanted) == corrected


@pytest.fixture
def gateway(path: Path) -> Iterator[Ledger]:
    """A gateway's ledger, still open."""
    writer = LedgerWriter(path, clock=FixedClock(), lost_call=lost_as_unknown)
    yield Ledger(writer, wait_seconds=30)
    writer.close()


async def command(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "modelmeter", "reprice", "--from", "2026-01-01"),
        *arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


async def test_the_command_works_while_a_gateway_writes(path: Path, gateway: Ledger) -> None:
    await gateway.record_all([charged(1) for _ in range(450)])
    arguments = ("--to", "2030-01-01", "--ledger", str(path), "--json")
    first = await command(*arguments)
    calling = asyncio.create_task(first.wait())
    while not calling.done():
        await gateway.record(charged(TRUE_COST))
    told = json.loads((await first.communicate())[0])

    again = json.loads((await (await command(*arguments)).communicate())[0])

    assert (told["total"]["calls"], told["changed_meanwhile"]) == (450, 0)
    assert again["total"]["calls"] == 0
    found = sums(path)
    assert found.cost == found.calls * TRUE_COST
    assert shown(path, "llm_cost_total") == pytest.approx(found.cost / PICO_PER_USD)


async def test_a_dry_run_shows_the_difference_and_writes_nothing(path: Path) -> None:
    await enter(path, charged(1), charged(TRUE_COST), unpriced())
    before = dump(path)
    arguments = ("--to", "2030-01-01", "--ledger", str(path), "--dry-run")

    told = json.loads((await (await command(*arguments, "--json")).communicate())[0])
    text = (await (await command(*arguments)).communicate())[0]

    assert dump(path) == before
    assert told["rows"] == [
        {
            "day": "2026-09-21",
            "model": "gpt-4o",
            "calls": 2,
            "newly_priced": 1,
            "before_usd": "0.000000000001",
            "after_usd": "0.007",
            "difference_usd": "0.006999999999",
            "saved_difference_usd": "0",
        }
    ]
    assert (told["entries"], told["dry_run"]) == (3, True)
    assert b"2 would change" in text


OLD_ENTRY = """
INSERT INTO entry (id, request_id, attempt, started_at_ns, tenant_id, team, agent_id, key_id,
  provider, operation, model, streamed, status, http_status, duration_ns, tokens_input,
  tokens_cache_read, tokens_cache_write_5m, tokens_cache_write_1h, tokens_output,
  tokens_reasoning, tokens_audio_input, tokens_audio_output, tokens_image_input,
  tokens_image_output, cost_pico_usd, cost_state, cached, cost_saved_pico_usd, price_source)
VALUES ('old', 'old', 0, ?, '', 'a', 'a.b', '', 'openai', 'chat', 'gpt-4o', 0, 'success', 200, 1,
  1000, 0, 0, 0, 100, 0, 0, 0, 0, 0, 7, 'priced', 0, 0, 'an older catalogue')
"""


async def test_an_entry_of_a_ledger_without_rate_cards_is_priced_again_all_the_same(
    path: Path,
) -> None:
    older = _MIGRATIONS[: _MIGRATIONS.index(RATE_CARDS)]
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in (one for step in older for one in step):
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(older)}")
        connection.execute(OLD_ENTRY, (NOW_NS,))

    assert reprice(path) == 1

    with closing(connect_reader(path)) as connection:
        found = explain(connection, "old")
    assert found is not None
    entered, corrected = found.bills
    assert (entered.cost, entered.lines, entered.price_source) == (7, [], "an older catalogue")
    assert (corrected.cost, len(corrected.lines)) == (TRUE_COST, 2)
    assert sums(path).cost == TRUE_COST


COSTS = st.lists(
    st.tuples(st.sampled_from(["gpt-4o", "gpt-4o-mini"]), st.integers(0, 10**11)), max_size=8
)


@settings(max_examples=25)
@given(rounds=st.lists(COSTS, min_size=1, max_size=4))
async def test_all_sums_agree_and_no_counter_falls_whatever_is_corrected(
    tmp_path_factory: pytest.TempPathFactory, rounds: list[list[tuple[str, int]]]
) -> None:
    path = tmp_path_factory.mktemp("any") / "ledger.db"
    last_shown, entered = 0.0, 0
    for costs in rounds:
        calls = [charged(cost, make_intent(model=model)) for model, cost in costs]
        await enter(path, *calls)
        entered += sum(cost for _, cost in costs)
        reprice(path)

        ((corrected,),) = query(
            path, "SELECT coalesce(sum(cost_delta_pico_usd), 0) FROM correction"
        )
        followed = entered + int(str(corrected))
        now_shown = shown(path, "llm_cost_total")
        overstated = shown(path, "llm_cost_overstated_usd")
        assert sums(path).cost == followed
        assert now_shown >= last_shown
        assert now_shown - overstated == pytest.approx(followed / PICO_PER_USD)
        last_shown = now_shown


def test_a_ledger_that_is_not_there_is_told_and_not_made(tmp_path: Path) -> None:
    path = tmp_path / "nothing.db"

    result = CliRunner().invoke(app, ["reprice", "--from", "2026-01-01", "--ledger", str(path)])

    assert isinstance(result.exception, LedgerUnavailableError)
    assert not list(tmp_path.iterdir())


async def test_no_entry_is_ever_written_twice_with_the_same_card(path: Path) -> None:
    price = BOOK.price("openai", "gpt-4o", TOKENS, NOW_NS)
    calls = [charged(int(price.cost), card=price.card) for _ in range(5)]
    await enter(path, *calls[:3])
    await enter(path, *calls[3:])

    with closing(sqlite3.connect(path)) as connection:
        cards = connection.execute("SELECT id, text FROM rate_card").fetchall()

    assert price.card is not None
    assert cards == [(price.card.id, price.card.text)]
    (bill,) = bills(path, calls[4])
    assert sum(line.usd for line in bill.lines) * PICO_PER_USD == price.cost
