"""Delivers notifications from a thread of its own, so that no call ever waits for one."""

import logging
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

from modelmeter.alerts.channels import Channel
from modelmeter.alerts.outbox import Due, Outbox
from modelmeter.errors import LedgerError, UpstreamError
from modelmeter.ledger.database import connect_writer
from modelmeter.record import Clock

__all__ = ["CLOSE_SECONDS", "Notifier"]

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
"""How often the ledger is asked for new events."""
FAULT_PAUSE_SECONDS = 5.0
"""After a fault of the ledger, until it is asked again."""
CLOSE_SECONDS = 15.0
"""How long the end of the process waits for a delivery under way."""


class Notifier:
    """
    Tells every channel of every event of the budgets once, also across restarts and workers.

    Each worker of a gateway may run one: what one of them has claimed the others leave alone.
    """

    def __init__(
        self,
        ledger_path: Path,
        channels: Sequence[Channel],
        clock: Clock,
        *,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._ledger_path = ledger_path
        self._channels = {channel.name: channel for channel in channels}
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def close(self) -> None:
        """Stop; what is claimed and not yet told is told by whoever comes next."""
        self._stopping.set()
        self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        pause = 0.0
        while not self._stopping.wait(pause):
            pause = self._poll_seconds
            try:
                self._deliver_until_stopped()
            except (sqlite3.Error, LedgerError) as error:
                logger.warning("notifications wait for the ledger: %s", error)
                pause = FAULT_PAUSE_SECONDS

    def _deliver_until_stopped(self) -> None:
        connection = connect_writer(self._ledger_path)
        try:
            outbox = Outbox(connection, tuple(self._channels))
            while not self._stopping.is_set():
                if outbox.has_work(self._clock.time_ns()):
                    self._deliver(outbox)
                self._stopping.wait(self._poll_seconds)
        finally:
            connection.close()

    def _deliver(self, outbox: Outbox) -> None:
        for due in outbox.claim(self._clock.time_ns()):
            if self._stopping.is_set():
                outbox.release(due, self._clock.time_ns())
            elif self._told(due):
                outbox.delivered(due, self._clock.time_ns())
            else:
                outbox.failed(due, self._clock.time_ns())

    def _told(self, due: Due) -> bool:
        try:
            self._channels[due.channel].send(due.event)
        except UpstreamError as error:
            logger.warning("budget %s: %s", due.event.budget, error)
            return False
        except Exception as error:  # noqa: BLE001 - a plug-in's text may hold its address
            logger.warning(
                "budget %s: %s of %s", due.event.budget, type(error).__name__, due.channel
            )
            return False
        return True
