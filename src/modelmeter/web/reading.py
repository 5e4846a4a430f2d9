"""Reads the ledger in a few threads of their own, each question within a bound of time."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from modelmeter.errors import LedgerError, RefusedRequestError
from modelmeter.ledger.read_only import connect_reader

__all__ = ["LedgerReading"]

_LOOK_EVERY_STEPS = 20_000
"""Steps of SQLite's machine between two looks at the clock: about a millisecond."""
_RETRY_AFTER_SECONDS = 1

Answer = TypeVar("Answer")


class LedgerReading:
    """
    Answers questions to the ledger, some at once; the writers are not disturbed.

    A question sees one moment of the ledger, whatever the number of its statements.
    """

    def __init__(
        self, ledger_path: Path, *, at_once_max: int, waiting_max: int, timeout_seconds: float
    ) -> None:
        self._ledger_path = ledger_path
        self._waiting_max = waiting_max
        self._timeout_seconds = timeout_seconds
        self._waiting = 0
        self._threads = ThreadPoolExecutor(at_once_max, thread_name_prefix="ledger-reading")
        self._own = threading.local()
        self._connections: list[sqlite3.Connection] = []

    async def ask(self, question: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """
        What ``question`` returns for a connection that it may use until then.

        Raises:
            RefusedRequestError: too many questions wait, the ledger cannot be read now, or the
                answer takes too long (503).
        """
        if self._waiting >= self._waiting_max:
            raise _unavailable("too many questions wait for the ledger; try again", "busy")
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._answer, question)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Let running questions end, then release the ledger."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        for connection in self._connections:
            connection.close()

    def _answer(self, question: Callable[[sqlite3.Connection], Answer]) -> Answer:
        deadline = time.monotonic() + self._timeout_seconds
        try:
            connection = self._connection()
            connection.set_progress_handler(lambda: time.monotonic() > deadline, _LOOK_EVERY_STEPS)
            connection.execute("BEGIN")
            try:
                return question(connection)
            finally:
                connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
                raise _unavailable(
                    "the answer takes too long; ask for a shorter time or fewer groups",
                    "query_timeout",
                ) from error
            raise _unavailable(
                f"the ledger cannot be read: {error}", "ledger_unavailable"
            ) from error
        except LedgerError as error:
            raise _unavailable(str(error), error.code) from error

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = connect_reader(self._ledger_path)
            self._connections.append(connection)
        return connection


def _unavailable(message: str, code: str) -> RefusedRequestError:
    return RefusedRequestError(
        message, code=code, http_status=503, retry_after_seconds=_RETRY_AFTER_SECONDS
    )
