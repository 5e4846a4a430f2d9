"""The writer: durable, exactly once, and right when the file is not."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from ledger_cases import FixedClock, lost_as_unknown, make_call, make_intent

from modelmeter.errors import LedgerConflictError, LedgerFormatError, LedgerUnavailableError
from modelmeter.ledger import Ledger, LedgerBounds, LedgerWriter
from modelmeter.ledger.writer import GATHER_PAUSES_MAX
from modelmeter.record import Call, ErrorType, Status, TokenCounts

OpenWriter = Callable[..., LedgerWriter]


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    """What another connection sees."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


async def test_an_intent_is_in_the_file_when_open_returns(
    open_writer: OpenWriter, tmp_path: Path
) -> None:
    ledger = Ledger(open_writer(), wait_seconds=5)
    intent = make_intent()

    await ledger.open(intent)

    assert rows(tmp_path / "ledger.db", "SELECT id FROM open_call") == [(intent.id,)]


async def test_an_outcome_replaces_the_intent_in_one_step(
    open_writer: OpenWriter, tmp_path: Path
) -> None:
    ledger = Ledger(open_writer(), wait_seconds=5)
    intent = make_intent()
    await ledger.open(intent)

    await ledger.settle(make_call(intent), overhead_ns=1_000)

    assert rows(tmp_path / "ledger.db", "SELECT count(*) FROM open_call") == [(0,)]
    assert rows(tmp_path / "ledger.db", "SELECT id, cost_pico_usd FROM entry") == [
        (intent.id, 1_234_567)
    ]


async def test_a_second_outcome_is_refused_and_the_first_one_stands(
    open_writer: OpenWriter, tmp_path: Path
) -> None:
    ledger = Ledger(open_writer(), wait_seconds=5)
    intent, other = make_intent(), make_intent()
    await ledger.open(intent)
    await ledger.open(other)
    await ledger.settle(make_call(intent, cost=1))

    results = await asyncio.gather(
        ledger.settle(make_call(intent, cost=2)),
        ledger.settle(make_call(other, cost=3)),
        return_exceptions=True,
    )

    assert isinstance(results[0], LedgerConflictError)
    assert results[1] is None
    costs = rows(tmp_path / "ledger.db", "SELECT cost_pico_usd FROM entry ORDER BY 1")
    assert costs == [(1,), (3,)]


async def test_two_outcomes_of_a_call_in_one_transaction_leave_one(
    open_writer: OpenWriter, tmp_path: Path
) -> None:
    ledger = Ledger(open_writer(), wait_seconds=5)
    intent = make_intent()
    await ledger.open(intent)

    results = await asyncio.gather(
        *(ledger.settle(make_call(intent)) for _ in range(8)), return_exceptions=True
    )

    assert sorted(type(result).__name__ for result in results) == [
        *["LedgerConflictError"] * 7,
        "NoneType",
    ]
    assert rows(tmp_path / "ledger.db", "SELECT count(*) FROM entry") == [(1,)]


async def test_series_equal_the_sums_of_entries(open_writer: OpenWriter, tmp_path: Path) -> None:
    ledger = Ledger(open_writer(), wait_seconds=5)

    async def one(number: int) -> None:
        intent = make_intent(agent_id=f"team.agent{number % 7}")
        await ledger.open(intent)
        failed = number % 5 == 0
        await ledger.settle(
            make_call(
                intent,
                status=Status.ERROR if failed else Status.SUCCESS,
                error_type=ErrorType.RATE_LIMIT if failed else None,
                cost=999_999_999_999 * number,
                tokens=TokenCounts(input=number, output=number % 3, cache_write_1h=number % 2),
            )
        )

    await asyncio.gather(*(one(number) for number in range(300)))

    path = tmp_path / "ledger.db"
    series = {
        kind: whole * 10**12 + pico
        for kind, whole, pico in rows(
            path, "SELECT kind, sum(whole), sum(pico) FROM series GROUP BY kind"
        )
        if isinstance(whole, int) and isinstance(pico, int)
    }
    (entries,) = rows(
        path,
        "SELECT count(*), sum(cost_pico_usd), sum(tokens_input + tokens_output"
        " + tokens_cache_write_1h), sum(error_type IS NOT NULL), sum(duration_ns) FROM entry",
    )
    assert entries == (
        series["requests"] // 10**12,
        series["cost"],
        series["tokens"] // 10**12,
        series["errors"] // 10**12,
        series["duration_sum"] // 1000,
    )
    assert series["duration_bucket"] == series["requests"] == 300 * 10**12


