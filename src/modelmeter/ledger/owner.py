"""Which process an open call belongs to, and whether that process still lives."""

import fcntl
import os
import uuid
from pathlib import Path

from modelmeter.errors import LedgerUnavailableError
from modelmeter.ledger.memory import is_in_memory

__all__ = ["Owner", "owner_is_dead"]


class Owner:
    """
    This process' claim on its open calls: a lock file beside the ledger.

    The kernel drops the lock at the very moment the process ends, however it ends, so no
    lease has to run out and no clock is asked.
    """

    def __init__(self, ledger_path: Path) -> None:
        """
        Raises:
            LedgerUnavailableError: the folder of lock files cannot be written.
        """
        self.name = uuid.uuid4().hex
        self._path: Path | None = None
        if is_in_memory(ledger_path):
            # It ends with this process, and its open calls with it.
            return
        path = _lock_path(ledger_path, self.name)
        try:
            path.parent.mkdir(exist_ok=True)
            self._descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise LedgerUnavailableError(
                f"cannot claim the ledger {ledger_path}: {error}"
            ) from error
        self._path = path

    def release(self) -> None:
        """Give the claim up; open calls left behind are free for recovery."""
        if self._path is None:
            return
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


def owner_is_dead(ledger_path: Path, name: str) -> bool:
    """Whether the process that claimed ``name`` has ended; clears its lock file away if so."""
    path = _lock_path(ledger_path, name)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    path.unlink(missing_ok=True)
    return True


def _lock_path(ledger_path: Path, name: str) -> Path:
    return ledger_path.with_name(f"{ledger_path.name}-owners") / name
