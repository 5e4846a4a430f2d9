"""Ledgers from before lost calls were counted as errors: their counters catch up, exactly."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from ledger_cases import make_call, make_intent
from ledger_file import check_ledger, query

from modelmeter.ledger import Ledger, LedgerWriter
from modelmeter.ledger.database import connect_writer
from modelmeter.ledger.schema import _MIGRATIONS
from modelmeter.ledger.tables.lost_calls import LOST_CALLS
from modelmeter.record import ErrorType, Status

ENDS = [
    (Status.SUCCESS, None),
    (Status.ERROR, ErrorType.RATE_LIMIT),
    (Status.CANCELLED, ErrorType.CANCELLED),
    (Status.UNKNOWN, None),
    (Status.UNKNOWN, None),
]


def as_before(path: Path) -> None:
    """Take back what the step brought."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DELETE FROM series WHERE kind = 'errors' AND labels ->> 3 = 'unknown'")
        connection.execute(f"PRAGMA user_version = {_MIGRATIONS.index(LOST_CALLS)}")


@pytest.mark.parametrize("said_before", [0, 3])
async def test_lost_calls_of_before_are_counted_once(
    open_writer: Callable[..., LedgerWriter], tmp_path: Path, said_before: int
) -> None:
    path = tmp_path / "ledger.db"
    writer = open_writer()
    ledger = Ledger(writer, wait_seconds=30)
    for status, error_type in ENDS:
        intent = make_intent()
        await ledger.open(intent)
        await ledger.settle(make_call(intent, status=status, error_type=error_type))
    writer.close()
    check_ledger(path)
    as_before(path)
    if said_before:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            labels = '["meetmind.coordinator","gpt-4o","openai","unknown"]'
            connection.execute(
                "INSERT INTO series VALUES ('errors', ?, ?, 0, 1)", (labels, said_before)
            )

    for _ in range(2):
        connect_writer(path).close()

    assert query(
        path, "SELECT labels ->> 3, whole FROM series WHERE kind = 'errors' ORDER BY 1"
    ) == [("cancelled", 1), ("rate_limit", 1), ("unknown", 2 + said_before)]
    if not said_before:
        check_ledger(path)