async def test_a_sum_beyond_sixty_four_bits_of_pico_dollars_stays_exact(
    open_writer: OpenWriter, tmp_path: Path
) -> None:
    ledger = Ledger(open_writer(), wait_seconds=5)
    cost = 9 * 10**18 + 7

    for _ in range(3):
        intent = make_intent()
        await ledger.open(intent)
        await ledger.settle(make_call(intent, cost=cost))

    stored = rows(tmp_path / "ledger.db", "SELECT whole, pico FROM series WHERE kind = 'cost'")
    assert stored == [divmod(3 * cost, 10**12)]


async def test_label_values_beyond_the_cap_become_other(
    open_writer: OpenWriter, tmp_path: Path
) -> None:
    ledger = Ledger(open_writer(LedgerBounds(label_values_max=3)), wait_seconds=5)

    for number in range(10):
        intent = make_intent(agent_id=f"agent-{number}")
        await ledger.open(intent)
        await ledger.settle(make_call(intent))

    labels = rows(
        tmp_path / "ledger.db",
        "SELECT labels ->> 0, whole FROM series WHERE kind = 'requests' ORDER BY 1",
    )
    assert labels == [("agent-0", 1), ("agent-1", 1), ("agent-2", 1), ("other", 7)]
    assert rows(tmp_path / "ledger.db", "SELECT count(DISTINCT agent_id) FROM entry") == [(10,)]


async def test_a_model_nobody_serves_uses_up_no_label(
    open_writer: OpenWriter, tmp_path: Path
) -> None:
    ledger = Ledger(open_writer(), wait_seconds=5)
    intent = make_intent(model="no-such-model")
    await ledger.open(intent)

    await ledger.settle(
        make_call(
            intent,
            status=Status.ERROR,
            error_type=ErrorType.NOT_FOUND,
            cost=0,
            tokens=TokenCounts(),
        )
    )

    assert rows(tmp_path / "ledger.db", "SELECT value FROM label_value WHERE label='model'") == []


async def test_two_writers_on_one_file_add_up(open_writer: OpenWriter, tmp_path: Path) -> None:
    ledgers = [Ledger(open_writer(), wait_seconds=5) for _ in range(2)]

    async def one(ledger: Ledger) -> None:
        intent = make_intent()
        await ledger.open(intent)
        await ledger.settle(make_call(intent))

    await asyncio.gather(*(one(ledger) for ledger in ledgers for _ in range(100)))

    path = tmp_path / "ledger.db"
    assert rows(path, "SELECT count(*) FROM entry") == [(200,)]
    assert rows(path, "SELECT whole FROM series WHERE kind = 'requests'") == [(200,)]


