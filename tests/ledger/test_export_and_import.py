"""Calls leave a ledger and come into another: exact, each once, with all sums that follow."""

import asyncio
import csv
import io
import json
import subprocess
import sys
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from budget_cases import check_windows
from hypothesis import given
from hypothesis import strategies as st
from ledger_cases import NOW_NS, FixedClock, lost_as_unknown, make_call, make_intent
from ledger_file import check_ledger, query
from typer.testing import CliRunner

from modelmeter.cli import app
from modelmeter.errors import LedgerUnavailableError, SettingsError
from modelmeter.ledger import Ledger, LedgerWriter
from modelmeter.ledger.database import connect_writer
from modelmeter.ledger.explanation import explain
from modelmeter.ledger.exported_call import exported, imported
from modelmeter.ledger.read_only import connect_reader
from modelmeter.ledger.repricing import Wanted, plan, write
from modelmeter.ledger.transaction import _ENTRY_COLUMNS, _entry_row
from modelmeter.pricing import PriceBook
from modelmeter.record import (
    RESERVATION,
    CacheMiss,
    Call,
    CostState,
    ErrorType,
    PicoUsd,
    Status,
    SystemClock,
    TokenCounts,
    ToolCalls,
)

TOKENS = TokenCounts(input=1000, cache_read=7, output=100, reasoning=3)
CARD = PriceBook().price("openai", "gpt-4o", TOKENS, NOW_NS).card


def run(*arguments: str) -> str:
    """What a command prints."""
    result = CliRunner().invoke(app, arguments)
    if result.exception is not None:
        raise result.exception
    return result.stdout


async def enter(path: Path, *calls: Call) -> None:
    writer = LedgerWriter(path, clock=FixedClock(), lost_call=lost_as_unknown)
    try:
        await Ledger(writer, wait_seconds=30).record_all(calls)
    finally:
        writer.close()


def every_kind_of_call() -> list[Call]:
    """One of each that an entry can be."""
    plain = make_call(make_intent(), cost=3_310_000_001, tokens=TOKENS)
    changed = msgspec.structs.replace(
        make_intent(model="gpt-4o-mini"), model_requested="gpt-4o", cache_miss=CacheMiss.EXPIRED
    )
    return [
        msgspec.structs.replace(plain, card=CARD, tools=ToolCalls(web_search=3)),
        msgspec.structs.replace(make_call(changed), overrun=True, time_to_first_token_ns=5),
        make_call(
            make_intent(),
            status=Status.ERROR,
            error_type=ErrorType.RATE_LIMIT,
            tokens=TokenCounts(),
        ),
        msgspec.structs.replace(
            make_call(make_intent(), status=Status.UNKNOWN, cost=10**12),
            cost_state=CostState.ESTIMATED,
            price_source=RESERVATION,
            usage_estimated=True,
            note="the process ended\nbefore the outcome was known",
        ),
        msgspec.structs.replace(
            make_call(make_intent(), cost=0, tokens=TokenCounts()),
            cached=True,
            cost_saved=PicoUsd(77),
        ),
        msgspec.structs.replace(
            make_call(make_intent("=cmd()|'x'!A1.\"ö\u202e", "nobody-knows-me"), cost=0),
            cost_state=CostState.UNPRICED,
            priced_model=None,
            price_source=None,
        ),
    ]


@pytest.fixture
def ledgers(tmp_path: Path) -> tuple[Path, Path]:
    """One with a call of each kind, the first of which was corrected; one with another call."""
    one, other = tmp_path / "one.db", tmp_path / "other.db"
    asyncio.run(enter(one, *every_kind_of_call()))
    asyncio.run(enter(other, make_call(make_intent("finpilot.invoices"))))
    with closing(connect_writer(one)) as connection:
        for page in plan(connection, PriceBook(), Wanted(since_ns=0, until_ns=2 * NOW_NS)):
            write(connection, page.changes, lambda: NOW_NS)
    assert query(one, "SELECT count(*) > 0 FROM correction") == [(1,)]
    return one, other


def moved(one: Path, other: Path, *options: str) -> str:
    file = one.with_suffix(".jsonl")
    run("export", "--ledger", str(one), "--output", str(file))
    return run("import", str(file), "--ledger", str(other), *options)


