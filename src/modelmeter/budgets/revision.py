"""A number beside the ledger that grows when its budgets change: seen without asking the ledger."""

import mmap
import os
from functools import lru_cache
from pathlib import Path

from modelmeter.errors import LedgerUnavailableError
from modelmeter.ledger.memory import is_in_memory

__all__ = ["RevisionFile"]

_BYTES = 8


@lru_cache(maxsize=1)
def _of_this_process() -> mmap.mmap:
    """For ledgers in memory, which no other process has: one for all, so it may grow in vain."""
    return mmap.mmap(-1, _BYTES)


class RevisionFile:
    """
    Eight bytes that all processes on a ledger have in memory.

    Whoever changes the budgets raises it while it has the ledger's write lock, so that every
    transaction which begins after that change sees it. Reading costs no statement: without
    budgets a transaction does nothing else for them.
    """

    def __init__(self, ledger_path: Path) -> None:
        """
        Raises:
            LedgerUnavailableError: the file beside the ledger cannot be written.
        """
        self._memory: mmap.mmap | bytes
        self._own: mmap.mmap | None = None
        if is_in_memory(ledger_path):
            self._memory = _of_this_process()
            return
        whole = ledger_path.resolve()
        path = whole.with_name(f"{whole.name}-budgets")
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            try:
                os.ftruncate(descriptor, _BYTES)
                self._memory = self._own = mmap.mmap(descriptor, _BYTES)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise LedgerUnavailableError(f"cannot use {path}: {error}") from error

    def read(self) -> bytes:
        """The number as it is now; to be compared only."""
        return self._memory[:]

    def bump(self) -> None:
        """Tell all processes; to be called with the ledger's write lock."""
        if isinstance(self._memory, bytes):
            raise LedgerUnavailableError("the budgets' revision is closed")
        self._memory[:] = (int.from_bytes(self._memory[:]) + 1).to_bytes(_BYTES)

    def close(self) -> None:
        """Let go of the file; who still reads, in another thread, sees the number as it was."""
        self._memory = self.read()
        if self._own is not None:
            self._own.close()
