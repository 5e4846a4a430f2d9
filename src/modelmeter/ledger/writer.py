"""The one thread of a process that writes the ledger, many calls a commit."""

import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from modelmeter.errors import LedgerConflictError, LedgerError, LedgerUnavailableError
from modelmeter.ledger.cache_table import CacheStatus
from modelmeter.ledger.database import connect_writer
from modelmeter.ledger.labels import LabelBook
from modelmeter.ledger.owner import Owner
from modelmeter.ledger.recovery import recover
from modelmeter.ledger.reservations import Opening, Refused, Reservations
from modelmeter.ledger.rollup_pace import RollupPace
from modelmeter.ledger.series import SeriesTally
from modelmeter.ledger.transaction import (
    Batch,
    Counted,
    Entered,
    Noted,
    Relayed,
    SeriesShown,
    Settlement,
    Told,
    Withdrawal,
    add_deployment,
    commit,
    unsettled_ids,
)
from modelmeter.ledger.waiters import Waiter, resolve
from modelmeter.record import Call, Clock, Intent

__all__ = ["LedgerBounds", "LedgerWriter", "Probe", "Refresh", "Work"]

logger = logging.getLogger(__name__)

RETRY_SECONDS = 0.5
"""Pause before outcomes that could not be committed are tried again."""
REFRESH_SECONDS = 1.0
"""How often a change of the budgets by another process is looked for."""
RECOVERY_SECONDS = 5.0
"""How often calls of processes that have died are looked for."""
GATHER_PAUSE_SECONDS = 0.0002
"""Without new work for so long, a burst of calls has come in whole."""
GATHER_PAUSES_MAX = 5
"""How many times a commit waits for the rest of a burst."""

_BURST_ITEMS = 2


_FAULTS_OF_WORK = (sqlite3.IntegrityError, sqlite3.DataError, OverflowError, UnicodeError)
"""What a value that no ledger can hold raises; trying again would not help."""


class Probe(msgspec.Struct, frozen=True):
    """A write that changes nothing: it shows that the ledger can be written."""


class Refresh(msgspec.Struct, frozen=True):
    """Nothing to write: a transaction of any kind takes up what others changed before it."""


Work = (
    Intent
    | Opening
    | Settlement
    | Withdrawal
    | Call
    | Relayed
    | Told
    | CacheStatus
    | SeriesShown
    | Probe
    | Refresh
)


class LedgerBounds(msgspec.Struct, frozen=True):
    """The bounds of the writer."""

    queue_max: int = 10_000
    batch_max: int = 256
    label_values_max: int = 200
    label_value_bytes_max: int = 128


DEFAULT_BOUNDS = LedgerBounds()


