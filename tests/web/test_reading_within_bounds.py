"""Questions to the ledger within their bounds: of time, of number, of what they may do."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from web_under_test import entry, make_ledger, web_client

from modelmeter.errors import RefusedRequestError
from modelmeter.web.reading import LedgerReading

ENDLESS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
COUNT = "SELECT count(*) FROM entry"


@asynccontextmanager
async def reading(
    path: Path, *, timeout_seconds: float = 60, at_once_max: int = 2, waiting_max: int = 10
) -> AsyncIterator[LedgerReading]:
    """Reads a ledger within some bounds."""
    opened = LedgerReading(
        path,
        at_once_max=at_once_max,
        waiting_max=waiting_max,
        timeout_seconds=timeout_seconds,
    )
    try:
        yield opened
    finally:
        await asyncio.to_thread(opened.close)


def count(connection: sqlite3.Connection) -> int:
    """How many entries there are."""
    return int(connection.execute(COUNT).fetchone()[0])


async def test_a_question_that_takes_too_long_is_ended_and_the_next_one_answered(
    tmp_path: Path,
) -> None:
    path = tmp_path / "ledger.db"
    make_ledger(path, [entry(1)])

    async with reading(path, timeout_seconds=0.05, at_once_max=1) as ledger:
        with pytest.raises(RefusedRequestError) as refused:
            await ledger.ask(lambda connection: connection.execute(ENDLESS).fetchone())
        assert refused.value.refusal_code == "query_timeout"
        assert refused.value.http_status == 503

        assert await ledger.ask(count) == 1


async def test_more_questions_than_may_wait_are_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    make_ledger(path, [])
    go_on = threading.Event()

    def wait(_connection: sqlite3.Connection) -> bool:
        return go_on.wait(60)

    async with reading(path, at_once_max=1, waiting_max=3) as ledger:
        waiting = [asyncio.create_task(ledger.ask(wait)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(RefusedRequestError) as refused:
            await ledger.ask(count)
        go_on.set()

        assert refused.value.refusal_code == "busy"
        assert await asyncio.gather(*waiting) == [True] * 3
        assert await ledger.ask(count) == 0


async def test_one_question_sees_one_moment(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    make_ledger(path, [entry(1)])

    def twice(connection: sqlite3.Connection) -> tuple[int, int]:
        before = count(connection)
        make_ledger(path, [entry(2)])
        return before, count(connection)

    async with reading(path) as ledger:
        assert await ledger.ask(twice) == (1, 1)
        assert await ledger.ask(count) == 2


async def test_a_question_cannot_write(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    make_ledger(path, [entry(1)])

    async with reading(path) as ledger:
        with pytest.raises(RefusedRequestError) as refused:
            await ledger.ask(lambda connection: connection.execute("DELETE FROM entry"))
        assert refused.value.refusal_code == "ledger_unavailable"
        assert await ledger.ask(count) == 1


async def test_a_ledger_that_is_not_there_is_said_to_be_unavailable(tmp_path: Path) -> None:
    async with reading(tmp_path / "nothing.db") as ledger:
        with pytest.raises(RefusedRequestError) as refused:
            await ledger.ask(count)

    assert refused.value.refusal_code == "ledger_unavailable"


async def test_the_api_says_when_its_time_is_over(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    make_ledger(path, [entry(number) for number in range(20_000)])

    async with web_client(path, {"limits": {"query_timeout_seconds": 1e-9}}) as client:
        answer = await client.get("/api/v1/breakdown?window=24h&by=agent")

    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "query_timeout"
    assert answer.headers["retry-after"] == "1"