class HeldClock(FixedClock):
    """Holds the writer up in a commit, when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.holds = False
        self.is_held = threading.Event()
        self.may_go = threading.Event()

    def time_ns(self) -> int:
        """Asked once a commit."""
        if self.holds:
            self.holds = False
            self.is_held.set()
            self.may_go.wait()
        return super().time_ns()


async def test_a_burst_is_committed_in_one_piece_and_a_lone_call_at_once(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    clock = HeldClock()
    late = [make_intent() for _ in range(GATHER_PAUSES_MAX)]
    pauses: list[float] = []

    def more_comes(seconds: float) -> None:
        writer.submit(late[len(pauses)])
        pauses.append(seconds)

    writer = LedgerWriter(path, clock=clock, lost_call=lost_as_unknown, sleep=more_comes)
    try:
        ledger = Ledger(writer, wait_seconds=5)
        clock.holds = True
        alone = ledger.begin(make_intent())
        await asyncio.to_thread(clock.is_held.wait)
        assert pauses == []
        before = writer.commits
        burst = [ledger.begin(make_intent()) for _ in range(3)]
        clock.may_go.set()
        await asyncio.gather(alone, *burst)

        assert writer.commits == before + 2
        assert len(pauses) == GATHER_PAUSES_MAX
        assert rows(path, "SELECT count(*) FROM open_call") == [(1 + 3 + len(late),)]
    finally:
        writer.close()


def test_calls_of_a_killed_process_become_unknown_entries(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    code = """
        import asyncio, os, signal, sys
        from pathlib import Path
        sys.path.insert(0, sys.argv[2])
        from ledger_cases import FixedClock, lost_as_unknown, make_intent
        from modelmeter.ledger import Ledger, LedgerWriter

        async def main():
            writer = LedgerWriter(Path(sys.argv[1]), clock=FixedClock(), lost_call=lost_as_unknown)
            await Ledger(writer, wait_seconds=5).open(make_intent())
            os.kill(os.getpid(), signal.SIGKILL)

        asyncio.run(main())
    """
    here = str(Path(__file__).parent)
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(path), here], check=False
    )
    assert killed.returncode == -signal.SIGKILL

    writer = LedgerWriter(path, clock=FixedClock(), lost_call=lost_as_unknown)
    writer.close()

    assert writer.recovered == 1
    assert rows(path, "SELECT status, cost_pico_usd FROM entry") == [("unknown", 999)]
    assert rows(path, "SELECT count(*) FROM open_call") == [(0,)]
    assert list((tmp_path / "ledger.db-owners").iterdir()) == []


async def test_open_calls_of_a_living_process_are_left_alone(
    open_writer: OpenWriter, tmp_path: Path
) -> None:
    ledger = Ledger(open_writer(), wait_seconds=5)
    await ledger.open(make_intent())

    second = open_writer()

    assert second.recovered == 0
    assert rows(tmp_path / "ledger.db", "SELECT count(*) FROM open_call") == [(1,)]


async def test_a_full_disk_refuses_intents_and_keeps_outcomes_until_there_is_space(
    open_writer: OpenWriter, tmp_path: Path
) -> None:
    writer = open_writer()
    ledger = Ledger(writer, wait_seconds=5)
    intent = make_intent()
    await ledger.open(intent)
    (pages,) = writer._connection.execute("PRAGMA page_count").fetchone()
    writer._connection.execute(f"PRAGMA max_page_count = {pages}")
    refused = None
    while refused is None:
        try:
            await ledger.open(make_intent())
        except LedgerUnavailableError as error:
            refused = error
    large = msgspec.structs.replace(make_call(intent), note="long " * 10_000)
    outcome = ledger.settle(large)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(outcome), timeout=1.2)

    writer._connection.execute("PRAGMA max_page_count = 1000000")
    await outcome

    assert rows(tmp_path / "ledger.db", f"SELECT id FROM entry WHERE id = '{intent.id}'") == [
        (intent.id,)
    ]


async def test_a_full_queue_refuses_new_calls(open_writer: OpenWriter) -> None:
    writer = open_writer(LedgerBounds(queue_max=0))

    with pytest.raises(LedgerUnavailableError, match="behind"):
        await Ledger(writer, wait_seconds=5).open(make_intent())


@pytest.mark.parametrize(
    "poison",
    [
        make_call(make_intent("\ud800")),
        make_call(make_intent(), tokens=TokenCounts(input=10**30)),
        make_call(make_intent(), cost=10**40),
    ],
    ids=["no Unicode", "too many tokens", "too dear"],
)
async def test_what_no_ledger_can_hold_fails_alone(
    open_writer: OpenWriter, tmp_path: Path, poison: Call
) -> None:
    """Whatever comes with it in one transaction is written, and the writer goes on."""
    writer = open_writer()
    ledger = Ledger(writer, wait_seconds=5)
    good = [make_intent(f"team.agent{number}") for number in range(4)]

    ended = await asyncio.gather(
        *(ledger.open(intent) for intent in good[:2]),
        ledger.record(poison),
        *(ledger.open(intent) for intent in good[2:]),
        return_exceptions=True,
    )

    assert [type(one) for one in ended] == [
        *[type(None)] * 2,
        LedgerUnavailableError,
        *[type(None)] * 2,
    ]
    assert writer.failures == 1
    await ledger.settle(make_call(good[0]))
    counted = "SELECT (SELECT count(*) FROM open_call), (SELECT count(*) FROM entry)"
    assert rows(tmp_path / "ledger.db", counted) == [(3, 1)]


@pytest.mark.parametrize(
    "content", [b"not a database at all", b"SQLite format 3\x00" + b"\xff" * 4096]
)
def test_a_damaged_or_foreign_file_is_refused_and_left_as_it_is(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(content)

    with pytest.raises(LedgerFormatError):
        LedgerWriter(path, clock=FixedClock(), lost_call=lost_as_unknown)

    assert path.read_bytes() == content


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (a)")
    connection.commit()
    connection.close()

    with pytest.raises(LedgerFormatError, match="another program"):
        LedgerWriter(path, clock=FixedClock(), lost_call=lost_as_unknown)


def test_a_newer_schema_is_refused(open_writer: OpenWriter, tmp_path: Path) -> None:
    open_writer().close()
    connection = sqlite3.connect(tmp_path / "ledger.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()

    with pytest.raises(LedgerFormatError, match="upgrade"):
        open_writer()
