"""Several processes that open the same new ledger at once all get it."""

import multiprocessing
from pathlib import Path
from threading import Barrier

from modelmeter.errors import LedgerError
from modelmeter.ledger.database import connect_writer

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
