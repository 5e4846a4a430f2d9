"""The ledger as running calls see it: awaitable, each write durable when it returns."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence

from modelmeter.errors import LedgerLateError, LedgerUnavailableError
from modelmeter.ledger.cache_table import CacheStatus
from modelmeter.ledger.reservations import Opening
from modelmeter.ledger.transaction import Relayed, SeriesShown, Settlement, Withdrawal
from modelmeter.ledger.writer import LedgerWriter, Probe, Refresh, Work
from modelmeter.record import Call, Intent

__all__ = ["Ledger"]


class Ledger:
    """
    The writing side of the ledger for one event loop.

    A write once handed in is carried out whether or not its caller still waits for it.
    """

    def __init__(self, writer: LedgerWriter, *, wait_seconds: float) -> None:
        self.writer = writer
        self._wait_seconds = wait_seconds
        self._waiting: deque[tuple[float, asyncio.Future[None]]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    async def open(self, intent: Intent | Opening) -> None:
        """
        Commit that a call is about to be made; with an `Opening`, hold for it in its budgets.

        Raises:
            LedgerUnavailableError: the ledger cannot commit now; the call must not be made.
            BudgetExceededError: the call does not fit a budget and must not be made.
        """
        call_id = intent.id if isinstance(intent, Intent) else intent.intent.id
        await self.opened(call_id, self.begin(intent))

    def begin(self, intent: Intent | Opening) -> asyncio.Future[None]:
        """
        Hand in that a call is about to be made; await `opened`, or `withdraw` it.

        Raises:
            LedgerUnavailableError: the ledger is behind or closed; the call must not be made.
        """
        return self._hand_in(intent)

    async def opened(self, call_id: str, begun: asyncio.Future[None]) -> None:
        """
        Wait for the commit of what was begun; see `open`.

        Raises:
            LedgerUnavailableError, BudgetExceededError: as `open`.
        """
        try:
            await begun
        except (LedgerLateError, asyncio.CancelledError):
            # It may be committed yet; nobody would ever settle it.
            self._withdraw(call_id)
            raise

    def withdraw(self, call_id: str, begun: asyncio.Future[None]) -> None:
        """A call that was begun is not made after all."""
        begun.cancel()
        self._withdraw(call_id)

    def settle(self, call: Call, *, overhead_ns: int | None = None) -> asyncio.Future[None]:
        """
        Hand in the outcome of an open call at once; the future is done when it is committed.

        The future raises LedgerConflictError if the call has an outcome already, and
        LedgerUnavailableError if it is not committed in time; the writer goes on trying.

        Raises:
            LedgerUnavailableError: the ledger is closed.
        """
        return self._hand_in(Settlement(call, overhead_ns))

    async def record(self, call: Call) -> None:
        """
        Commit a call that never was open: refused before the upstream, or imported.

        Raises:
            LedgerUnavailableError: not committed in time; the writer goes on trying.
        """
        await self._write(call)

    async def record_all(self, calls: Sequence[Call]) -> None:
        """
        Commit many calls that never were open.

        Raises:
            LedgerUnavailableError: not committed in time; the writer goes on trying.
        """
        for call in calls[:-1]:
            self.writer.submit(call)
        if calls:
            # The writer keeps the order, so the last one's commit is the commit of all.
            await self._write(calls[-1])

    def relayed(self, provider: str, status_class: str) -> None:
        """Count a request that was passed on without being metered, with the next commit."""
        self.writer.submit(Relayed(provider, status_class))

    async def cache_status(self, status: CacheStatus) -> None:
        """
        Commit what this process says of its response cache.

        Raises:
            LedgerUnavailableError: not committed; say it again later.
        """
        await self._write(status)

    async def show_series(self, born_until_ns: int) -> None:
        """
        Commit that series born until then are shown with their values from now on.

        Raises:
            LedgerUnavailableError: not committed; they must stay at 0.
        """
        await self._write(SeriesShown(born_until_ns))

    async def probe(self) -> None:
        """
        Write to the file, changing nothing.

        Raises:
            LedgerUnavailableError: the ledger cannot be written now.
        """
        await self._write(Probe())

    async def refresh(self) -> None:
        """
        Take up what others have changed of budgets until now; nothing is written for it.

        Raises:
            LedgerUnavailableError: the ledger cannot be asked now.
        """
        await self._write(Refresh())

    def _withdraw(self, call_id: str) -> None:
        with contextlib.suppress(LedgerUnavailableError):
            self.writer.submit(Withdrawal(call_id))

    async def _write(self, work: Work) -> None:
        await self._hand_in(work)

    def _hand_in(self, work: Work) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self.writer.submit(work, waiter)
        waiting = self._waiting
        while waiting and waiting[0][1].done():
            waiting.popleft()
        # One timer for all: each waits equally long, so they come due in their order.
        waiting.append((loop.time() + self._wait_seconds, waiter))
        if self._timer is None:
            self._timer = loop.call_later(self._wait_seconds, self._give_up, loop)
        return waiter

    def _give_up(self, loop: asyncio.AbstractEventLoop) -> None:
        """End the waits that are over, and forget the writes that are done."""
        now = loop.time()
        waiting = self._waiting
        while waiting and (waiting[0][1].done() or waiting[0][0] <= now):
            _, waiter = waiting.popleft()
            if not waiter.done():
                waiter.set_exception(LedgerLateError("the ledger did not commit in time"))
        self._timer = loop.call_at(waiting[0][0], self._give_up, loop) if waiting else None