class LedgerWriter:
    """
    Commits whatever has come in since the last commit, in one transaction.

    A lone call waits for no other; calls that come together are gathered until the burst is
    over, within a bound. An intent that cannot be committed fails at once; an outcome stays with
    the writer and is tried again, for its call has been made.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        lost_call: Callable[[Intent], Call],
        bounds: LedgerBounds = DEFAULT_BOUNDS,
        version: str | None = None,
        reservations: Reservations | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """
        Open the ledger and settle what an earlier process left open.

        Raises:
            LedgerError: the file cannot be used; the text says why and what to do.
        """
        self._path = path
        self._clock = clock
        self._lost_call = lost_call
        self._bounds = bounds
        self._sleep = sleep
        self.reservations = reservations
        self._queue: queue.SimpleQueue[tuple[Work, Waiter | None] | None] = queue.SimpleQueue()
        self._unsettled: list[tuple[Settlement | Withdrawal | Call, Waiter | None]] = []
        self._closing = False
        self._recovered_at = 0.0
        self._refreshed_at = 0.0
        self.commits = 0
        self.failures = 0
        self.recovered = 0
        self.conflicts = 0
        self.uncounted = 0
        """Relayed requests that a full queue left uncounted."""
        self._connection = connect_writer(path)
        try:
            self._owner = Owner(path)
            self._tally = self._new_tally()
            self._rollups = RollupPace(self._connection)
            if version is not None:
                add_deployment(self._connection, version, clock.time_ns())
            # So that the first call finds the budgets taken up.
            self._write(Batch())
            self._recover()
        except sqlite3.Error as error:
            self._connection.close()
            raise LedgerUnavailableError(f"cannot use the ledger {path}: {error}") from error
        except LedgerError:
            self._connection.close()
            raise
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    @property
    def queue_length(self) -> int:
        """How many pieces of work wait for the next commit."""
        return self._queue.qsize() + len(self._unsettled)

    def submit(self, work: Work, waiter: Waiter | None = None) -> None:
        """
        Hand in work; ``waiter`` gets its result in its own event loop after the commit.

        Raises:
            LedgerUnavailableError: the queue is full, or the ledger is closed. An outcome is
                taken even when the queue is full: open calls bound their number.
        """
        if self._closing:
            raise LedgerUnavailableError("the ledger is closed")
        bounded = not isinstance(work, Settlement | Withdrawal | Call)
        if bounded and self.queue_length >= self._bounds.queue_max:
            raise LedgerUnavailableError("the ledger is behind; try again in a moment")
        self._queue.put((work, waiter))

    def close(self) -> None:
        """Commit what has been handed in, then release the file."""
        if self._closing:
            return
        self._closing = True
        self._queue.put(None)
        self._thread.join()
        self._connection.close()
        if self.reservations is not None:
            self.reservations.close()
        self._owner.release()

    def _run(self) -> None:
        running = True
        while running:
            items, running = self._next_items()
            if time.monotonic() - self._refreshed_at >= REFRESH_SECONDS:
                self._refresh_if_possible()
            if items:
                self._commit(items)
            if self._unsettled:
                self._retry()
            if time.monotonic() - self._recovered_at >= RECOVERY_SECONDS:
                self._recover_if_possible()
            self._rollups.take_turn(is_quiet=not items)

    def _next_items(self) -> tuple[list[tuple[Work, Waiter | None]], bool]:
        """Wait for work; take all there is, up to the batch's bound. False: it is the last."""
        items: list[tuple[Work, Waiter | None]] = []
        try:
            usual = RETRY_SECONDS if self._unsettled else REFRESH_SECONDS
            item = self._queue.get(timeout=self._rollups.wait_seconds(usual))
            while True:
                if item is None:
                    return items, False
                items.append(item)
                if len(items) >= self._bounds.batch_max:
                    return items, True
                if len(items) == _BURST_ITEMS:
                    self._gather()
                item = self._queue.get_nowait()
        except queue.Empty:
            return items, True

    def _gather(self) -> None:
        """Let a burst come in whole: writing while it comes is a fight for the interpreter."""
        waiting = self._queue.qsize()
        for _ in range(GATHER_PAUSES_MAX):
            self._sleep(GATHER_PAUSE_SECONDS)
            before, waiting = waiting, self._queue.qsize()
            if waiting == before:
                return

    def _commit(self, items: list[tuple[Work, Waiter | None]]) -> None:
        batch = Batch()
        for work, _ in items:
            _put(batch, work)
        try:
            refused = self._write(batch)
        except LedgerConflictError:
            self._commit_without_conflicts(items)
        except sqlite3.Error as error:
            if isinstance(error, _FAULTS_OF_WORK):
                self._commit_one_by_one(items, error)
            else:
                self._refuse(items, error)
        except Exception as error:  # noqa: BLE001 - logged and counted with the work that caused it
            self._commit_one_by_one(items, error)
        else:
            if refused:
                _tell(items, refused)
            # Who is told of a refusal is not told again.
            resolve([waiter for _, waiter in items], None)

    def _write(self, batch: Batch) -> list[Refused]:
        try:
            refused = commit(
                self._connection,
                batch,
                owner=self._owner.name,
                tally=self._tally,
                now_ns=self._clock.time_ns(),
                reservations=self.reservations,
            )
        except Exception:
            # Label values admitted in the failed transaction are gone with it.
            self._tally = self._new_tally()
            raise
        self.commits += 1
        return refused

    def _commit_without_conflicts(self, items: list[tuple[Work, Waiter | None]]) -> None:
        """Settle what can be settled; a second outcome of a call fails alone."""
        ids = [work.call.intent.id for work, _ in items if isinstance(work, Settlement)]
        still_open = unsettled_ids(self._connection, ids)
        kept: list[tuple[Work, Waiter | None]] = []
        for work, waiter in items:
            if isinstance(work, Settlement) and work.call.intent.id not in still_open:
                self.conflicts += 1
                logger.error("a second outcome of call %s was refused", work.call.intent.id)
                resolve([waiter], LedgerConflictError("this call has an outcome already"))
            else:
                still_open.discard(work.call.intent.id if isinstance(work, Settlement) else "")
                kept.append((work, waiter))
        if kept:
            self._commit(kept)

    def _commit_one_by_one(self, items: list[tuple[Work, Waiter | None]], error: Exception) -> None:
        """What no ledger can hold fails alone, and does not take along what came with it."""
        if len(items) > 1:
            for item in items:
                self._commit([item])
            return
        self.failures += 1
        logger.error("the ledger cannot hold this", exc_info=error)
        waiters = [waiter for _, waiter in items]
        resolve(waiters, LedgerUnavailableError(f"the ledger cannot hold this: {error}"))

    def _refuse(self, items: list[tuple[Work, Waiter | None]], error: sqlite3.Error) -> None:
        self.failures += 1
        logger.error("the ledger could not commit: %s", error)
        refused = []
        for work, waiter in items:
            if isinstance(work, Settlement | Withdrawal | Call):
                self._unsettled.append((work, waiter))
            else:
                refused.append(waiter)
        resolve(refused, LedgerUnavailableError(f"the ledger cannot commit: {error}"))

    def _retry(self) -> None:
        batch = Batch()
        for work, _ in self._unsettled:
            _put(batch, work)
        try:
            self._write(batch)
        except (LedgerConflictError, *_FAULTS_OF_WORK):
            items, self._unsettled = self._unsettled, []
            self._commit([*items])
        except sqlite3.Error:
            self.failures += 1
        else:
            items, self._unsettled = self._unsettled, []
            resolve([waiter for _, waiter in items], None)

    def _refresh_if_possible(self) -> None:
        try:
            self._refresh()
        except sqlite3.Error as error:
            logger.warning("the budgets could not be read: %s", error)

    def _refresh(self) -> None:
        self._refreshed_at = time.monotonic()
        if self.reservations is not None:
            self.reservations.refresh(self._connection)

    def _recover_if_possible(self) -> None:
        try:
            self._recover()
        except (sqlite3.Error, LedgerConflictError) as error:
            self.failures += 1
            logger.warning("open calls of ended processes could not be settled: %s", error)

    def _recover(self) -> None:
        self._recovered_at = time.monotonic()
        recovered = recover(
            self._connection,
            self._path,
            owner=self._owner.name,
            tally=self._tally,
            now_ns=self._clock.time_ns(),
            lost_call=self._lost_call,
            reservations=self.reservations,
        )
        if recovered:
            self.recovered += recovered
            logger.warning("%d calls of an ended process were entered as unknown", recovered)

    def _new_tally(self) -> SeriesTally:
        labels = LabelBook(
            self._connection,
            values_max=self._bounds.label_values_max,
            value_bytes_max=self._bounds.label_value_bytes_max,
        )
        return SeriesTally(labels)


def _put(batch: Batch, work: Work) -> None:
    if isinstance(work, Intent):
        batch.openings.append(work)
    elif isinstance(work, Opening):
        batch.bounded.append(work)
    elif isinstance(work, Settlement):
        batch.settlements.append(work)
    elif isinstance(work, Withdrawal):
        batch.withdrawals.append(work.id)
    elif isinstance(work, Call):
        batch.records.append(work)
    elif isinstance(work, Relayed):
        batch.relayed.append(work)
    elif isinstance(work, CacheStatus):
        batch.cache.append(work)
    elif isinstance(work, SeriesShown):
        batch.shown.append(work)
    elif isinstance(work, Counted | Entered | Noted):
        batch.told.append(work)
    elif isinstance(work, Probe):
        batch.probe = True


def _tell(items: list[tuple[Work, Waiter | None]], refused: list[Refused]) -> None:
    """Wake the waiters of refused openings with the reason."""
    errors = {one.intent.id: one.error for one in refused}
    for work, waiter in items:
        if isinstance(work, Opening) and (error := errors.get(work.intent.id)) is not None:
            resolve([waiter], error)
