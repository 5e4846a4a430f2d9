"""A ledger opened by several, at once or one after the other, loses nothing."""

import multiprocessing
import sqlite3
from collections.abc import Callable
from pathlib import Path
from threading import Barrier

import pytest
from ledger_file import query

from modelmeter.errors import LedgerError
from modelmeter.ledger.database import connect_writer
from modelmeter.ledger.open_here import is_open_here
from modelmeter.ledger.read_only import connect_reader

OPENERS = 4
FILES = 60


def open_all(folder: Path, gate: Barrier) -> None:
    """Open each file at the same moment as the other processes; exit status 1 if that fails."""
    failed = False
    for number in range(FILES):
        gate.wait()
        try:
            connect_writer(folder / f"{number}.db").close()
        except LedgerError:
            failed = True
    if failed:
        raise SystemExit(1)


def test_a_new_ledger_opened_by_many_at_once_is_open_to_all(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    gate = context.Barrier(OPENERS)
    openers = [context.Process(target=open_all, args=(tmp_path, gate)) for _ in range(OPENERS)]
    for opener in openers:
        opener.start()
    for opener in openers:
        opener.join()

    assert [opener.exitcode for opener in openers] == [0] * OPENERS


WRITE = "INSERT INTO label_value (label, value) VALUES ('label', ?)"


def open_and_close(path: Path) -> None:
    """What another process does with the ledger."""
    connect_writer(path).close()


@pytest.mark.parametrize("first", [connect_writer, connect_reader])
def test_a_second_connection_in_a_process_leaves_the_locks_of_the_first(
    tmp_path: Path, first: Callable[[Path], sqlite3.Connection]
) -> None:
    """Else another process would take itself for the last, and remove the write-ahead log."""
    path = tmp_path / "ledger.db"
    connect_writer(path).close()
    kept = first(path)
    second = connect_writer(path)
    process = multiprocessing.get_context("spawn").Process(target=open_and_close, args=(path,))
    process.start()
    process.join()

    second.execute(WRITE, ("written",))

    found = "SELECT value FROM label_value"
    assert query(path, found) == [("written",)]
    assert kept.execute(found).fetchall() == [("written",)]
    kept.close()
    second.close()
    assert query(path, found) == [("written",)]
    assert not is_open_here(path)
