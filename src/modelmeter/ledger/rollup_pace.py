"""When the writer adds new entries to the rollups: seldom, and never for long at a time."""

import logging
import sqlite3
import time

from modelmeter.ledger.rollup import roll_up, rollup_lag

__all__ = ["LAG_MAX", "ROLLUP_SECONDS", "RollupPace"]

logger = logging.getLogger(__name__)

ROLLUP_SECONDS = 5.0
"""How often few entries are added."""
LAG_MAX = 8192
"""Entries that readers may have to add up by themselves; more are rolled up at once."""
STEP_ENTRIES_MAX = 2048
"""Entries added in one transaction: the calls that end meanwhile wait for it."""


class RollupPace:
    """Rolls up on the connection of a ledger's writer, in its thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lag = 0
        self._looked_at = 0.0
        self.failures = 0

    @property
    def is_behind(self) -> bool:
        """There is so much to do that no moment should be spent waiting."""
        return self._lag >= LAG_MAX

    def committed(self, entries: int) -> None:
        """Entries were added to the ledger by this process."""
        self._lag += entries

    def take_turn(self) -> None:
        """Add some entries to the rollups, if it is time to."""
        now = time.monotonic()
        if now - self._looked_at < ROLLUP_SECONDS and not self.is_behind:
            return
        self._looked_at = now
        try:
            if rollup_lag(self._connection):
                roll_up(self._connection, entries_max=STEP_ENTRIES_MAX)
            self._lag = rollup_lag(self._connection)
        except sqlite3.Error as error:
            self._lag = 0
            self.failures += 1
            logger.warning("new entries could not be rolled up: %s", error)
