"""``modelmeter report`` and ``modelmeter calls`` on a real ledger file."""

import contextlib
import csv
import io
import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from modelmeter.cli import app
from modelmeter.ledger.read_only import connect_reader
from modelmeter.ledger.reader import GroupBy, report
from modelmeter.ledger.schema import migrate
from modelmeter.ledger.sums import Sums
from modelmeter.record import usd_text

STOCKHOLM = ZoneInfo("Europe/Stockholm")
START = datetime(2026, 10, 24, tzinfo=STOCKHOLM)
NS = 10**9
WINDOW = "2026-10-24..2026-10-26"
IN_STOCKHOLM = ("--window", WINDOW, "--time-zone", "Europe/Stockholm")
INSERT = """
INSERT INTO entry (id, request_id, attempt, started_at_ns, tenant_id, team, agent_id, key_id,
  provider, operation, model, streamed, status, http_status, duration_ns, tokens_input,
  tokens_cache_read, tokens_cache_write_5m, tokens_cache_write_1h, tokens_output,
  tokens_reasoning, tokens_audio_input, tokens_audio_output, tokens_image_input,
  tokens_image_output, cost_pico_usd, cost_state, cached, cost_saved_pico_usd)
VALUES (:id, :id, 0, :at, :tenant, :team, :agent, '', 'openai', 'chat', :model, 0, :status, 200,
  1000000, :tokens, 0, 0, 0, 0, 0, 0, 0, 0, 0, :cost, :state, 0, 0)
"""


def entry(number: int, **fields: object) -> dict[str, object]:
    """One entry; times in seconds after the window's start."""
    seconds = int(str(fields.pop("seconds", 60)))
    return {
        "id": f"call-{number}",
        "at": int(START.timestamp()) * NS + seconds * NS,
        "tenant": "acme",
        "team": "meetmind",
        "agent": "meetmind.notes",
        "model": "gpt-4o",
        "status": "success",
        "tokens": 100,
        "cost": 1_000_000,
        "state": "priced",
        **fields,
    }


def fill(connection: sqlite3.Connection, entries: Sequence[dict[str, object]]) -> None:
    """Write entries as the ledger's own schema wants them."""
    connection.isolation_level = None
    migrate(connection)
    connection.executemany(INSERT, entries)


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.db"
    connection = sqlite3.connect(path)
    fill(
        connection,
        [
            entry(1, team="=cmd()", cost=9 * 10**18, agent="\x1b[31mred"),
            entry(2, team="=cmd()", cost=9 * 10**18 + 1),
            entry(3, status="error", cost=0, tokens=0),
            entry(4, status="cancelled", cost=5),
            entry(5, state="unpriced", cost=0, model="mystery"),
            entry(6, seconds=-1),
            entry(7, seconds=int(timedelta(days=3, hours=1).total_seconds())),
        ],
    )
    connection.close()
    return path


def run(*arguments: str, columns: int = 80) -> str:
    """The output of a command, without what it says beside it."""
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": str(columns)})
    assert result.exit_code == 0, result.output
    return result.stdout


def test_json_is_exact_beyond_sixty_four_bits(ledger: Path) -> None:
    text = run("report", "--ledger", str(ledger), *IN_STOCKHOLM, "--json")

    assert json.loads(text) == {
        "from": "2026-10-24T00:00:00+02:00",
        "to": "2026-10-27T00:00:00+01:00",
        "by": "team",
        "total": {
            "calls": 5,
            "errors": 2,
            "cached": 0,
            "tokens": 400,
            "cost_usd": "18000000.000000000006",
            "unpriced_calls": 1,
        },
        "rows": [
            {
                "team": "=cmd()",
                "calls": 2,
                "errors": 0,
                "cached": 0,
                "tokens": 200,
                "cost_usd": "18000000.000000000001",
                "unpriced_calls": 0,
            },
            {
                "team": "meetmind",
                "calls": 3,
                "errors": 2,
                "cached": 0,
                "tokens": 200,
                "cost_usd": "0.000000000005",
                "unpriced_calls": 1,
            },
        ],
    }


def test_a_spreadsheet_runs_no_formula_of_ours(ledger: Path) -> None:
    text = run("report", "--ledger", str(ledger), *IN_STOCKHOLM, "--csv")

    rows = list(csv.reader(io.StringIO(text)))
    assert rows[0] == ["team", "calls", "errors", "cached", "tokens", "cost_usd", "unpriced_calls"]
    assert rows[1][0] == "'=cmd()"


def test_lines_for_spreadsheets_end_as_in_every_other_csv(ledger: Path) -> None:
    """As RFC 4180 has it, and as the page and `modelmeter export` write it."""
    told = CliRunner().invoke(app, ["report", "--ledger", str(ledger), *IN_STOCKHOLM, "--csv"])

    lines = told.stdout_bytes.splitlines(keepends=True)
    assert len(lines) == 3
    assert all(line.endswith(b"\r\n") for line in lines)


