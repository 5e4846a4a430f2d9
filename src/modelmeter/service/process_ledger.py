"""The ledger as any thread or event loop of a process uses it."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Protocol, TypeVar

from modelmeter.errors import LedgerUnavailableError
from modelmeter.ledger import Ledger, LedgerWriter
from modelmeter.ledger.read_only import connect_reader
from modelmeter.ledger.writer import Work
from modelmeter.service.by_loop import ByLoop

__all__ = ["LedgerAccess", "ProcessLedger"]

_T = TypeVar("_T")
_STOP_SECONDS = 5.0


class LedgerAccess(Protocol):
    """What programs do with their process' ledger; see `ProcessLedger`."""

    def run(self, work: Coroutine[None, None, _T]) -> _T:
        """Run ``work`` in the process' own event loop and wait for its result."""
        ...

    def tell(self, work: Work) -> None:
        """Hand in work that nobody waits for."""
        ...

    def commit(self, work: Work) -> None:
        """Hand in work and wait until it is on the disk."""
        ...

    def read(self, query: Callable[[sqlite3.Connection], _T]) -> _T:
        """Read the ledger."""
        ...


class ProcessLedger:
    """
    One writer, one reader, and an event loop of its own for callers that have none.

    Everything may be called from any thread. What blocks waits for a commit, or for a read.
    """

    def __init__(self, path: Path, writer: LedgerWriter, *, wait_seconds: float) -> None:
        self.path = path
        self.writer = writer
        self._wait_seconds = wait_seconds
        self._ledgers = ByLoop(lambda: Ledger(writer, wait_seconds=wait_seconds))
        self._reader: sqlite3.Connection | None = None
        self._reading = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="meter", daemon=True)
        self._thread.start()

    def of_running_loop(self) -> Ledger:
        """The ledger for the event loop that runs in this thread."""
        return self._ledgers.of_running_loop()

    def run(self, work: Coroutine[None, None, _T]) -> _T:
        """Run ``work`` in the process' own event loop and wait for its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def there(self, work: Coroutine[None, None, _T]) -> _T:
        """Run ``work`` in the process' own event loop, from any other."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def tell(self, work: Work) -> None:
        """
        Hand in work that nobody waits for; it is committed with the next group.

        Raises:
            LedgerUnavailableError: the queue is full, or the ledger is closed.
        """
        self.writer.submit(work)

    def commit(self, work: Work) -> None:
        """
        Hand in work and wait until it is on the disk.

        Raises:
            LedgerUnavailableError: it could not be committed.
        """

        async def wait() -> None:
            waiter: asyncio.Future[None] = self._loop.create_future()
            self.writer.submit(work, waiter)
            async with asyncio.timeout(self._wait_seconds):
                await waiter

        try:
            self.run(wait())
        except TimeoutError as error:
            raise LedgerUnavailableError("the ledger did not commit in time") from error

    def read(self, query: Callable[[sqlite3.Connection], _T]) -> _T:
        """
        Read the ledger, one reader at a time.

        Raises:
            LedgerError: it cannot be read now.
        """
        with self._reading:
            try:
                if self._reader is None:
                    self._reader = connect_reader(self.path)
                return query(self._reader)
            except sqlite3.Error as error:
                raise LedgerUnavailableError(f"cannot read the ledger: {error}") from error

    def close(self) -> None:
        """Commit what was handed in, and release the file."""
        self.writer.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_STOP_SECONDS)
        if not self._thread.is_alive():
            # A loop that only stops keeps its selector and its two sockets open.
            self._loop.close()
        with self._reading:
            if self._reader is not None:
                self._reader.close()
                self._reader = None