def test_what_comes_in_is_what_went_out_with_all_its_sums(ledgers: tuple[Path, Path]) -> None:
    one, other = ledgers
    ids = [row[0] for row in query(one, "SELECT id FROM entry")]

    told = json.loads(moved(one, other, "--json"))

    assert told == {"calls": 6, "entered": 6, "there": 0, "dry_run": False}
    check_ledger(other)
    before, after = (run("export", "--ledger", str(path)).splitlines() for path in ledgers)
    assert after[1:] == before
    with closing(connect_reader(one)) as there, closing(connect_reader(other)) as here:
        for call_id in ids:
            left, came = explain(there, str(call_id)), explain(here, str(call_id))
            assert left is not None
            assert came is not None
            # As it stands by today's knowledge, without how it came to that.
            expected = msgspec.structs.replace(left.bills[-1], known_at_ns=None)
            assert came.bills == [expected]


def test_a_second_time_nothing_comes_in(ledgers: tuple[Path, Path]) -> None:
    one, other = ledgers
    moved(one, other)
    first = other.read_bytes()

    told = moved(one, other)

    assert "0 entered, 6 were there already" in told
    assert other.read_bytes() == first


def test_a_dry_run_says_what_is_new_and_writes_nothing(ledgers: tuple[Path, Path]) -> None:
    one, other = ledgers
    first = other.read_bytes()

    told = moved(one, other, "--dry-run")

    assert "6 would be entered, 0 were there already" in told
    assert other.read_bytes() == first


def test_a_line_that_stands_twice_comes_in_once(ledgers: tuple[Path, Path], tmp_path: Path) -> None:
    one, other = ledgers
    lines = run("export", "--ledger", str(one))
    file = tmp_path / "twice.jsonl"
    file.write_text(lines + "\n" + lines)

    run("import", str(file), "--ledger", str(other))

    assert query(other, "SELECT count(*) FROM entry") == [(7,)]
    check_ledger(other)