def test_people_see_readable_money_and_a_warning(ledger: Path) -> None:
    text = run("report", "--ledger", str(ledger), *IN_STOCKHOLM)

    assert "$18,000,000.00" in text
    assert "1 call has no known price" in text


@pytest.mark.parametrize("form", ["--json", "--csv"])
def test_programs_get_the_warning_beside_the_numbers(ledger: Path, form: str) -> None:
    warned = CliRunner().invoke(app, ["report", "--ledger", str(ledger), *IN_STOCKHOLM, form])
    priced = CliRunner().invoke(
        app, ["report", "--ledger", str(ledger), "--window", "2026-10-27..2026-10-28", form]
    )

    assert warned.stderr == (
        "1 call has no known price and counts as $0.00 here; "
        "`modelmeter prices check` names their models.\n"
    )
    assert "known price" not in warned.stdout
    assert (priced.exit_code, priced.stderr) == (0, "")


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("hour", ["2026-10-23 23:00", "2026-10-24 00:00", "2026-10-27 01:00"]),
        ("day", ["2026-10-23", "2026-10-24", "2026-10-27"]),
        ("week", ["2026-10-19", "2026-10-26"]),
        ("month", ["2026-10"]),
    ],
)
def test_times_are_short_enough_for_a_terminal(tmp_path: Path, by: str, names: list[str]) -> None:
    path = tmp_path / "ledger.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        starts = (-1, 60, 3 * 86_400 + 7200)
        fill(
            connection,
            [entry(n, seconds=at, cost=43_210_000_000_000) for n, at in enumerate(starts)],
        )
    window = ("--window", "2026-10-01..2026-10-31", "--time-zone", "Europe/Stockholm")

    text = run("report", "--ledger", str(path), *window, "--by", by)
    programs = json.loads(run("report", "--ledger", str(path), *window, "--by", by, "--json"))

    rows = [line for line in text.splitlines() if line.startswith("│")]
    assert [row.split("│")[1].strip() for row in rows] == [*names, "total"]
    assert "2026-10-01 00:00 to 2026-11-01 00:00 CET" in text
    assert [row[by] for row in programs["rows"]] == [
        row.name
        for row in report(
            connect_reader(path),
            datetime(2026, 10, 1, tzinfo=STOCKHOLM),
            datetime(2026, 11, 1, tzinfo=STOCKHOLM),
            GroupBy(by),
            STOCKHOLM,
        ).rows
    ]


def test_two_hours_of_one_name_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        fill(connection, [entry(n, seconds=(24 + 1 + n) * 3600) for n in range(4)])

    text = run("report", "--ledger", str(path), *IN_STOCKHOLM, "--by", "hour", columns=100)

    rows = [line for line in text.splitlines() if line.startswith("│ 2")]
    assert [row.split("│")[1].strip() for row in rows] == [
        "2026-10-25 01:00",
        "2026-10-25 02:00+02:00",
        "2026-10-25 02:00+01:00",
        "2026-10-25 03:00",
    ]


def test_an_empty_window_says_how_to_send_the_first_call(ledger: Path) -> None:
    assert "OPENAI_BASE_URL" in run("report", "--ledger", str(ledger), "--window", "yesterday")


def test_calls_are_shown_inert_and_whole(ledger: Path) -> None:
    lines = run("calls", "--ledger", str(ledger))
    objects = [json.loads(line) for line in run(
        "calls", "--ledger", str(ledger), "--json", "--team", "=cmd()").splitlines()]  # fmt: skip

    assert "\x1b" not in lines
    assert "\\x1b[31mred" in lines
    assert [call["cost_usd"] for call in objects] == ["9000000", "9000000.000000000001"]
    assert len(run("calls", "--ledger", str(ledger), "--limit", "3").splitlines()) == 4


