"""
Which ledgers this process has open.

SQLite's locks belong to the process and not to a connection: closing any other descriptor of the
same file gives them up (https://www.sqlite.org/howtocorrupt.html, section 2.2). Another process
that closes its connection then takes itself for the last one, and removes a write-ahead log that
is still written to. So nobody here may open and close the file beside SQLite while it is open.
"""

import os
import sqlite3
import threading
from collections import Counter
from pathlib import Path

__all__ = ["LedgerConnection", "is_open_here"]

_open: Counter[str] = Counter()
_turn = threading.Lock()


class LedgerConnection(sqlite3.Connection):
    """A connection that is counted from `holds` until it is closed."""

    _file: str | None = None

    def holds(self, path: Path) -> None:
        """It has the file at ``path`` open."""
        self._file = os.path.realpath(path)
        with _turn:
            _open[self._file] += 1

    def close(self) -> None:
        """Close it; a second time changes nothing."""
        super().close()
        if self._file is not None:
            with _turn:
                _open[self._file] -= 1
            self._file = None


def is_open_here(path: Path) -> bool:
    """Whether this process has the file at ``path`` open as a ledger."""
    with _turn:
        return _open[os.path.realpath(path)] > 0
