"""Ledgers from before lost calls were counted as errors: their counters catch up, exactly."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from ledger_cases import make_call, make_intent
from ledger_file import check_ledger, query

from modelmeter.ledger import Ledger, LedgerWriter
from modelmeter.ledger.tables.lost_calls import LOST_CALLS
from modelmeter.record import ErrorType, Status

ENDS = [
    (Status.SUCCESS, None),
    (Status.ERROR, ErrorType.RATE_LIMIT),
    (Status.CANCELLED, ErrorType.CANCELLED),
    (Status.UNKNOWN, None),
    (Status.UNKNOWN, None),
]
COUNTED_AS_LOST = "SELECT labels ->> 3, whole FROM series WHERE kind = 'errors' ORDER BY 1"


@pytest.mark.parametrize("told_as_unknown", [0, 3])
async def test_lost_calls_of_before_are_counted(
    open_writer: Callable[..., LedgerWriter], tmp_path: Path, told_as_unknown: int
) -> None:
    """Beside what a program that meters its calls itself told of in the same word."""
    path = tmp_path / "ledger.db"
    writer = open_writer()
    ledger = Ledger(writer, wait_seconds=30)
    for status, error_type in ENDS:
        intent = make_intent()
        await ledger.open(intent)
        await ledger.settle(make_call(intent, status=status, error_type=error_type))
    writer.close()
    check_ledger(path)

    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        lost = "kind = 'errors' AND labels ->> 3 = 'unknown'"
        if told_as_unknown:
            connection.execute(f"UPDATE series SET whole = ? WHERE {lost}", (told_as_unknown,))
        else:
            connection.execute(f"DELETE FROM series WHERE {lost}")
        for statement in LOST_CALLS:
            connection.execute(statement)

    assert query(path, COUNTED_AS_LOST) == [
        ("cancelled", 1),
        ("rate_limit", 1),
        ("unknown", 2 + told_as_unknown),
    ]
    if not told_as_unknown:
        check_ledger(path)