def test_a_call_from_the_cache_reads_as_one(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        fill(connection, [entry(1, cost=0, tokens=0), entry(2)])
        connection.execute("UPDATE entry SET cached = 1 WHERE id = 'call-1'")

    _, hit, made = run("calls", "--ledger", str(path)).splitlines()

    assert "success (cached)" in hit
    assert "success " in made
    assert "cached" not in made


@pytest.mark.parametrize(
    ("since", "count"),
    [
        ("2026-10-24T00:00:30+02:00", 6),
        ("2026-10-23T22:00:30Z", 6),
        ("2026-10-24", 6),
        ("2026-10-23", 7),
        ("2026-10-27", 1),
    ],
)
def test_calls_since_a_time(
    ledger: Path, monkeypatch: pytest.MonkeyPatch, since: str, count: int
) -> None:
    monkeypatch.setenv("MODELMETER_TIME_ZONE", "Europe/Stockholm")

    lines = run("calls", "--ledger", str(ledger), "--json", "--since", since).splitlines()

    assert len(lines) == count


def test_following_shows_every_call_however_many_come_at_once(ledger: Path) -> None:
    # What runs in the background of a shell inherits that SIGINT is ignored.
    command = ["env", "--default-signal=INT", sys.executable, "-m", "modelmeter", "calls"]
    command += ["--follow", "--json", "--limit", "2"]
    process = subprocess.Popen(
        [*command, "--ledger", str(ledger), "--team", "burst"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        connection = sqlite3.connect(ledger)
        for burst in range(3):
            numbers = range(100 + burst * 500, 100 + (burst + 1) * 500)
            with connection:
                connection.executemany(
                    INSERT,
                    [entry(n, team="burst" if n % 2 else "others") for n in numbers],
                )
            expected = [f"call-{number}" for number in numbers if number % 2]
            if burst:
                seen = [json.loads(process.stdout.readline())["id"] for _ in expected]
            else:
                # How much of the first burst is history is not known.
                seen = []
                while seen[-1:] != expected[-1:]:
                    seen.append(json.loads(process.stdout.readline())["id"])
                expected = expected[-len(seen) :]
            assert seen == expected
        connection.close()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert process.stdout.read() == ""
    finally:
        process.kill()
        process.stdout.close()
        process.wait()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["report", "--by", "colour"], "no such grouping"),
        (["report", "--window", "soon"], "no such window"),
        (["report", "--time-zone", "Mars"], "no such time zone"),
        (["report", "--json", "--csv"], "give --json or --csv, not both"),
        (["calls", "--status", "fine"], "no such status"),
        (["calls", "--since", "soon"], "no such window"),
        (["report", "--ledger", "/nonexistent/ledger.db"], "there is no ledger"),
    ],
)
def test_a_wrong_word_is_told_and_what_would_be_right(
    ledger: Path, arguments: list[str], says: str
) -> None:
    given_ledger = [] if "--ledger" in arguments else ["--ledger", str(ledger)]

    result = CliRunner().invoke(app, [*arguments, *given_ledger])

    assert result.exit_code != 0
    assert says in str(result.exception)


@given(
    st.lists(
        st.tuples(st.integers(0, 4 * 86_400 - 1), st.integers(0, 10**18)), min_size=1, max_size=30
    ),
    st.sampled_from(list(GroupBy)),
    st.sampled_from(["UTC", "Europe/Stockholm", "Asia/Kathmandu", "America/St_Johns"]),
)
def test_the_parts_add_up_to_the_whole(
    calls: list[tuple[int, int]], by: GroupBy, zone: str
) -> None:
    connection = sqlite3.connect(":memory:")
    fill(
        connection,
        [
            entry(number, seconds=seconds, cost=cost, team=f"team{cost % 3}")
            for number, (seconds, cost) in enumerate(calls)
        ],
    )

    result = report(connection, START, START + timedelta(days=6), by, ZoneInfo(zone))

    connection.close()
    parts = Sums()
    for row in result.rows:
        parts.add(row.sums)
    assert parts == result.total
    assert result.total.calls == len(calls)
    assert usd_text(result.total.cost) == usd_text(sum(cost for _, cost in calls))


def test_days_are_the_time_zones_own() -> None:
    """The 25th has 25 hours in Stockholm: a call in its last hour is still of that day."""
    connection = sqlite3.connect(":memory:")
    hours = [23.9, 24.0, 24.0 + 24.9, 24.0 + 25.0]
    fill(connection, [entry(n, seconds=int(hour * 3600)) for n, hour in enumerate(hours)])

    result = report(connection, START, START + timedelta(days=4), GroupBy.DAY, STOCKHOLM)

    connection.close()
    assert [(row.name, row.sums.calls) for row in result.rows] == [
        ("2026-10-24T00:00:00+02:00", 1),
        ("2026-10-25T00:00:00+02:00", 2),
        ("2026-10-26T00:00:00+01:00", 1),
    ]


def test_the_hour_that_comes_twice_is_two_hours() -> None:
    connection = sqlite3.connect(":memory:")
    fill(connection, [entry(n, seconds=(24 + 2 + n) * 3600 + 60) for n in range(2)])

    result = report(connection, START, START + timedelta(days=4), GroupBy.HOUR, STOCKHOLM)

    connection.close()
    assert [row.name for row in result.rows] == [
        "2026-10-25T02:00:00+02:00",
        "2026-10-25T02:00:00+01:00",
    ]