def test_processes_at_once_bring_each_call_in_once(tmp_path: Path) -> None:
    """Both read the same file; a third process writes its own calls meanwhile."""
    one, other = tmp_path / "one.db", tmp_path / "other.db"
    asyncio.run(enter(one, *(make_call(make_intent()) for _ in range(3000))))
    asyncio.run(enter(other))
    file = tmp_path / "calls.jsonl"
    run("export", "--ledger", str(one), "--output", str(file))
    command = [sys.executable, "-m", "modelmeter", "import", str(file), "--ledger", str(other)]

    importers = [
        subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    asyncio.run(enter(other, *(make_call(make_intent()) for _ in range(500))))
    told = [json.loads(importer.communicate()[0]) for importer in importers]

    assert sum(one_told["entered"] for one_told in told) == 3000
    assert query(other, "SELECT count(*) FROM entry") == [(3500,)]
    check_ledger(other)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"tokens_input": -1}, "tokens_input"),
        ({"tokens_output": 10**30}, "tokens_output"),
        ({"cost_usd": "-1"}, "cost_usd"),
        ({"cost_usd": "NaN"}, "amount"),
        ({"cost_usd": "0.0000000000001"}, "cost_usd"),
        ({"cost_usd": "1e400"}, "cost_usd"),
        ({"started_at_ns": 2**62 - 1}, "future"),
        ({"started_at_ns": -5}, "started_at_ns"),
        ({"status": "fine"}, "status"),
        ({"id": ""}, "id"),
        ({"agent_id": "a" * 10_000}, "agent_id"),
        ({"rate_card": {"bands": 5}}, "bands"),
        ({"tool_calls": '{"web_search": -4}'}, "tool_calls"),
        ({"streamed": True}, "streamed"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_line_that_is_wrong_is_named_and_nothing_comes_in(
    ledgers: tuple[Path, Path], tmp_path: Path, change: dict[str, object], says: str
) -> None:
    one, other = ledgers
    lines = run("export", "--ledger", str(one)).splitlines()
    lines[3] = json.dumps(json.loads(lines[3]) | change)
    file = tmp_path / "wrong.jsonl"
    file.write_text("\n".join(lines))

    with pytest.raises(SettingsError, match=says) as refused:
        run("import", str(file), "--ledger", str(other))

    assert "line 4" in str(refused.value)
    assert query(other, "SELECT count(*) FROM entry") == [(1,)]


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"{", b"[1]\n", b"a" * 2_000_000, b"null"])
def test_a_file_that_is_no_export_is_refused(
    ledgers: tuple[Path, Path], tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "no.export"
    file.write_bytes(content)

    with pytest.raises(SettingsError, match="line 1"):
        run("import", str(file), "--ledger", str(ledgers[1]))


def test_files_that_are_not_there_are_told_and_not_made(tmp_path: Path) -> None:
    ledger = tmp_path / "nothing.db"

    with pytest.raises(LedgerUnavailableError):
        run("export", "--ledger", str(ledger))
    with pytest.raises(SettingsError, match="cannot read"):
        run("import", str(tmp_path / "nothing.jsonl"), "--ledger", str(ledger))
    with pytest.raises(SettingsError, match="cannot write"):
        run("export", "--ledger", str(ledger), "--output", str(tmp_path / "no" / "way"))

    assert not list(tmp_path.iterdir())


def test_calls_that_come_in_count_in_the_budgets_of_their_time(tmp_path: Path) -> None:
    one, other = tmp_path / "one.db", tmp_path / "other.db"
    just_now = msgspec.structs.replace(make_intent(), started_at_ns=SystemClock().time_ns())
    asyncio.run(enter(one, make_call(just_now, cost=4 * 10**12), make_call(make_intent())))
    rolling = ("--window", "rolling", "--seconds", "86400")
    run("budget", "set", "all", *rolling, "--limit", "100", "--ledger", str(other))

    moved(one, other)

    assert query(other, "SELECT settled_whole, settled_pico FROM budget_window") == [(4, 0)]
    check_windows(other)


def test_only_what_is_wanted_goes_out(ledgers: tuple[Path, Path]) -> None:
    at = ("export", "--ledger", str(ledgers[0]))

    assert len(run(*at, "--model", "gpt-4o-mini").splitlines()) == 1
    assert len(run(*at, "--team", "meetmind", "--tenant", "acme").splitlines()) == 5
    assert len(run(*at, "--window", "2026-09-01..2026-09-30").splitlines()) == 6
    assert run(*at, "--window", "2026-10-01..2026-10-31") == ""


def test_a_spreadsheet_gets_exact_amounts_and_no_formula(ledgers: tuple[Path, Path]) -> None:
    text = run("export", "--ledger", str(ledgers[0]), "--csv")

    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["started_at"] for row in rows] == ["2026-09-21T14:13:20+00:00"] * 6
    ((total,),) = query(
        ledgers[0],
        "SELECT sum(coalesce(c.cost_pico_usd, e.cost_pico_usd)) FROM entry e"
        " LEFT JOIN correction c ON c.entry_seq = e.seq",
    )
    assert sum(Decimal(row["cost_usd"]) for row in rows) == Decimal(str(total)) / 10**12
    assert rows[5]["agent_id"].startswith("'=cmd()")


AMOUNTS = st.integers(0, 10**18)
COUNTS = st.integers(0, 10**12)
NAMES = st.text(max_size=4096)


@given(
    cost=AMOUNTS,
    saved=AMOUNTS,
    counts=st.lists(COUNTS, min_size=10, max_size=10),
    names=st.lists(NAMES, min_size=3, max_size=3),
)
def test_any_call_comes_back_as_it_was(
    cost: int, saved: int, counts: list[int], names: list[str]
) -> None:
    agent, model, answered = names
    call = msgspec.structs.replace(
        make_call(make_intent(agent, model), cost=cost, tokens=TokenCounts(*counts)),
        cost_saved=PicoUsd(saved),
        model_answered=answered,
        card=CARD,
    )
    # What an entry does not hold of its intent.
    intent = msgspec.structs.replace(call.intent, input_bytes=0, output_tokens_max=None)
    assert CARD is not None

    line = msgspec.json.encode(exported(_row(call), CARD.text))

    assert imported(line, started_before_ns=NOW_NS + 1) == msgspec.structs.replace(
        call, intent=intent
    )


def _row(call: Call) -> dict[str, object]:
    """The columns of an entry, as the ledger has them."""
    return dict(zip(_ENTRY_COLUMNS, _entry_row(call), strict=True))
